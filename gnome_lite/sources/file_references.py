"""Reference phases from users' files, all at one level of theory; each crystal needs an energy of that level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gnome_lite.core.errors import SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase
from gnome_lite.sources.combined import merge
from gnome_lite.sources.files import NamedCrystal, crystal_files, read_files
from gnome_lite.sources.reference_files import read_references

OWN_SUFFIX = ".parquet"
"""Of our own files of references, which `gnome-lite references compute` writes; they name their level."""


class FileSource:
    """References from files and folders.

    What is wrong with a file that is named is an error; one that only lies in a folder is left out and counted, in the
    `left_out` of what is loaded.
    """

    def __init__(self, paths: Sequence[Path], level: str, licence: str = "not stated") -> None:
        self._paths, self._level, self._licence = tuple(map(Path, paths)), level, licence

    def load(self) -> PhaseSet:
        """Read all files.

        Raises:
            SourceError: if a path does not exist, a named file cannot be read or has a crystal without an energy of
                this level, or no file of a folder can serve.
        """
        files = crystal_files(self._paths)
        read = read_files(f.path for f in files if f.path.suffix != OWN_SUFFIX)
        entries: list[Phase] = []
        left_out: dict[str, int] = {}
        for file in files:
            if file.path.suffix == OWN_SUFFIX:
                entries += read_references(file.path)
                continue
            _, crystals, wrong = next(read)
            unfit = [why for c in crystals if (why := self._unfit(c))]
            wrong = wrong or (f"{file.path}: {unfit[0]}" if unfit else "")
            if wrong and not file.listed:
                raise SourceError(wrong)
            if wrong:
                left_out[wrong] = max(len(unfit), 1)
            entries += [self._phase(file.name, c) for c in crystals if not self._unfit(c)]
        if not entries:
            folders = ", ".join(map(str, self._paths))
            raise SourceError(f"no file of {folders} holds a reference; {next(iter(left_out))}")
        return replace(PhaseSet.make(merge(entries)), left_out=left_out)

    def _unfit(self, found: NamedCrystal) -> str:
        """Return why a crystal is no reference at this level, "" if it is one."""
        remedy = "`gnome-lite references add` relaxes it"
        if found.energy_ev is None:
            return f"{found.name} has no energy: references need energies at level {self._level}; {remedy}"
        if found.level not in ("", self._level):
            return f"{found.name} has an energy of level {found.level}, not {self._level}; {remedy}"
        return ""

    def _phase(self, file: str, found: NamedCrystal) -> Phase:
        source, energy_ev = f"file {file}: {found.name}", found.energy_ev
        assert energy_ev is not None
        return Phase(found.crystal.content_id, found.crystal, energy_ev, self._level, source, self._licence)
