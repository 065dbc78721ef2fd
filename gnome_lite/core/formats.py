"""One crystal as text: an extended XYZ frame, or a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gnome_lite.core.crystals import Crystal, symbol
from gnome_lite.core.plain_text import printable

if TYPE_CHECKING:
    from ase import Atoms

MAX_LINE_CHARS, MAX_COLUMNS = 100_000, 200
"""Of a frame of extended XYZ that is read."""


def extxyz_frame(crystal: Crystal, facts: Mapping[str, Any]) -> str:
    """Return a frame of extended XYZ, with facts (numbers, booleans, texts) as key-value pairs of its comment line."""
    cell = " ".join(f"{x:.10f}" for x in crystal.lattice.ravel())
    pairs = " ".join(f"{key}={_quoted(value)}" for key, value in facts.items())
    lines = [str(len(crystal)), f'Lattice="{cell}" Properties=species:S:1:pos:R:3 {pairs} pbc="T T T"']
    sites = zip(crystal.numbers, crystal.cart_coords, strict=True)
    lines += [f"{symbol(z):2s} {x:.10f} {y:.10f} {w:.10f}" for z, (x, y, w) in sites]
    return "\n".join(lines) + "\n"


def read_extxyz_frames(text: str) -> Iterator[Atoms]:
    """Yield the frames of extended XYZ as ASE reads them, which believes what a frame says of its size.

    Raises:
        ValueError: before anything is read, if a frame claims more atoms than there are lines.
        Exception: of any kind, as ASE's parser raises it.
    """
    from io import StringIO

    from ase.io.extxyz import key_val_str_to_dict, read_xyz

    lines = text.split("\n")
    if max(map(len, lines)) > MAX_LINE_CHARS:
        raise ValueError(f"has a line of more than {MAX_LINE_CHARS} characters")
    at = 0
    while at < len(lines) and lines[at].strip():
        n = int(lines[at])
        if not 0 < n <= len(lines) - at - 2:
            raise ValueError(f"claims {n} atoms in line {at + 1}, of {len(lines)}")
        at += n + 2
        while at < len(lines) and lines[at].lstrip().startswith("VEC"):
            at += 1

    def properties(comment: str) -> dict[str, Any]:
        said: dict[str, Any] = key_val_str_to_dict(comment)
        columns = sum(map(int, str(said.get("Properties", "")).split(":")[2::3]))
        if columns > MAX_COLUMNS:
            raise ValueError(f"claims {columns} columns, at most {MAX_COLUMNS} are read")
        return said

    yield from read_xyz(StringIO(text), slice(None), properties)


def json_line(crystal: Crystal, facts: Mapping[str, Any]) -> str:
    """Return a line of JSON with facts, and the crystal as numbers, frac_coords and lattice (Å)."""
    return json.dumps({**facts, "crystal": crystal.as_lists()}) + "\n"


def _quoted(value: Any) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, (int, float)):
        return repr(value)
    return '"' + printable(str(value)).replace("\\", "\\\\").replace('"', '\\"') + '"'
