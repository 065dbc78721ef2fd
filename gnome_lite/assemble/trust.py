"""Programs that a campaign names, and whether the user of this machine has said that they may run.

A campaign file can name code: a factory (`module:factory`), an interpreter (`python`), a checkpoint that its package
unpickles. Files are passed on. So such code runs only after the user has said so once: with `--trust`, which is
remembered in the home, or by `GNOME_LITE_TRUST=1` or `trust=True` for a call. What a store or a release says of
calculators is never asked: the level that it holds is all that it is needed for.

What is remembered holds for the same program with the same arguments, for this user, this machine and this home: a
home that came from elsewhere brings no trust along.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from hashlib import file_digest, sha256
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from gnome_lite.config import CampaignConfig, Verify
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.plain_text import printable
from gnome_lite.settings import Settings

RECORD = "trusted"
"""File of the home: a digest and the program's name in each line; a line that is deleted is trust withdrawn."""


class Program(NamedTuple):
    """Code that a campaign names.

    Attributes:
        title: as messages name it.
        identity: what must not change for it to be the same: path or name, arguments, content of a checkpoint.
    """

    title: str
    identity: str


def programs_of(verify: Verify) -> list[Program]:
    """Return the code that the calculators of a campaign, its higher levels included, would run."""
    levels = (verify, *(verify.at(name) for name in verify.levels[1:]))
    return list(dict.fromkeys(program for level in levels for program in _programs(level)))


def require_trust(config: CampaignConfig, settings: Settings | None = None) -> None:
    """Refuse a campaign whose calculators are code that the user has not trusted.

    Raises:
        ConfigError: naming the code.
    """
    programs, settings = programs_of(config.verify), settings or Settings()
    if not programs or settings.trust:
        return
    known = _remembered(settings)
    unknown = [p.title for p in programs if _digest(p, settings) not in known]
    if unknown:
        raise ConfigError(
            f"campaign {config.name} names code of its own, {'; '.join(unknown)}: if you know what it does, "
            "say --trust once (in Python trust=True; for flows GNOME_LITE_TRUST=1)"
        )


def remember_trust(config: CampaignConfig, settings: Settings) -> list[str]:
    """Write into the home that the code which a campaign names may run; return what is new, by name.

    Raises:
        ConfigError: if the home cannot be written.
    """
    known = _remembered(settings)
    new = {_digest(p, settings): p.title for p in programs_of(config.verify)}
    new = {digest: title for digest, title in new.items() if digest not in known}
    if not new:
        return []
    record = settings.home / RECORD
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        with open(record, "a", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.writelines(f"{digest}  {printable(title)}\n" for digest, title in new.items())
    except OSError as error:
        raise ConfigError(f"cannot write {record} ({error.strerror}): choose another --home") from error
    return list(new.values())


def _programs(verify: Verify) -> Iterator[Program]:
    from gnome_lite.verify.calculators import CALCULATORS

    given = dict(verify.calculator_kwargs)
    named = CALCULATORS.get(verify.calculator)
    if python := str(given.get("python", "")):
        path = os.path.abspath(shutil.which(python) or python)
        yield Program(f"interpreter {path}", f"interpreter {path}")
    if named is None:
        if not python and ":" not in verify.calculator:
            return  # it is nobody's name: an error of its own, later
        arguments = json.dumps({k: v for k, v in given.items() if k != "python"}, sort_keys=True)
        title = f"calculator {verify.calculator}"
        yield Program(title, f"{title} {arguments} {'' if python else _origin(verify.calculator)}")
    elif not named.level and (checkpoint := str(given.get("checkpoint", ""))):
        # A plain name is one of the package's own; these packages unpickle what is named otherwise.
        if "/" in checkpoint or Path(checkpoint).exists():
            title = f"checkpoint {checkpoint} of {verify.calculator}"
            yield Program(title, f"{title} {_content(Path(checkpoint))}")


def _origin(name: str) -> str:
    """Return the file that "module:factory" is imported from, without importing it: another folder has another."""
    try:
        spec = find_spec(name.partition(":")[0].partition(".")[0])
    except (ImportError, ValueError):
        return ""
    return str(spec.origin) if spec is not None else ""


def _content(path: Path) -> str:
    """Return the SHA-256 of a checkpoint: a file, or the files of a folder; "" where it is not here."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = sha256()
    for file in files:
        try:
            with file.open("rb") as content:
                digest.update(file_digest(content, "sha256").digest())
        except OSError:
            return ""
    return digest.hexdigest()


def _remembered(settings: Settings) -> set[str]:
    """Return the digests of the record, if nobody else can write to it."""
    record = settings.home / RECORD
    try:
        held = record.stat()
        lines = record.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    mine = held.st_uid == os.getuid() and not held.st_mode & 0o022
    return {line.partition("  ")[0] for line in lines} if mine else set()


def _digest(program: Program, settings: Settings) -> str:
    """Return the line of a program: of this machine, this user and this home, so that a copy elsewhere says nothing."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        machine = ""
    where = (machine or platform.node(), str(os.getuid()), str(settings.home.resolve()))
    return sha256("\n".join((*where, program.identity)).encode(errors="surrogatepass")).hexdigest()
