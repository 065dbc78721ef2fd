"""What has come back of an asked folder: each result read in a child process and checked against what was asked.

A folder without a result is open. One whose result is truncated, unconverged, insane or of another crystal is named and
passed over; the others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.messages import Message
from gnome_lite.core.plain_text import printable
from gnome_lite.core.processes import ExitReason
from gnome_lite.core.records import Verification
from gnome_lite.core.workers import Workers
from gnome_lite.pipeline import Progress
from gnome_lite.verify.files.dft_levels import dft_level
from gnome_lite.verify.files.manifest import Manifest, Member
from gnome_lite.verify.files.program_inputs import right_handed
from gnome_lite.verify.sanity import bad_geometry, bad_numbers

MEMORY_BYTES = 2 << 30
DEADLINE_S = 120.0
SAME_START_ANG = 0.02
"""A program prints the crystal that it begins with to 1e-8; this also lets one pass that was symmetrised."""

FOLDERS_A_READER = 100

ReadFiles = Callable[[Sequence[Path], str, Mapping[str, Any]], Iterator[tuple[Path, Message | ExitReason]]]
SameCrystal = Callable[[Crystal, Crystal], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a folder holds: an outcome, or what is wrong with it ("" = nothing: it is open)."""

    member: Member
    outcome: Verification | None
    wrong: str = ""


def read_answers(
    folder: Path,
    manifest: Manifest,
    asked: Sequence[tuple[Member, Crystal]],
    same: SameCrystal,
    progress: Progress,
    read: ReadFiles | None = None,
) -> Iterator[Answer]:
    """Yield what has come back, one answer a member, in the order in which they are read.

    Args:
        folder: folder of the manifest.
        manifest: what was asked for.
        asked: members to look at, with the crystals that were handed out.
        same: tells whether two crystals are the same one, for runs that began with a later stage of a relaxation.
        progress: told how many folders are read.
        read: reads files; default: `read_in_children`.

    Raises:
        CalculatorError: if no reader can be started.
    """
    answer_file = dft_level(manifest.level).answer
    waiting: dict[Path, tuple[Member, Crystal]] = {}
    for member, crystal in asked:
        place = folder / member.folder
        if not place.is_dir():
            yield Answer(member, None, "its folder is gone: put it back, or ask again")
        elif (place / answer_file).exists():
            waiting[place / answer_file] = member, crystal
        else:
            yield Answer(member, None)
    found = (read or read_in_children)(list(waiting), manifest.level, manifest.settings)
    for done, (path, said) in enumerate(found, 1):
        member, crystal = waiting[path]
        progress("read", done, len(waiting), member.formula)
        yield _checked(member, crystal, said, same)


def read_in_children(
    paths: Sequence[Path], level: str, settings: Mapping[str, Any]
) -> Iterator[tuple[Path, Message | ExitReason]]:
    """Yield what the readers say of each file: numbers, what is wrong with it, or how it ended its reader.

    Raises:
        CalculatorError: if no reader can be started.
    """
    setup = {"level": level, "settings": dict(settings), "memory_bytes": MEMORY_BYTES}
    module = "gnome_lite.verify.files.reading_worker"
    workers: Workers[Path] = Workers(module, setup, lambda path: {"path": str(path)}, 0, DEADLINE_S, MEMORY_BYTES)
    # A reader takes as long to start as to read some hundred folders.
    workers.n = min(workers.n, 1 + len(paths) // FOLDERS_A_READER)
    try:
        with closing(workers.run(deque(paths))) as events:
            for path, said, _ in events:
                if path is None:
                    raise CalculatorError(f"no reader of results can be started: {_text(said)}; check the installation")
                yield path, said
    finally:
        workers.close()


def _text(said: Message | ExitReason) -> str:
    return said.text if isinstance(said, ExitReason) else printable(str(said))


def _checked(member: Member, asked: Crystal, said: Message | ExitReason, same: SameCrystal) -> Answer:
    if isinstance(said, ExitReason):
        return Answer(member, None, f"its reader {said.text}: look at the file, or run it again")
    if "wrong" in said:
        return Answer(member, None, printable(str(said["wrong"])))
    try:
        start, end = Crystal.make(**said["start"]), Crystal.make(**said["crystal"])
    except ValueError as error:
        return Answer(member, None, f"its crystal is damaged ({error}): run it again")
    if wrong := _of_another(asked, start, end, same) or _insane(asked, end, said):
        return Answer(member, None, wrong)
    outcome = Verification(
        member.id,
        end,
        said["energy_ev"],
        said["max_force_ev_per_ang"],
        said["n_steps"],
        True,
        said["theory"],
        said["seconds"],
    )
    return Answer(member, outcome)


def _of_another(asked: Crystal, start: Crystal, end: Crystal, same: SameCrystal) -> str:
    """Return why a result is not of the crystal that was handed out; "" if it is."""
    for crystal in (start, end):
        if not np.array_equal(crystal.counts, asked.counts):
            found = f"{crystal.reduced_formula} of {len(crystal)} atoms"
            return f"it holds {found}, not {asked.reduced_formula} of {len(asked)}: put the right run there"
    if not (_starts_alike(asked, start) or same(asked, start)):
        return f"its run began with another crystal of {asked.reduced_formula}: put the right run there"
    return ""


def _starts_alike(asked: Crystal, start: Crystal) -> bool:
    """Return whether a run began with the atoms as handed out; programs group them by element in an order of theirs."""
    if not np.allclose(right_handed(asked).lattice, start.lattice, atol=SAME_START_ANG):
        return False
    for z in np.unique(asked.numbers):
        ours, theirs = asked.frac_coords[asked.numbers == z], start.frac_coords[start.numbers == z]
        between = theirs[:, None] - ours[None]
        distances = np.linalg.norm((between - np.round(between)) @ asked.lattice, axis=2)
        nearest = distances.argmin(axis=1)
        if len(set(nearest.tolist())) < len(nearest) or distances.min(axis=1).max() > SAME_START_ANG:
            return False
    return True


def _insane(asked: Crystal, end: Crystal, said: Mapping[str, float]) -> str:
    refusal = bad_geometry(end, asked.volume) or bad_numbers(
        said["energy_ev"], np.array([[said["max_force_ev_per_ang"]] * 3]), np.zeros(6)
    )
    return f"{refusal[0]}: {refusal[1]}; look at the run" if refusal else ""
