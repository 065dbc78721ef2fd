"""CampaignConfig + Settings -> Stages: the only place that knows the concrete classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from gnome_lite.config import CampaignConfig, GeneratorName, Level, Sources, Verify, explain
from gnome_lite.crystals import CrystalBatch, atomic_number
from gnome_lite.errors import CalculatorError, ConfigError, LevelMismatchError, SourceError, StoreError
from gnome_lite.pipeline import FurtherParents, Gate, Generator, Novelty, Progress, Rung, Source, Stages, silent
from gnome_lite.references import ReferenceEntry, ReferenceSet
from gnome_lite.settings import Settings, bundled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnome_lite.corrected import Describe, DftOutlook
    from gnome_lite.generate.compositions import Keep
    from gnome_lite.generate.stream import Mix
    from gnome_lite.known import Known
    from gnome_lite.predict.predictor import EnsemblePredictor
    from gnome_lite.reverdict import Reverdict
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


def make_gate(config: CampaignConfig) -> Gate:
    """Sanity of candidates before any energy is spent."""
    from gnome_lite.chemistry.gates import PreGate

    return PreGate(config.gates, config.space, config.generate.max_atoms)


def make_screen(config: CampaignConfig, level: str, references: ReferenceSet) -> Keep | None:
    """Formulas worth a random search, by the composition networks shipped for the level; None if all are."""
    from gnome_lite.predict.screen import CompositionScreen
    from gnome_lite.stability.hull import build_hull

    model, limit = bundled("models", f"composition-{level}"), config.generate.composition_e_above_hull_max
    if "random" not in config.generate.mix or not model.is_dir() or limit == float("inf"):
        return None
    hull = build_hull(references, ())
    return CompositionScreen(model, lambda counts: -hull.distances(counts, np.zeros(len(counts))), limit)


def make_mix(config: CampaignConfig, composition: NDArray[np.int64] | None = None, keep: Keep | None = None) -> Mix:
    """The campaign's generators with their weights; see `make_generator`."""
    from gnome_lite.generate.stream import Mix

    weights = config.generate.mix.items()
    return Mix(tuple((make_generator(name, config, composition, keep), weight) for name, weight in weights))


def make_generator(
    name: GeneratorName,
    config: CampaignConfig,
    composition: NDArray[np.int64] | None = None,
    keep: Keep | None = None,
) -> Generator:
    """One generator of candidates, for the campaign's space.

    Args:
        composition: of random search, [MAX_Z + 1]; None takes those of the space that `keep` lets pass.
    """
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
            compositions = Compositions(space, generate.max_atoms, relaxed, keep=keep)
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
    from gnome_lite.sources.release import ReleaseSource
    from gnome_lite.sources.seed import SeedSource

    sources: list[Source] = []
    if config.sources.seed:
        sources.append(SeedSource())
    if config.sources.files:
        sources.append(FileSource(config.sources.files, level))
    sources += [ReleaseSource(directory) for directory in config.sources.releases]
    if config.sources.materials_project:
        sources.append(MaterialsProjectSource(config.sources.materials_project, settings, config.sources.include_gnome))
    if not sources:
        raise SourceError("no known crystals: set sources.seed = true, or name sources.files")
    return CombinedSource(sources, permissive_only=config.sources.licences == "permissive")


def load_references(config: CampaignConfig | None = None, settings: Settings | None = None) -> ReferenceSet:
    """The reference set of a campaign (default: the bundled seed)."""
    config = config or CampaignConfig()
    return make_source(config, settings or Settings(), level_of(config)).load()


def open_known(settings: Settings | None = None, campaign: str | None = None, references: Path | None = None) -> Known:
    """What the analyses of single crystals rest on: known phases, and what the store has verified at their level.

    Args:
        campaign: whose references are meant. Default: those of the campaign begun last, or, where there is no store,
            the bundled seed.
        references: a release directory instead.

    Raises:
        StoreError: if there is no such campaign.
        SourceError: if the references cannot be had.
    """
    from gnome_lite.known import Known
    from gnome_lite.sources.release import ReleaseSource

    settings = settings or Settings()
    store = _store_if_any(settings)
    campaigns = [] if store is None else sorted(store.status().campaigns, key=lambda c: c.begun_at)
    if campaign is not None and campaign not in [c.name for c in campaigns]:
        raise StoreError(
            f"no campaign {campaign!r} in the store: there are {', '.join(c.name for c in campaigns) or 'none'}"
        )
    chosen = next((c for c in reversed(campaigns) if campaign in (None, c.name)), None)
    if references is not None:
        known = ReleaseSource(references).load()
    else:
        known = load_references(None if chosen is None else _sources_of(chosen.name, chosen.config), settings)
    verified = [] if store is None else [v for v in store.verifications(known.level) if v.ok]
    same = tuple(c.name for c in campaigns if c.reference_set_id == known.id)
    return Known(known, tuple(verified), tuple(load_molecules(settings, known.level)), same)


