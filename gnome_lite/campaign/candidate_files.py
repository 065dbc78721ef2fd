"""A stream of candidates as a file: gated, in bounded memory, and resumable after a kill.

Beside FILE stands FILE.position: how many bytes of FILE are whole, and where in the stream they end. It is replaced
after each chunk is on disk; the same call goes on from there, and the finished file is the same as without a stop.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.formats import extxyz_frame, json_line
from gnome_lite.core.records import Candidate
from gnome_lite.generate.sift import Compare, Tally, sift
from gnome_lite.pipeline import CandidateStream, Gate, Progress

FORMATS: dict[str, Callable[[Crystal, Mapping[str, Any]], str]] = {
    ".extxyz": extxyz_frame,
    ".xyz": extxyz_frame,
    ".ndjson": json_line,
    ".jsonl": json_line,
}


class PositionedStream(CandidateStream, Protocol):
    """A stream that can be taken up again at a position."""

    @property
    def position(self) -> Any: ...


@dataclass(slots=True)
class Progressed:
    """Progress of a file.

    Attributes:
        call: everything the stream depends on.
        position: where in the stream the file ends.
        size: bytes of the file that are whole.
        written: candidates in it.
        made: candidates made, those refused by the gate or not wanted included.
        causes: candidates refused by the gate, by cause.
        skipped: parents and compositions left out by the generators, by cause.
        done: whether the stream is exhausted or the count reached.
    """

    call: dict[str, Any]
    position: Any = None
    size: int = 0
    written: int = 0
    made: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    done: bool = False


def write_candidates(
    path: Path,
    call: dict[str, Any],
    stream_from: Callable[[Any], PositionedStream],
    gate: Gate,
    count: int,
    unwanted: Compare,
    progress: Progress,
) -> Progressed:
    """Write, or go on writing, candidates that pass the gate.

    Args:
        path: its suffix is one of FORMATS.
        call: everything the stream depends on, as plain JSON; a file begun with another call is not touched.
        stream_from: gives the stream from a position (None = its start).
        gate: refuses crystals.
        count: number of candidates to write, if there are as many; where there is none, no file is left.
        unwanted: names the reason against each candidate, None where it is wanted.
        progress: told after each chunk.

    Raises:
        ConfigError: if the suffix is unknown, or the file exists and is not of this call.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f"cannot write {path}: its name must end in one of {', '.join(FORMATS)}")
    render = FORMATS[path.suffix]
    state = _state(path, call)
    if state.done:
        return state
    stream = stream_from(state.position)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(state.size)
        file.seek(state.size)
        tally = Tally(state.made, Counter(state.causes), 0, state.written)
        for part in sift(stream, gate, unwanted, tally, count):
            taken = part.kept.candidates()
            file.write("".join(render(c.crystal, _facts(c)) for c in taken).encode())
            file.flush()
            os.fsync(file.fileno())
            state.made, state.causes, state.skipped = tally.made, dict(tally.refused), dict(stream.skipped)
            state.size, state.written, state.position = file.tell(), tally.kept, stream.position
            state.done = state.written == count
            _save(path, state)
            progress("generate", state.written, count, f"{state.made} made")
    state.done, state.skipped = True, dict(stream.skipped)
    if state.written:
        _save(path, state)
    else:  # an empty file would keep the next try from starting
        path.unlink()
        _beside(path).unlink(missing_ok=True)
    return state


def _facts(c: Candidate) -> dict[str, Any]:
    facts = {
        "gnome_lite_id": c.id,
        "formula": c.crystal.reduced_formula,
        "generator": c.generator,
        "parent_id": c.parent_id,
        "change": c.change,
        "probability": c.probability,
        "multiplicity": c.multiplicity,
    }
    return {k: v for k, v in facts.items() if v != "" and not (isinstance(v, float) and math.isnan(v))}


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".position")


def _state(path: Path, call: dict[str, Any]) -> Progressed:
    beside = _beside(path)
    if not path.exists():
        return Progressed(call)
    try:
        state = Progressed(**json.loads(beside.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} exists and no run of this kind wrote it: name another file") from error
    if state.call != call:
        changed = sorted(k for k in {*state.call, *call} if state.call.get(k) != call.get(k))
        raise ConfigError(f"{path} was begun with other {', '.join(changed)}: name another file, or remove it")
    if state.size > path.stat().st_size:
        raise ConfigError(f"{path} is shorter than {beside.name} says: remove both and run again")
    return state


def _save(path: Path, state: Progressed) -> None:
    beside = _beside(path)
    partial = beside.with_name(beside.name + ".part")
    partial.write_text(json.dumps(asdict(state)), encoding="utf-8")
    partial.replace(beside)
