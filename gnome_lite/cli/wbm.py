"""`benchmark wbm`: a level of theory or an ensemble judged on crystals of WBM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import (
    Home,
    keyword_arguments,
    print_json,
    print_line,
    say,
    settings_of,
    show_progress,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gnome_lite.core.records import Candidate, Verification
    from gnome_lite.evaluation.wbm import WbmSet


def wbm(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder with WBM, see docs/wbm.md.")],
    level: Annotated[str, typer.Option(metavar="NAME", help="Calculator of the level.")] = "chgnet",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Argument of the calculator; repeatable.")
    ] = None,
    ensemble: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Judge this checkpoint in place of a level.")
    ] = None,
    relax: Annotated[bool, typer.Option("--relax", help="Relax the crystals first. Default: single points.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many crystals.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    home: Home = None,
) -> None:
    """Judge a level of theory or an ensemble on WBM, as Matbench Discovery does.

    Energies are kept as they come (in wbm/ of the home): a killed run goes on where it stopped.
    """
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.evaluation.wbm import read_wbm, wbm_figures

    if ensemble is not None and (set_ or relax or level != "chgnet"):
        raise ConfigError("--ensemble stands in place of a level: leave out --level, --set and --relax")
    known = read_wbm(data)
    known = known if limit is None else known.first(limit)
    if ensemble is not None:
        name, e_form = _by_ensemble(known, ensemble)
    else:
        name, e_form = _by_level(known, level, keyword_arguments(set_ or []), relax, home)
    figures = wbm_figures(known, e_form)
    if json:
        print_json({"judged": name, **asdict(figures)})
        return
    print_line(f"{name} on {figures.n} crystals of WBM, {figures.missing} without a prediction")
    for label, value in (
        ("MAE", figures.mae_ev_per_atom),
        ("median", figures.median_ev_per_atom),
        ("bias", figures.bias_ev_per_atom),
    ):
        print_line(f"{label}: {'-' if value is None else f'{1000 * value:+.0f}'.lstrip('+')} meV/atom")
    print_line(f"R2: {'-' if figures.r2 is None else f'{figures.r2:.3f}'}")
    if (found := figures.discovery) is None:
        say("no distances to the DFT hull in this folder (wbm-summary.csv): no F1, DAF, precision or recall")
        return
    for label in ("f1", "daf", "precision", "recall", "prevalence"):
        value = getattr(found, label)
        print_line(f"{label}: {'-' if value is None else f'{value:.3f}'}")


def _by_level(
    known: WbmSet, level: str, arguments: dict[str, str], relax: bool, home: Path | None
) -> tuple[str, NDArray[np.float64]]:
    from gnome_lite.evaluation.wbm import formation_energies_of

    name, outcomes = verified_at(known.candidates, level, arguments, relax, home, "wbm")
    return name, formation_energies_of(known, outcomes)


def verified_at(
    candidates: Sequence[Candidate], level: str, arguments: dict[str, str], relax: bool, home: Path | None, folder: str
) -> tuple[str, list[Verification]]:
    """Return the name of a level on the Materials Project's scale, and crystals at it; kept in a folder of the home."""
    from gnome_lite.assemble import make_verifier, require_range
    from gnome_lite.cli.common import config_of
    from gnome_lite.config import Verify
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.core.levels import Corrections, corrections_of
    from gnome_lite.core.plain_text import file_name
    from gnome_lite.verify.calculators import in_full
    from gnome_lite.verify.results_log import relax_all

    if corrections_of(*in_full(level, arguments)) is Corrections.NONE:
        raise ConfigError(
            f"energies of {level} are not on the Materials Project's corrected scale, as WBM's are: "
            "choose a level that carries MP2020's corrections (docs/levels.md)"
        )
    verify = Verify(calculator=level, calculator_kwargs=arguments, symmetry="free")
    verify = verify if relax else verify.model_copy(update={"max_steps": 0})
    config = config_of(None).model_copy(update={"verify": verify})
    settings = settings_of(home).model_copy(update={"trust": True})  # all of it stands on the command line
    require_range(config)
    with make_verifier(config, None, settings) as verifier, show_progress() as progress:
        log = settings.home / folder / f"{file_name(verifier.level)}.jsonl"
        outcomes = relax_all(candidates, verifier, log, progress)
        return verifier.level, [outcomes[c.id] for c in candidates]


def _by_ensemble(known: WbmSet, path: Path) -> tuple[str, NDArray[np.float64]]:
    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.ensemble import Ensemble

    stored = checkpoint.read(path)
    e_form, _ = Ensemble(stored).predict(CrystalBatch.from_crystals(known.crystals))
    return path.name, e_form
