"""Assembly of campaigns: `CampaignConfig` and `Settings` -> `Stages`. Only here are the concrete classes known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from gnome_lite.assemble.generators import make_gate, make_generator, make_mix, make_novelty, make_screen, read_parents
from gnome_lite.assemble.predictors import (
    dft_correction,
    knows_dft,
    make_describe,
    make_predictor,
    shipped_delta,
    shipped_errors,
    shipped_levels,
    shipped_model,
)
from gnome_lite.assemble.references import (
    load_molecules,
    load_references,
    make_molecules,
    make_source,
    molecules_file,
    open_phases,
    open_store,
    read_stored,
    require_files,
)
from gnome_lite.assemble.trust import remember_trust
from gnome_lite.assemble.verifiers import (
    check_calculators,
    level_of,
    make_higher_level,
    make_verifier,
    require_range,
)
from gnome_lite.campaign.stages import Stages
from gnome_lite.config import CampaignConfig, GeneratorName
from gnome_lite.core.errors import SourceError, StoreError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.pipeline import Progress, silent
from gnome_lite.settings import Settings

if TYPE_CHECKING:
    from gnome_lite.campaign.reevaluate import Reevaluation
    from gnome_lite.core.records import Verdict
    from gnome_lite.seed.plan import SeedParts
    from gnome_lite.store.database import SqlStore

__all__ = [
    "assemble",
    "assemble_seed",
    "check_calculators",
    "contradicted_verdicts",
    "dft_correction",
    "knows_dft",
    "level_of",
    "load_molecules",
    "load_references",
    "make_describe",
    "make_gate",
    "make_generator",
    "make_higher_level",
    "make_mix",
    "make_molecules",
    "make_novelty",
    "make_predictor",
    "make_screen",
    "make_source",
    "make_verifier",
    "molecules_file",
    "open_phases",
    "open_store",
    "read_parents",
    "read_stored",
    "reevaluate_campaign",
    "remember_trust",
    "require_files",
    "require_range",
    "shipped_delta",
    "shipped_errors",
    "shipped_levels",
    "shipped_model",
]


def assemble(
    config: CampaignConfig, settings: Settings, progress: Progress = silent, store: SqlStore | None = None
) -> Stages:
    """Return the parts of a campaign.

    Args:
        config: settings of the campaign.
        settings: paths, database, device and keys.
        progress: told how far each step is.
        store: store of the campaign; default: the store of the settings.

    Raises:
        ConfigError: if the campaign names code that the user has not trusted (`assemble.trust`).
        SourceError, CalculatorError, StoreError: if a part cannot be had; nothing is written then.
    """
    from gnome_lite.campaign.acquisition import BatchAcquisition
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.stability.hull import build_hull

    level = level_of(config, settings)
    source = make_source(config, settings, level, progress)
    references = source.load()
    _require_elements(config, references)
    _require_covered(config, references, progress)
    parents = read_parents(config)
    left_out = {f"references: {cause}": n for cause, n in references.left_out.items()} | dict(parents.skipped)
    for cause in left_out:
        progress("left out", 0, 0, cause)
    require_range(config)
    return Stages(
        config=config,
        source=source,
        candidates=make_mix(config, keep=make_screen(config, level, references)),
        further_parents=replace(parents, skipped=left_out),
        gate=make_gate(config),
        novelty=CrystalNovelty(),
        predictor=make_predictor(config, settings, level),
        acquisition=BatchAcquisition(config.select),
        verifier=make_verifier(config, references.elemental_ev_per_atom, settings),
        build_hull=build_hull,
        store=store if store is not None else open_store(settings, create=True),
        progress=progress,
        higher_levels=tuple(make_higher_level(name, config, settings) for name in config.verify.levels[1:]),
    )


def assemble_seed(config: CampaignConfig, max_atoms: int, least_likely_alloy: float = 1e-6) -> SeedParts:
    """Return the parts with which the bundled seed is planned.

    Args:
        config: settings, with the elements of the space.
        max_atoms: largest cell.
        least_likely_alloy: threshold of intermetallic substitution.
    """
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.seed.plan import SHARES, SeedParts
    from gnome_lite.sources.aflow import prototypes
    from gnome_lite.sources.elemental import elemental_candidates

    generate = config.generate.model_copy(update={"max_atoms": max_atoms})
    expert = config.expert.model_copy(update={"structures_per_composition": 1})
    ionic = config.model_copy(update={"generate": generate, "expert": expert})
    # Unlikely alloys too: a system without any phase between its elements would have no hull to speak of.
    alloy = config.model_copy(
        update={
            "generate": generate.model_copy(update={"threshold": least_likely_alloy}),
            "gates": config.gates.model_copy(update={"charge_balance": "off"}),
        }
    )
    by_name = {name: alloy if name == "intermetallic" else ionic for name in get_args(GeneratorName) if name in SHARES}
    return SeedParts(
        elements=[(e.label, e.crystal) for e in elemental_candidates()],
        prototypes=[(p.id, p.crystal) for p in prototypes()],
        generators={name: make_generator(name, of) for name, of in by_name.items()},
        gates={name: make_gate(of) for name, of in by_name.items()},
        novelty=CrystalNovelty(),
    )


def reevaluate_campaign(
    name: str, store: SqlStore, settings: Settings | None = None, progress: Progress = silent
) -> Reevaluation:
    """Issue a stored campaign's verdicts again, against its sources as they are now and all verified crystals.

    Raises:
        StoreError: if the store has no such campaign, or it has no verdicts or runs in another process.
        SourceError, LevelMismatchError, MissingReferenceError: if its sources cannot serve any more.
    """
    from gnome_lite.campaign.reevaluate import reevaluate
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.stability.hull import build_hull

    references, known_as = _references_now(name, store, settings)
    return reevaluate(store, name, known_as, references, build_hull, CrystalNovelty(), progress)


def contradicted_verdicts(name: str, store: SqlStore, settings: Settings | None = None) -> list[Verdict]:
    """Return standing verdicts of a stored campaign that the hull of its sources and verified crystals contradicts.

    Raises:
        StoreError: if the store has no such campaign.
        SourceError, LevelMismatchError, MissingReferenceError: if its sources cannot serve any more.
    """
    from gnome_lite.campaign.reevaluate import contradicted
    from gnome_lite.stability.hull import build_hull

    references, _ = _references_now(name, store, settings)
    return contradicted(store, name, references, build_hull)


def _references_now(name: str, store: SqlStore, settings: Settings | None) -> tuple[PhaseSet, str]:
    """Return the references of a stored campaign's sources as they are now, and the id that it knows them by."""
    campaigns = {c.name: c for c in store.status().campaigns}
    if name not in campaigns:
        some = ", ".join(campaigns) or "none yet: `gnome-lite run` makes one"
        raise StoreError(f"store {store.name} has no campaign {name!r}: it has {some}")
    config = read_stored(campaigns[name].config)
    references = make_source(config, settings or Settings(), campaigns[name].level).load()
    return references, campaigns[name].reference_set_id


def _require_elements(config: CampaignConfig, references: PhaseSet) -> None:
    """Raise SourceError if an element of the space has no elemental reference, without which there is no hull."""
    missing = sorted(config.space.all_elements - references.elemental_ev_per_atom.keys())
    if missing:
        raise SourceError(
            f"no elemental reference for {', '.join(missing)} at level {references.level}: "
            "leave it out of space.elements or add a source that has it"
        )


def _require_covered(config: CampaignConfig, references: PhaseSet, progress: Progress) -> None:
    """Say what the hulls of the space rest on; raise SourceError if an element has no compound there."""
    from gnome_lite.stability.reference_coverage import coverage_of

    coverage = [coverage_of(references, system) for system in config.space.systems]
    for found in coverage:
        progress("references", 0, 0, str(found))
    lacking = [found for found in coverage if found.alone]
    if lacking and not config.space.allow_uncovered:
        raise SourceError(
            f"{lacking[0]}: against elements alone everything looks stable; add references (sources.files), leave "
            "the element out, or set space.allow_uncovered = true"
        )
