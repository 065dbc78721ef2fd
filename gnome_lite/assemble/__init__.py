"""CampaignConfig + Settings -> Stages: the only place that knows the concrete classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from gnome_lite.assemble.calculators import (
    check_calculators,
    elements_of,
    level_of,
    make_rung,
    make_rungs,
    make_verifier,
    require_range,
)
from gnome_lite.assemble.candidates import make_gate, make_generator, make_mix, make_novelty, make_screen, read_parents
from gnome_lite.assemble.known import (
    load_molecules,
    load_references,
    make_molecules,
    make_source,
    molecules_file,
    open_known,
    open_store,
    read_stored,
)
from gnome_lite.assemble.networks import (
    dft_outlook,
    make_describe,
    make_predictor,
    shipped_delta,
    shipped_levels,
    shipped_model,
)
from gnome_lite.assemble.replay import assemble_universe, load_universe, open_replay
from gnome_lite.config import CampaignConfig, GeneratorName
from gnome_lite.errors import SourceError, StoreError
from gnome_lite.pipeline import Progress, Stages, silent
from gnome_lite.references import ReferenceSet
from gnome_lite.settings import Settings

if TYPE_CHECKING:
    from gnome_lite.reverdict import Reverdict
    from gnome_lite.seed_plan import SeedParts
    from gnome_lite.store.database import SqlStore

__all__ = [
    "assemble",
    "assemble_seed",
    "assemble_universe",
    "check_calculators",
    "dft_outlook",
    "level_of",
    "load_molecules",
    "load_references",
    "load_universe",
    "make_describe",
    "make_gate",
    "make_generator",
    "make_mix",
    "make_molecules",
    "make_novelty",
    "make_predictor",
    "make_rung",
    "make_rungs",
    "make_screen",
    "make_source",
    "make_verifier",
    "molecules_file",
    "open_known",
    "open_replay",
    "open_store",
    "read_parents",
    "read_stored",
    "require_range",
    "reverdict_campaign",
    "shipped_delta",
    "shipped_levels",
    "shipped_model",
]


def assemble(config: CampaignConfig, settings: Settings, progress: Progress = silent) -> Stages:
    """Everything a campaign needs.

    Raises:
        SourceError, CalculatorError, StoreError: if a part cannot be had; nothing is written then.
    """
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.select import selector
    from gnome_lite.stability.hull import build_hull

    level = level_of(config)
    source = make_source(config, settings, level)
    references = source.load()
    _require_elements(config, references)
    require_range(config)
    return Stages(
        config=config,
        source=source,
        candidates=make_mix(config, keep=make_screen(config, level, references)),
        further_parents=read_parents(config),
        gate=make_gate(config),
        novelty=CrystalNovelty(),
        predictor=make_predictor(config, settings, level),
        select=selector(config.select),
        verifier=make_verifier(config, references.elemental_ev_per_atom, settings),
        build_hull=build_hull,
        store=open_store(settings, create=True),
        progress=progress,
        rungs=make_rungs(config, settings),
    )


def assemble_seed(config: CampaignConfig, max_atoms: int) -> SeedParts:
    """Everything that the bundled seed is planned with."""
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.seed_plan import SHARES, SeedParts
    from gnome_lite.sources.elements import elemental_candidates
    from gnome_lite.sources.prototypes import prototypes

    generate = config.generate.model_copy(update={"max_atoms": max_atoms, "structures_per_composition": 1})
    ionic = config.model_copy(update={"generate": generate})
    # Unlikely alloys too: a system without any phase between its elements would have no hull to speak of.
    alloy = config.model_copy(
        update={
            "generate": generate.model_copy(update={"threshold": 1e-6}),
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


def reverdict_campaign(
    name: str, store: SqlStore, settings: Settings | None = None, progress: Progress = silent
) -> Reverdict:
    """Issue a stored campaign's verdicts again, against what its sources hold now and all that is verified.

    Raises:
        StoreError: if the store has no such campaign, or it has no verdicts or runs in another process.
        SourceError, LevelMismatchError, MissingReferenceError: if its sources cannot serve any more.
    """
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.reverdict import reverdict
    from gnome_lite.stability.hull import build_hull

    campaigns = {c.name: c for c in store.status().campaigns}
    if name not in campaigns:
        some = ", ".join(campaigns) or "none yet: `gnome-lite run` makes one"
        raise StoreError(f"store {store.name} has no campaign {name!r}: it has {some}")
    config = read_stored(campaigns[name].config)
    references = make_source(config, settings or Settings(), campaigns[name].level).load()
    known_as = campaigns[name].reference_set_id
    return reverdict(store, name, known_as, references, build_hull, CrystalNovelty(), progress)


def _require_elements(config: CampaignConfig, references: ReferenceSet) -> None:
    """Every element of the space needs an elemental reference, or no hull can be built there."""
    missing = sorted(elements_of(config) - references.elemental_ev_per_atom.keys())
    if missing:
        raise SourceError(
            f"no elemental reference for {', '.join(missing)} at level {references.level}: "
            "leave it out of space.elements or add a source that has it"
        )
