"""`predict`: formation energy, spread and energy above hull of crystals in files, without relaxing them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, console, say, settings_of
from gnome_lite.cli.query import number

if TYPE_CHECKING:
    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.pipeline import Progress
    from gnome_lite.settings import Settings


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class PredictedCrystal:
    """One row of output; energies are None where the network or the hull lacks an element."""

    file: str
    name: str
    formula: str
    e_form_ev_per_atom: float | None
    spread_ev_per_atom: float | None
    e_above_hull_ev_per_atom: float | None
    p_stable: float | None
    note: str


def predict(
    files: Annotated[list[Path], typer.Argument(help="CIF, POSCAR, extxyz, ASE db or pymatgen JSON files.")],
    format: Annotated[Format, typer.Option("--format", "-f", help="Output format.")] = Format.TABLE,
    level: Annotated[str | None, typer.Option(help="Level of theory. Default: that of the bundled crystals.")] = None,
    home: Home = None,
) -> None:
    """Predict energies and distances to the hull.

    The networks predict the energy *after* relaxation, with the spread of the ensemble. There is a hull at the level of
    the bundled crystals only; level mp-GGA_GGA+U-MP2020 gives formation energies on the Materials Project's scale.
    """
    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.report.progress import progress_on
    from gnome_lite.sources.files import read_crystals

    read = [(path, found) for path in files for found in read_crystals(path)]
    crystals = CrystalBatch.from_crystals(found.crystal for _, found in read)
    names = [(str(path), found.name) for path, found in read]
    with progress_on(sys.stderr) as progress:
        if level is None:
            rows, of = _on_the_hull(names, crystals, settings_of(home), progress)
        else:
            rows, of = _energies(names, crystals, level, settings_of(home), progress)
    if format is Format.JSON:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    elif format is Format.CSV:
        _print_csv(rows)
    else:
        _print_table(rows)
    say(f"{len(rows)} crystals; eV/atom at level {of}")


def _energies(
    names: Sequence[tuple[str, str]], crystals: CrystalBatch, level: str, settings: Settings, progress: Progress
) -> tuple[list[PredictedCrystal], str]:
    """Rows without a hull, by the ensemble shipped for a level.

    Raises:
        ConfigError: if none is.
    """
    from gnome_lite.assemble import make_predictor, shipped_levels, shipped_model
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.predict.checkpoint import read_card

    path = shipped_model(level)
    if path is None:
        raise ConfigError(f"no ensemble of level {level!r} is shipped: choose from {', '.join(shipped_levels())}")
    predictor = make_predictor(CampaignConfig(), settings, level)
    model = read_card(path).record(path)
    e_form, spread = predictor.predict(model.id, crystals, progress)
    rows = []
    for i, (file, name) in enumerate(names):
        note = predictor.out_of_domain(model.id, crystals[i], _known(e_form[i]) is not None)
        energies = (_known(e_form[i]), _known(spread[i]), None, None)
        rows.append(PredictedCrystal(file, name, crystals[i].reduced_formula, *energies, note))
    return rows, f"{level}, no hull at this level"


def _on_the_hull(
    names: Sequence[tuple[str, str]], crystals: CrystalBatch, settings: Settings, progress: Progress
) -> tuple[list[PredictedCrystal], str]:
    """Rows at the level of the bundled crystals, with distances to their hull."""
    import numpy as np

    from gnome_lite.assemble import load_references, make_predictor
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.crystals import symbol
    from gnome_lite.stability.hull import build_hull

    config = CampaignConfig()
    references = load_references(config, settings)
    predictor = make_predictor(config, settings, references.level)
    model = predictor.base(references, progress)
    e_form, spread = predictor.predict(model.id, crystals, progress)
    known = np.zeros(crystals.counts.shape[1], dtype=bool)
    for z in range(1, len(known)):
        known[z] = symbol(z) in references.elemental_ev_per_atom
    placed = ~(crystals.counts[:, ~known].any(axis=1)) & np.isfinite(e_form)
    distance = np.full(len(crystals), np.nan)
    hull = build_hull(references, ())
    distance[placed] = hull.distances(crystals.counts[placed], e_form[placed])
    p = np.full(len(crystals), np.nan)
    p[placed] = predictor.outlook(model.id, hull.distances).p_stable(distance[placed], spread[placed])
    rows = []
    for i, (file, name) in enumerate(names):
        strange = [symbol(z) for z in np.flatnonzero(crystals.counts[i] * ~known)]
        note = predictor.out_of_domain(model.id, crystals[i], _known(e_form[i]) is not None)
        note = note or (f"no reference for {', '.join(strange)}" if strange else "")
        energies = (_known(e_form[i]), _known(spread[i]), _known(distance[i]), _known(p[i]))
        rows.append(PredictedCrystal(file, name, crystals[i].reduced_formula, *energies, note))
    return rows, f"{references.level}, hull of reference set {references.id} ({len(references)} entries)"


def _known(value: float) -> float | None:
    import math

    return float(value) if math.isfinite(value) else None


def _print_csv(rows: Sequence[PredictedCrystal]) -> None:
    import csv
    from dataclasses import fields

    writer = csv.DictWriter(sys.stdout, [f.name for f in fields(PredictedCrystal)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)


def _print_table(rows: Sequence[PredictedCrystal]) -> None:
    from rich.table import Table

    table = Table(header_style="bold", pad_edge=False, box=None)
    for name in ("file", "crystal", "formula"):
        table.add_column(name, overflow="fold")
    for name in ("formation", "spread", "above hull", "P(stable)"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for r in rows:
        table.add_row(
            r.file, r.name, r.formula, number(r.e_form_ev_per_atom), number(r.spread_ev_per_atom),
            number(r.e_above_hull_ev_per_atom), number(r.p_stable, 2), r.note,
        )  # fmt: skip
    console().print(table)
