"""Assembly of reference phases: sources, store and molecules, as the settings name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gnome_lite.assemble.verifiers import level_of, make_verifier
from gnome_lite.config import CampaignConfig, Sources, explain
from gnome_lite.core.errors import CalculatorError, ConfigError, LevelMismatchError, SourceError, StoreError
from gnome_lite.core.old_settings import with_current_names
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.plain_text import file_name
from gnome_lite.core.records import Phase
from gnome_lite.pipeline import Progress, Source, silent
from gnome_lite.settings import Settings, bundled

if TYPE_CHECKING:
    from gnome_lite.sources.combined import CombinedSource
    from gnome_lite.store.database import SqlStore


def make_source(
    config: CampaignConfig, settings: Settings, level: str, progress: Progress | None = None
) -> CombinedSource:
    """Return the source of a campaign's reference phases, read once.

    Args:
        config: campaign, of which only the sources are asked if nothing may be computed.
        settings: home and keys.
        level: level of the campaign.
        progress: told of the Materials Project's phases while they are computed at another level; None: none may be,
            for the campaign's calculator is not to be asked.

    Raises:
        SourceError: if no sources are named.
        LevelMismatchError: if the Materials Project's energies are of another level and may not be computed anew.
    """
    from gnome_lite.assemble.reference_sets import AddedSource
    from gnome_lite.sources.bundled_seed import SeedSource
    from gnome_lite.sources.combined import CombinedSource
    from gnome_lite.sources.file_references import FileSource
    from gnome_lite.sources.release_reader import ReleaseSource

    permissive_only = config.sources.licences == "permissive"
    sources: list[Source] = []
    if config.sources.seed:
        sources.append(SeedSource())
    if config.sources.files:
        sources.append(FileSource(config.sources.files, level))
    sources += [ReleaseSource(directory) for directory in config.sources.releases]
    if config.sources.added:
        sources.append(AddedSource(config.sources.added, settings, level))
    if config.sources.materials_project:
        sources.append(_materials_project(config, settings, level, tuple(sources), progress))
    if not sources:
        raise SourceError("no references: set sources.seed = true, or name sources.files")
    return CombinedSource(sources, permissive_only)


def _materials_project(
    config: CampaignConfig, settings: Settings, level: str, others: Sequence[Source], progress: Progress | None
) -> Source:
    """Return the Materials Project's phases at a level: as they are at their own, else computed anew."""
    from gnome_lite.assemble.reference_sets import RelabelledSource
    from gnome_lite.sources.combined import CombinedSource
    from gnome_lite.sources.materials_project import LEVEL, MaterialsProjectSource

    systems = config.sources.materials_project
    if level == LEVEL:
        return MaterialsProjectSource(systems, settings, config.sources.include_gnome)
    if not config.sources.relabel:
        raise LevelMismatchError(
            f"the Materials Project's energies are of level {LEVEL}, this campaign's of {level}: set sources.relabel = "
            "true, which computes its phases near the hull at this level"
        )

    def known() -> PhaseSet | None:
        return of_level(CombinedSource(others).load(), level) if others else None

    return RelabelledSource(systems, config, settings, level, known, progress)


def of_level(phases: PhaseSet | None, level: str) -> PhaseSet | None:
    """Return phases if they are of a level, else None."""
    return phases if phases is not None and phases.level == level else None


def other_references(config: CampaignConfig, settings: Settings, level: str, but: str) -> PhaseSet | None:
    """Return the references that a campaign has at a level without one set of the home; None if there are none.

    Left aside are sets that the home does not have yet, and the Materials Project: each can be computed before the
    other.

    Raises:
        SourceError: if a source cannot be had.
    """
    from gnome_lite.assemble.reference_sets import set_file

    named = (name for name in config.sources.added if name != but)
    added = tuple(name for name in named if set_file(settings, level, name).is_file())
    # Without regard to licences: which of equal crystals is taken is not for the set to say.
    others = {"added": added, "materials_project": (), "licences": "any"}
    sources = config.sources.model_copy(update=others)
    if not (sources.seed or sources.files or sources.releases or sources.added):
        return None
    config = config.model_copy(update={"sources": sources})
    return of_level(make_source(config, settings, level).load(), level)


def require_files(config: CampaignConfig) -> None:
    """Refuse a campaign whose files do not exist, before anything is read or computed.

    Raises:
        SourceError: naming the first path that does not exist, or the first folder that holds no crystals.
    """
    from gnome_lite.sources.files import crystal_files

    crystal_files((*config.sources.files, *config.generate.parents))


def load_references(
    config: CampaignConfig | None = None, settings: Settings | None = None, progress: Progress = silent
) -> PhaseSet:
    """Return the reference phases of a campaign (default: the bundled seed).

    The Materials Project's are computed at the campaign's level, where they are of another one and not in the home yet.
    """
    config = config or CampaignConfig()
    settings = settings or Settings()
    return make_source(config, settings, level_of(config, settings), progress).load()


