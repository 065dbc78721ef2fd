"""CampaignConfig + Settings -> Stages: the only place that knows the concrete classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gnome_lite.config import CampaignConfig, GeneratorName, Level
from gnome_lite.crystals import CrystalBatch, atomic_number
from gnome_lite.errors import CalculatorError, LevelMismatchError, SourceError
from gnome_lite.pipeline import FurtherParents, Gate, Generator, Progress, Rung, Source, Stages, silent
from gnome_lite.references import ReferenceSet
from gnome_lite.settings import Settings, bundled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gnome_lite.generate.stream import Mix
    from gnome_lite.predict.predictor import EnsemblePredictor
    from gnome_lite.seeding import SeedParts
    from gnome_lite.store.database import SqlStore
    from gnome_lite.verify.verifier import ProcessVerifier


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
        candidates=make_mix(config),
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


def make_gate(config: CampaignConfig) -> Gate:
    """Sanity of candidates before any energy is spent."""
    from gnome_lite.chemistry.gates import PreGate

    return PreGate(config.gates, config.space, config.generate.max_atoms)


def make_mix(config: CampaignConfig, composition: NDArray[np.int64] | None = None) -> Mix:
    """The campaign's generators with their weights; random search of one composition [MAX_Z + 1], if one is given."""
    from gnome_lite.generate.stream import Mix

    return Mix(
        tuple((make_generator(name, config, composition), weight) for name, weight in config.generate.mix.items())
    )


def make_generator(
    name: GeneratorName, config: CampaignConfig, composition: NDArray[np.int64] | None = None
) -> Generator:
    """One generator of candidates, for the campaign's space."""
    space, generate = config.space, config.generate
    match name:
        case "substitution":
            from gnome_lite.generate.substitution import IonicSubstitution

            return IonicSubstitution(space, generate)
        case "partial":
            from gnome_lite.generate.partial import PartialSubstitution

            balance = config.gates.charge_balance != "off"
            return PartialSubstitution(space, generate, charge_balance=balance, max_index=generate.supercell_max)
        case "intermetallic":
            from gnome_lite.generate.intermetallics import IntermetallicSubstitution

            return IntermetallicSubstitution(space, generate)
        case "prototypes":
            from gnome_lite.generate.prototypes import PrototypePlacement
            from gnome_lite.sources.prototypes import prototypes

            return PrototypePlacement(space, generate, [(p.id, p.crystal) for p in prototypes()])
        case "random":
            from gnome_lite.generate.compositions import Compositions
            from gnome_lite.generate.random_search import RandomStructureSearch

            relaxed = config.gates.charge_balance != "strict"
            compositions = Compositions(space, generate.max_atoms, relaxed)
            return RandomStructureSearch(
                (lambda rng: iter([composition[None]])) if composition is not None else compositions,
                generate,
                config.gates,
                structures_per_composition=generate.structures_per_composition,
            )


def read_parents(config: CampaignConfig) -> FurtherParents:
    """Crystals of the campaign's parent files; a file that cannot be used is counted, and the others are read."""
    from gnome_lite.sources.files import read_crystals

    found, skipped = [], {}
    for path in config.generate.parents:
        try:
            found += [(f"{path.name}:{c.name}", c.crystal) for c in read_crystals(path)]
        except SourceError as error:
            skipped[f"parents: {error}"] = 1
    return FurtherParents(CrystalBatch.from_crystals(c for _, c in found), tuple(i for i, _ in found), skipped)


def assemble_seed(config: CampaignConfig) -> SeedParts:
    """Everything that the bundled seed is made with."""
    from gnome_lite.generate.substitution import IonicSubstitution
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.seeding import SeedParts
    from gnome_lite.sources.elements import elemental_candidates
    from gnome_lite.sources.prototypes import prototypes

    return SeedParts(
        elements=[(e.label, e.crystal) for e in elemental_candidates()],
        prototypes=[(p.id, p.crystal) for p in prototypes()],
        generator=IonicSubstitution(config.space, config.generate),
        gate=make_gate(config),
        novelty=CrystalNovelty(),
        verifier=make_verifier(config, None),
    )


def level_of(config: CampaignConfig) -> str:
    """Level of theory of the campaign's verifier."""
    from gnome_lite.verify.calculators import level_of as level_of_calculator

    return level_of_calculator(config.verify.calculator, config.verify.calculator_kwargs)


def make_source(config: CampaignConfig, settings: Settings, level: str) -> Source:
    """The campaign's known crystals, read once.

    Raises:
        SourceError: if none are named.
    """
    from gnome_lite.sources.combined import CombinedSource
    from gnome_lite.sources.files import FileSource
    from gnome_lite.sources.materials_project import MaterialsProjectSource
    from gnome_lite.sources.seed import SeedSource

    sources: list[Source] = []
    if config.sources.seed:
        sources.append(SeedSource())
    if config.sources.files:
        sources.append(FileSource(config.sources.files, level))
    if config.sources.materials_project:
        sources.append(MaterialsProjectSource(config.sources.materials_project, settings, config.sources.include_gnome))
    if not sources:
        raise SourceError("no known crystals: set sources.seed = true, or name sources.files")
    return CombinedSource(sources)


