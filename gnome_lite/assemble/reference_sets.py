"""Sets of references that lie in a home, by level and name: `references add` makes them, `sources.added` names them.

The phases of the Materials Project, computed at a campaign's level, are such sets, too: `mp-Li-O`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gnome_lite.assemble.verifiers import make_verifier
from gnome_lite.campaign.own_references import Given, OwnReferences, own_references
from gnome_lite.config import CampaignConfig
from gnome_lite.core.errors import LevelMismatchError, SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.plain_text import file_name
from gnome_lite.core.records import Phase
from gnome_lite.pipeline import Progress
from gnome_lite.settings import Settings
from gnome_lite.sources.files import NamedFile, crystal_files, read_files

MP_WITHIN_EV_PER_ATOM = 0.1
"""Phases of the Materials Project that lie further above its own hull are not computed: another level that would put
them onto the hull errs by more than potentials trained on its energies do."""


class NamedSet(NamedTuple):
    """A set of references of a home."""

    name: str
    path: Path

    def read(self) -> list[Phase]:
        """Return its phases; raises SourceError if the file is damaged."""
        from gnome_lite.sources.reference_files import read_references

        return read_references(self.path)


def set_file(settings: Settings, level: str, name: str) -> Path:
    """Return the file of a set."""
    return settings.references_dir / "added" / file_name(level) / f"{name}.parquet"


def named_sets(settings: Settings, name: str = "") -> list[NamedSet]:
    """Return the sets of a home, or those of one name, which may be there at several levels.

    Raises:
        SourceError: if none has that name.
    """
    found = [NamedSet(p.stem, p) for p in sorted((settings.references_dir / "added").glob("*/*.parquet"))]
    if not name:
        return found
    chosen = [s for s in found if s.name == name]
    if not chosen:
        some = ", ".join(sorted({s.name for s in found})) or "none yet: `gnome-lite references add` makes one"
        raise SourceError(f"home {settings.home} has no references {name!r}: it has {some}")
    return chosen


class AddedSource:
    """Sets of a home at one level, by name."""

    def __init__(self, names: Sequence[str], settings: Settings, level: str) -> None:
        self._names, self._settings, self._level = names, settings, level

    def load(self) -> PhaseSet:
        """Read them.

        Raises:
            SourceError: if there is none of a name at this level, or its file is damaged.
        """
        from gnome_lite.sources.combined import merge

        phases: list[Phase] = []
        for name in self._names:
            path = set_file(self._settings, self._level, name)
            if not path.is_file():
                raise SourceError(
                    f"home {self._settings.home} has no references {name!r} at level {self._level}: make them with "
                    f"`gnome-lite references add DIR --name {name} --campaign FILE`"
                )
            phases += NamedSet(name, path).read()
        return PhaseSet.make(merge(phases))


def read_given(
    paths: Iterable[Path], licence: str, reported: bool, progress: Progress
) -> tuple[list[Given], dict[Path, str]]:
    """Return the crystals of files and folders, and what is wrong with files that cannot be read.

    Args:
        paths: files and folders, our own files of references among them.
        licence: of crystals whose file states none.
        reported: they are compounds that somebody has made.
        progress: told of each file.

    Raises:
        SourceError: if a path does not exist, or no file can be read.
    """
    from gnome_lite.core.origins import REPORTED

    files, begin = crystal_files(paths), f"{REPORTED}: " if reported else ""
    given: list[Given] = []
    wrong: dict[Path, str] = {}
    for done, (file, found) in enumerate(_read(files, licence, begin), 1):
        progress("read", done, len(files), file.name)
        if isinstance(found, str):
            wrong[file.path] = found
        else:
            given += found
    if not given:
        raise SourceError(next(iter(wrong.values())))
    return given, wrong


def _read(files: Sequence[NamedFile], licence: str, begin: str) -> Iterator[tuple[NamedFile, list[Given] | str]]:
    """Yield each file with its crystals, or with what is wrong with it."""
    from gnome_lite.sources.file_references import OWN_SUFFIX
    from gnome_lite.sources.reference_files import read_references

    read = read_files(f.path for f in files if f.path.suffix != OWN_SUFFIX)
    for file in files:
        if file.path.suffix == OWN_SUFFIX:
            own = read_references(file.path)
            yield file, [Given(p.id, p.crystal, p.energy_ev, p.level, f"{begin}{p.source}", p.licence) for p in own]
            continue
        _, crystals, wrong = next(read)
        source = f"{begin}file {file.name}"
        found = [Given(c.name, c.crystal, c.energy_ev, c.level, f"{source}: {c.name}", licence) for c in crystals]
        yield file, wrong or found


def add_references(
    name: str,
    given: Sequence[Given],
    known: PhaseSet | None,
    level: str,
    config: CampaignConfig,
    settings: Settings,
    progress: Progress,
) -> OwnReferences:
    """Compute references at the campaign's level and write them, beside those that it has already, as a set.

    Args:
        name: of the set.
        given: crystals with or without energies.
        known: references of the campaign's other sources; None where it has none of its level.
        level: of the campaign.
        config: the campaign, whose calculator is used.
        settings: home of the set and of the results log, by which a killed call goes on.
        progress: told of each relaxation.

    Raises:
        ConfigError: if the campaign names code that the user has not trusted.
        MissingReferenceError: if an element has no reference.
        SourceError: if an energy is absurd, or the set cannot be written.
    """
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.sources.combined import merge
    from gnome_lite.sources.reference_files import write_references

    path = set_file(settings, level, name)
    before = NamedSet(name, path).read() if path.is_file() else []
    both = merge([*(known or ()), *before])
    all_known = PhaseSet.make(both) if both else None
    elemental = all_known.elemental_ev_per_atom if all_known is not None else None
    results_log = settings.references_dir / f"relaxed-{file_name(level)}.jsonl"
    with make_verifier(config, elemental, settings) as verifier:
        if verifier.level != level:
            raise LevelMismatchError(f"the verifier is of level {verifier.level}, references of {level} were asked for")
        made = own_references(given, all_known, verifier, CrystalNovelty(), results_log, progress)
    # Beside all else that is known: an element's absurd energy shows by its compounds.
    PhaseSet.make(merge([*both, *made.phases]))
    write_references(path, merge([*before, *made.phases]))
    return made


class RelabelledSource:
    """The Materials Project's phases near the hull, computed at a campaign's level and kept in the home.

    Args:
        systems: chemical systems.
        config: the campaign.
        settings: home and key.
        level: of the campaign.
        known: gives the references of its other sources, if they are of this level.
        progress: told of what is computed; None: nothing may be computed.
    """

    def __init__(
        self,
        systems: Sequence[str],
        config: CampaignConfig,
        settings: Settings,
        level: str,
        known: Callable[[], PhaseSet | None],
        progress: Progress | None,
    ) -> None:
        self._systems = tuple(dict.fromkeys("-".join(sorted(set(s.split("-")))) for s in systems))
        self._config, self._settings, self._level = config, settings, level
        self._known, self._progress = known, progress

    def load(self) -> PhaseSet:
        """Read what is there, fetch and compute what is not.

        Raises:
            SourceError: if it cannot be fetched, or may not be computed.
            MissingReferenceError: if an element cannot be computed.
        """
        names = {system: f"mp-{system}" + "-gnome" * self._config.sources.include_gnome for system in self._systems}
        for system, name in names.items():
            if not set_file(self._settings, self._level, name).is_file():
                self._compute(system, name)
        return AddedSource(tuple(names.values()), self._settings, self._level).load()

    def _compute(self, system: str, name: str) -> None:
        from gnome_lite.campaign.higher_levels import competing_phases
        from gnome_lite.sources.materials_project import MaterialsProjectSource
        from gnome_lite.stability.hull import build_hull

        if self._progress is None:
            raise SourceError(
                f"the Materials Project's phases of {system} have not been computed at level {self._level} in home "
                f"{self._settings.home}: run the campaign there"
            )
        self._progress("fetch", 0, 0, f"{system} from the Materials Project")
        fetched = MaterialsProjectSource([system], self._settings, self._config.sources.include_gnome).load()
        near = competing_phases(fetched, build_hull(fetched), [system], MP_WITHIN_EV_PER_ATOM)
        given = [Given(p.id, p.crystal, p.energy_ev, p.level, p.source, p.licence, id=p.id) for p in near]
        add_references(name, given, self._known(), self._level, self._config, self._settings, self._progress)
