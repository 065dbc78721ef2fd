"""`generate`: candidates without a campaign: gated crystals by any mix of generators, in one file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnome_lite.cli.common import config_of, counted, say, show_progress, split_list

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.crystals import CrystalBatch


def generate(
    out: Annotated[Path, typer.Argument(help="File to write: .extxyz or .ndjson.")],
    campaign: Annotated[Path | None, typer.Option(help="campaign.toml, for space, generators and gates.")] = None,
    parents: Annotated[
        list[Path] | None,
        typer.Option(help="Crystals to vary: files or folders. Default: the bundled ones."),
    ] = None,
    mix: Annotated[str | None, typer.Option(help='Generators and weights, e.g. "substitution=4,partial=1".')] = None,
    elements: Annotated[str | None, typer.Option(help='Elements allowed, e.g. "Li,Fe,O".')] = None,
    formula: Annotated[str | None, typer.Option(help="Only this composition, e.g. LiFePO4.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Candidates wanted.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Generate candidates that pass the gates.

    They are compared neither with references nor with one another: a campaign does that. The same call continues a
    file that was left unfinished.
    """
    from gnome_lite.assemble import make_gate, make_mix
    from gnome_lite.campaign.candidate_files import write_candidates
    from gnome_lite.core.crystals import reduced_formula
    from gnome_lite.core.errors import ConfigError

    base = config_of(campaign)
    wanted_counts = _counts(formula)
    config = _config(base, mix, elements, wanted_counts, seed)
    crystals, ids = _parents(config, parents or [])
    wanted = reduced_formula(wanted_counts) if wanted_counts is not None else None
    generators = make_mix(config, wanted_counts)
    call: dict[str, Any] = {
        "config": config.model_dump(mode="json"), "parents": [str(p) for p in parents or []],
        "formula": wanted, "count": count,
    }  # fmt: skip
    with show_progress() as progress:
        state = write_candidates(
            out,
            call,
            lambda position: generators.stream(crystals, ids, 0, (config.seed,), position),
            make_gate(config),
            count,
            lambda pool: [
                None if wanted in (None, formula) else "another formula" for formula in pool.crystals.reduced_formulas()
            ],
            progress,
        )
    if not state.written:
        why = ", ".join({**state.causes, **state.skipped}) or "no generator could make any"
        raise ConfigError(f"no candidates{f' of {wanted}' if wanted else ''}: {why}; widen the space, mix or gates")
    for what, counts in (("refused", state.causes), ("left out", state.skipped)):
        if counts:
            say(f"{what}: {counted(dict(Counter(counts).most_common()))}")
    say(f"{state.written} candidates of {state.made} made, in {out}")


def _config(
    base: CampaignConfig, mix: str | None, elements: str | None, counts: NDArray[np.int64] | None, seed: int
) -> CampaignConfig:
    """Return the campaign's settings with those of the command line in their place.

    Raises:
        ConfigError: naming the setting.
    """
    from pydantic import ValidationError

    from gnome_lite.config import CampaignConfig, explain
    from gnome_lite.core.crystals import symbol
    from gnome_lite.core.errors import ConfigError

    plain = base.model_dump() | {"seed": seed}
    if mix is not None:
        plain["generate"]["mix"] = _shares(mix)
    if elements is not None:
        plain["space"] |= {"elements": split_list(elements), "chemical_systems": ()}
    if counts is not None:
        system = [symbol(z) for z in counts.nonzero()[0]]
        plain["space"] |= {"elements": system, "chemical_systems": (), "min_elements": len(system)}
        plain["space"]["max_elements"] = len(system)
    try:
        return CampaignConfig.model_validate(plain)
    except ValidationError as error:
        raise ConfigError(explain(error)) from error


def _shares(text: str) -> dict[str, float]:
    """Return the weight of each generator from text such as "substitution=4,partial"."""
    from gnome_lite.core.errors import ConfigError

    shares: dict[str, float] = {}
    for part in split_list(text):
        name, _, share = part.partition("=")
        try:
            shares[name.strip()] = float(share or 1.0)
        except ValueError as error:
            raise ConfigError(f"--mix {text!r}: {part!r} is no share; write e.g. substitution=4,partial=1") from error
    return shares


def _counts(formula: str | None) -> NDArray[np.int64] | None:
    """Return the atoms of each element in one formula unit, [MAX_Z + 1], or None for no formula.

    Raises:
        ConfigError: if it is no formula.
    """
    if formula is None:
        return None
    from gnome_lite.core.crystals import formula_counts
    from gnome_lite.core.errors import ConfigError

    try:
        return formula_counts(formula)
    except ValueError as error:
        raise ConfigError(f"{formula!r} is not a formula ({error}): write e.g. LiFePO4") from error


def _parents(config: CampaignConfig, files: list[Path]) -> tuple[CrystalBatch, list[str]]:
    """Return the user's crystals, or the bundled ones near the hull, and their ids."""
    from gnome_lite.core.crystals import CrystalBatch

    if files:
        from gnome_lite.sources.files import crystal_files, read_all

        parents = [crystal for _, crystal in read_all(crystal_files(files))]
        return CrystalBatch.from_crystals(c.crystal for c in parents), [c.name for c in parents]
    from gnome_lite.assemble import load_references
    from gnome_lite.stability.hull import build_hull

    references = load_references()
    hull = build_hull(references)
    distances = hull.distances(references.crystals.counts, references.e_form_ev_per_atom)
    near = distances <= config.generate.parents_e_above_hull_max
    near &= references.crystals.n_atoms <= config.generate.max_atoms
    return references.crystals.take(near), [i for i, n in zip(references.ids, near, strict=True) if n]