def open_store(where: Settings | Path | str | None = None, create: bool = False) -> SqlStore:
    """Open the store of some settings, or of a home directory; default: that of the environment.

    Raises:
        StoreError: if it does not exist (and `create` is False), or cannot be opened.
    """
    from gnome_lite.store.database import SqlStore

    settings = where if isinstance(where, Settings) else Settings.at(where)
    return SqlStore.open(settings.store_url, create=create)


def read_stored(config: Mapping[str, Any]) -> CampaignConfig:
    """Return a campaign's settings as a store holds them, without those that this version does not know any more.

    Raises:
        ConfigError: if a value is not allowed any more.
    """
    known: dict[str, Any] = {}
    for key, value in with_current_names(config)[0].items():
        field = CampaignConfig.model_fields.get(key)
        if field is not None:
            section = field.annotation
            inner = getattr(section, "model_fields", None) if isinstance(value, dict) else None
            known[key] = {k: v for k, v in value.items() if k in inner} if inner else value
    try:
        return CampaignConfig.model_validate(known)
    except ValidationError as error:
        raise ConfigError(f"campaign {config.get('name')!r} of the store: {explain(error)}") from error


def open_phases(
    settings: Settings | None = None, campaign: str | None = None, references: Path | None = None
) -> PhaseSet:
    """Return the reference phases of analyses, and what the store has verified at their level.

    Args:
        settings: home, store and keys; default: those of the environment.
        campaign: campaign whose references are taken; default: the campaign begun last, or, where there is no store,
            the bundled seed.
        references: a release directory instead.

    Raises:
        StoreError: if there is no such campaign.
        SourceError: if the references cannot be had.
    """
    from gnome_lite.sources.release_reader import ReleaseSource

    settings = settings or Settings()
    exists = settings.database_url is not None or (settings.home / "store.sqlite").exists()
    store = open_store(settings) if exists else None
    campaigns = [] if store is None else sorted(store.status().campaigns, key=lambda c: c.begun_at)
    if campaign is not None and campaign not in [c.name for c in campaigns]:
        raise StoreError(
            f"no campaign {campaign!r} in the store: there are {', '.join(c.name for c in campaigns) or 'none'}"
        )
    chosen = next((c for c in reversed(campaigns) if campaign in (None, c.name)), None)
    if references is not None:
        phases = ReleaseSource(references).load()
    elif chosen is not None:
        # The store holds the level; its calculator is never asked, for a store may be anybody's.
        phases = make_source(_sources_of(chosen.name, chosen.config), settings, chosen.level).load()
    else:
        phases = load_references(None, settings)
    if store is not None:
        phases = phases.add([v for v in store.verifications(phases.level) if v.ok])
    return phases.with_molecules(load_molecules(settings, phases.level))


def _sources_of(name: str, stored: Mapping[str, Any]) -> CampaignConfig:
    """Return the sources of a stored campaign; its other settings may be of an older gnome_lite."""
    try:
        return CampaignConfig(sources=Sources.model_validate(stored.get("sources", {})))
    except ValidationError as error:
        raise ConfigError(f"campaign {name!r} of the store cannot be read ({explain(error)}): name another") from error


def load_molecules(settings: Settings, level: str) -> list[Phase]:
    """Return crystals of CO2 and H2O at a level: those made here, else those shipped for it, else none."""
    from gnome_lite.sources.reference_files import read_references

    for path in (molecules_file(settings, level), bundled("seed", f"molecules-{level}.parquet")):
        if path.is_file():
            return [e for e in read_references(path) if e.level == level]
    return []


def molecules_file(settings: Settings, level: str) -> Path:
    """Return the file that `make_molecules` writes."""
    return settings.references_dir / f"molecules-{file_name(level)}.parquet"


def make_molecules(config: CampaignConfig, settings: Settings, out: Path | None = None) -> list[Phase]:
    """Relax the crystals of CO2 and H2O with the campaign's calculator and write them down.

    Raises:
        CalculatorError: if the calculator cannot be built, or gives one of them no usable energy.
    """
    from gnome_lite.core.licences import LICENCE
    from gnome_lite.core.records import Candidate
    from gnome_lite.sources.molecules import SOURCE, molecular_crystals
    from gnome_lite.sources.reference_files import write_references

    named = {c.content_id: (name, c) for name, c in molecular_crystals()}
    made = []
    with make_verifier(config, None, settings) as verifier:
        for v in verifier.verify([Candidate(i, c, "", "", name, 0) for i, (name, c) in named.items()]):
            name = named[v.candidate_id][0]
            if not v.ok:
                raise CalculatorError(
                    f"{name} cannot be relaxed at level {v.level} ({v.failure}: {v.detail}): "
                    "reactions with air need another calculator, or a source that holds CO2 and H2O"
                )
            entry_id = f"molecule-{v.crystal.content_id.removeprefix('gl-')}"
            made.append(Phase(entry_id, v.crystal, v.energy_ev, v.level, f"{SOURCE}: {name}", LICENCE))
    write_references(out or molecules_file(settings, level_of(config, settings)), made)
    return made
