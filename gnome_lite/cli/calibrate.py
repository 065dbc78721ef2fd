"""`benchmark calibrate`: how far a level's energies are from DFT's, for crystals it was trained on and for new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, print_line
from gnome_lite.cli.wbm import verified_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gnome_lite.core.crystals import CrystalBatch

TARGET = "mp-GGA_GGA+U-MP2020"
SINGLE_POINT = "-single-point"


def calibrate(
    labels: Annotated[list[Path], typer.Option(help="CSV tables: crystals like those that the potential has seen.")],
    new: Annotated[Path, typer.Option(metavar="DIR", help="Folder with WBM: crystals that it has not seen.")],
    level: Annotated[str, typer.Option(metavar="NAME", help="Calculator of the level.")] = "7net-l3i5",
    limit: Annotated[int, typer.Option(min=40, help="Labelled crystals to take, spread evenly.")] = 2000,
    out: Annotated[Path | None, typer.Option(help="File. Default: data/models/errors-LEVEL.json.")] = None,
    home: Home = None,
) -> None:
    """Set the spreads of a level's errors: one number an element, and two numbers each for seen and new crystals.

    Energies are kept as they come (in calibrate/ of the home): a killed run goes on where it stopped.
    """
    import numpy as np

    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.evaluation.wbm import read_wbm
    from gnome_lite.predict.build import join
    from gnome_lite.predict.level_errors import fit_level_errors
    from gnome_lite.sources.labelled import read_labelled

    every = join([read_labelled(path) for path in labels])
    data = every.take(np.unique(np.linspace(0, len(every) - 1, min(limit, len(every))).astype(int)))
    wbm = read_wbm(new)
    new_crystals = CrystalBatch.from_crystals(wbm.crystals)
    _, seen = _energies(data.crystals, level, home)
    name, unseen = _energies(new_crystals, level, home)
    seen_of, new_of = (
        (data.crystals, seen, data.e_form_ev_per_atom),
        (new_crystals, unseen, wbm.e_form_ev_per_atom),
    )
    made = fit_level_errors(name.removesuffix(SINGLE_POINT), TARGET, seen_of, new_of)
    place = out if out is not None else Path("data/models") / f"{made.id}.json"
    made.write(place)
    for what, spread, of in (("seen", made.seen, seen_of), ("new", made.new, new_of)):
        error, difference = made.errors(*of)
        sigma = spread.of(difference)
        one, two = (float(np.nanmean(np.abs(error) <= k * sigma)) for k in (1, 2))
        print_line(
            f"{what}: {spread.n} crystals, MAE {1000 * np.nanmean(np.abs(error)):.1f} meV/atom; sigma from "
            f"{1000 * spread.floor_ev_per_atom:.0f} meV/atom, slope {spread.slope:.1f}: "
            f"{one:.0%} within one, {two:.0%} within two"
        )
    print_line(f"written to {place}")


def _energies(crystals: CrystalBatch, level: str, home: Path | None) -> tuple[str, NDArray[np.float64]]:
    """Return the level's name, and energies by it and by CHGNet, eV/atom, [n, 2]; NaN where one has none."""
    import numpy as np

    from gnome_lite.core.records import Candidate
    from gnome_lite.verify.chgnet.features import CHGNetFeatures

    candidates = [Candidate(c.content_id, c, "", "", "", 0) for c in crystals]
    name, outcomes = verified_at(candidates, level, {}, False, home, "calibrate")
    ours = np.array([v.energy_ev / len(v.crystal) for v in outcomes])
    chgnet = CHGNetFeatures()(crystals).energies_ev_per_atom[:, 0]
    return name, np.column_stack([ours, chgnet])
