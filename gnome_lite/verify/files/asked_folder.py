"""The folder that `ask` hands out: a folder a crystal, scripts and manifest, there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.disk import umask, writing
from gnome_lite.core.errors import ConfigError
from gnome_lite.verify.files.dft_levels import dft_level
from gnome_lite.verify.files.job_scripts import write_scripts
from gnome_lite.verify.files.manifest import MANIFEST, Manifest, Member
from gnome_lite.verify.files.program_inputs import CannotAskError, write_inputs, write_shared


class Written(NamedTuple):
    """What was handed out.

    Attributes:
        members: crystals that have a folder.
        left_out: (formula, why) of each that the program's inputs cannot be made for.
    """

    members: tuple[Member, ...]
    left_out: tuple[tuple[str, str], ...]


def require_free(out: Path) -> None:
    """Raise ConfigError if something lies where the folder is to be."""
    if os.path.lexists(out):
        raise ConfigError(f"{out} exists: name a new folder; `gnome-lite tell {out}` takes back what it holds")


def write_asked(out: Path, manifest: Manifest, crystals: Sequence[Crystal], pseudos: Path | None = None) -> Written:
    """Write a folder for each member beside the place, then move the whole there.

    Args:
        out: folder to make; nothing may lie there.
        manifest: what is asked for; members whose inputs cannot be made are left out of what is written.
        crystals: crystal of each member as it is handed out, [n].
        pseudos: folder of pseudopotentials, for pw.x.

    Raises:
        ConfigError: if something lies there, or no crystal can be handed out.
        DiskError: if it cannot be written; nothing is left then.
    """
    require_free(out)
    settings, members, left_out = manifest.checked_settings, list[Member](), list[tuple[str, str]]()
    with writing(out):
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(".part", f".{out.name}.", out.absolute().parent))
        try:
            for member, crystal in zip(manifest.members, crystals, strict=True):
                place = partial / member.folder
                place.mkdir()
                try:
                    write_inputs(place, manifest.level, crystal, settings)
                    members.append(member)
                except CannotAskError as error:
                    shutil.rmtree(place)
                    left_out.append((member.formula, str(error)))
            if not members:
                formula, why = left_out[0]
                raise ConfigError(f"no crystal can be asked for at level {manifest.level}: {formula}: {why}")
            write_shared(partial, settings, pseudos)
            write_scripts(partial, dft_level(manifest.level).program, manifest.level, [m.folder for m in members])
            text = manifest.model_copy(update={"members": tuple(members)}).to_json()
            with (partial / MANIFEST).open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.chmod(0o777 & ~umask())
            require_free(out)
            os.rename(partial, out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Written(tuple(members), tuple(left_out))