def _sources_of(name: str, stored: Mapping[str, Any]) -> CampaignConfig:
    """Sources and calculator of a stored campaign; its other settings may be of an older gnome_lite."""
    try:
        return CampaignConfig(
            sources=Sources.model_validate(stored.get("sources", {})),
            verify=Verify.model_validate(stored.get("verify", {})),
        )
    except ValidationError as error:
        raise ConfigError(f"campaign {name!r} of the store cannot be read ({explain(error)}): name another") from error


def _store_if_any(settings: Settings) -> SqlStore | None:
    from gnome_lite.store.database import SqlStore

    exists = settings.database_url is not None or (settings.home / "store.sqlite").exists()
    return SqlStore.open(settings.store_url, create=False) if exists else None


def load_molecules(settings: Settings, level: str) -> list[ReferenceEntry]:
    """Crystals of CO2 and H2O at a level: those made here, else those shipped for it, else none."""
    from gnome_lite.sources.parquet import read_references

    for path in (molecules_file(settings, level), bundled("seed", f"molecules-{level}.parquet")):
        if path.is_file():
            return [e for e in read_references(path) if e.level == level]
    return []


def molecules_file(settings: Settings, level: str) -> Path:
    """Where `make_molecules` writes."""
    return (
        settings.references_dir / f"molecules-{''.join(c if c.isalnum() or c in '.-' else '_' for c in level)}.parquet"
    )


def make_novelty() -> Novelty:
    """Fingerprints, prototypes and duplicates."""
    from gnome_lite.novelty.novelty import CrystalNovelty

    return CrystalNovelty()


def make_molecules(config: CampaignConfig, settings: Settings, out: Path | None = None) -> list[ReferenceEntry]:
    """Relax the crystals of CO2 and H2O with the campaign's calculator and write them down.

    Raises:
        CalculatorError: if the calculator cannot be built, or gives one of them no usable energy.
    """
    from gnome_lite.records import Candidate
    from gnome_lite.seeding import LICENCE
    from gnome_lite.sources.molecules import SOURCE, molecular_crystals
    from gnome_lite.sources.parquet import write_references

    named = {c.content_id: (name, c) for name, c in molecular_crystals()}
    made = []
    with make_verifier(config, None) as verifier:
        for v in verifier.verify([Candidate(i, c, "", "", name, 0) for i, (name, c) in named.items()]):
            name = named[v.candidate_id][0]
            if not v.ok:
                raise CalculatorError(
                    f"{name} cannot be relaxed at level {v.level} ({v.failure}: {v.detail}): "
                    "reactions with air need another calculator, or a source that holds CO2 and H2O"
                )
            entry_id = f"molecule-{v.crystal.content_id.removeprefix('gl-')}"
            made.append(ReferenceEntry(entry_id, v.crystal, v.energy_ev, v.level, f"{SOURCE}: {name}", LICENCE))
    write_references(out or molecules_file(settings, level_of(config)), made)
    return made


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


def shipped_delta(level: str) -> Path | None:
    """Directory of the Δ-model shipped for a level, None if there is none."""
    path = bundled("models", f"delta-{level}")
    return path if path.is_dir() else None


def make_describe(level: str) -> Describe:
    """What the Δ-model of a level reads of crystals.

    Raises:
        ConfigError: if there is no such potential.
    """
    if level != "chgnet-0.3.0":
        raise ConfigError(f"no features are made at level {level!r}: a Δ-model corrects chgnet-0.3.0")
    from gnome_lite.verify.chgnet_features import CHGNetFeatures

    return CHGNetFeatures()


def dft_outlook(known: Known, ids: Sequence[str]) -> list[DftOutlook | None]:
    """How crystals known at a level would stand by DFT; None where no Δ-model is shipped or one cannot say."""
    from gnome_lite.corrected import dft_outlooks
    from gnome_lite.predict import delta

    path = shipped_delta(known.level)
    if path is None:
        return [None] * len(ids)
    # As in a hull: a verified crystal whose id is a reference's is that reference.
    crystals = {v.candidate_id: v.crystal for v in known.verified} | {e.id: e.crystal for e in known.references.entries}
    names = list(crystals)
    asked = [names.index(i) for i in ids]
    batch = CrystalBatch.from_crystals(crystals.values())
    return dft_outlooks(names, batch, asked, delta.read(path), make_describe(known.level))


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


def read_stored(config: Mapping[str, Any]) -> CampaignConfig:
    """A campaign's settings as a store holds them; those that this version does not know any more are left out.

    Raises:
        ConfigError: if a value is not allowed any more.
    """
    known: dict[str, Any] = {}
    for key, value in config.items():
        field = CampaignConfig.model_fields.get(key)
        if field is not None:
            section = field.annotation
            inner = getattr(section, "model_fields", None) if isinstance(value, dict) else None
            known[key] = {k: v for k, v in value.items() if k in inner} if inner else value
    try:
        return CampaignConfig.model_validate(known)
    except ValidationError as error:
        raise ConfigError(f"campaign {config.get('name')!r} of the store: {explain(error)}") from error


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