def load_references(config: CampaignConfig | None = None, settings: Settings | None = None) -> ReferenceSet:
    """The reference set of a campaign (default: the bundled seed)."""
    config = config or CampaignConfig()
    return make_source(config, settings or Settings(), level_of(config)).load()


def make_predictor(config: CampaignConfig, settings: Settings, level: str) -> EnsemblePredictor:
    """The network ensemble, with the shipped one as its base where that is of this level."""
    from gnome_lite.predict.predictor import EnsemblePredictor

    return EnsemblePredictor(config.predict, settings.models_dir, shipped_model(level), level)


def shipped_model(level: str) -> Path | None:
    """Directory of the ensemble shipped for a level, None if there is none."""
    path = bundled("models", f"base-{level}")
    return path if path.is_dir() else None


def shipped_levels() -> list[str]:
    """Levels of theory that an ensemble is shipped for."""
    return sorted(path.name.removeprefix("base-") for path in bundled("models").glob("base-*"))


def make_verifier(
    config: CampaignConfig, elemental_ev_per_atom: Mapping[str, float] | None, settings: Settings | None = None
) -> ProcessVerifier:
    """Relaxation in child processes with the campaign's calculator; trajectories, if wanted, go to the home."""
    from gnome_lite.verify.verifier import ProcessVerifier

    return ProcessVerifier(config.verify, elemental_ev_per_atom, settings.home / "trajectories" if settings else None)


def make_rungs(config: CampaignConfig, settings: Settings) -> tuple[Rung, ...]:
    """The levels of the ladder above the campaign's own.

    Raises:
        CalculatorError: if one is unknown or cannot be had here.
        LevelMismatchError: if two names stand for one level of theory.
    """
    return tuple(make_rung(name, config, settings) for name in config.verify.levels[1:])


def make_rung(name: str, config: CampaignConfig, settings: Settings) -> Rung:
    """One level above the first, with what was computed of it so far in the home."""
    from gnome_lite.verify.verifier import ProcessVerifier

    verifier = ProcessVerifier(config.verify.at(name), None, settings.home / "trajectories")
    if verifier.level == level_of(config):
        raise LevelMismatchError(
            f"{name} and {config.verify.calculator} are both of level {verifier.level}: a ladder needs other levels"
        )
    ledger = settings.home / "levels" / f"{verifier.level.replace(':', '_')}.jsonl"
    return Rung(name, verifier, config.verify.level.get(name, Level()), ledger)


def open_store(settings: Settings | None = None, create: bool = False) -> SqlStore:
    """The store of these settings.

    Raises:
        StoreError: if it does not exist (and `create` is False), or cannot be opened.
    """
    from gnome_lite.store.database import SqlStore

    return SqlStore.open((settings or Settings()).store_url, create=create)


def _require_elements(config: CampaignConfig, references: ReferenceSet) -> None:
    """Every element of the space needs an elemental reference, or no hull can be built there."""
    missing = sorted(_elements(config) - references.elemental_ev_per_atom.keys())
    if missing:
        raise SourceError(
            f"no elemental reference for {', '.join(missing)} at level {references.level}: "
            "leave it out of space.elements or add a source that has it"
        )


def check_calculators(config: CampaignConfig) -> None:
    """Build each calculator once, where it is not one of our own with nothing changed, before anything is spent.

    Raises:
        CalculatorError: if one is unknown, cannot be built here, or does not know an element of the space.
    """
    from gnome_lite.verify.calculators import CALCULATORS
    from gnome_lite.verify.verifier import ProcessVerifier

    require_range(config)
    for settings in (config.verify, *(config.verify.at(name) for name in config.verify.levels[1:])):
        named = CALCULATORS.get(settings.calculator)
        with ProcessVerifier(settings) as verifier:
            if named is None or not named.level or settings.calculator_kwargs:
                verifier.check()


def require_range(config: CampaignConfig) -> None:
    """Every element of the space must be one that each calculator knows."""
    from gnome_lite.verify.calculators import max_z

    for name in (config.verify.calculator, *config.verify.levels[1:]):
        beyond = sorted(e for e in _elements(config) if atomic_number(e) > max_z(name))
        if beyond:
            raise CalculatorError(
                f"{name} does not know {', '.join(beyond)} (Z <= {max_z(name)}): "
                "leave it out of space.elements or choose another calculator"
            )


def _elements(config: CampaignConfig) -> set[str]:
    """Where chemical systems are named they alone are the space, as for the gate."""
    return {e for s in config.space.chemical_systems for e in s.split("-")} or set(config.space.elements)
