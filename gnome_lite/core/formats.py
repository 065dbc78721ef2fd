"""One crystal as text: an extended XYZ frame, or a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gnome_lite.core.crystals import Crystal, symbol
from gnome_lite.core.plain_text import printable


def extxyz_frame(crystal: Crystal, facts: Mapping[str, Any]) -> str:
    """Return a frame of extended XYZ, with facts (numbers, booleans, texts) as key-value pairs of its comment line."""
    cell = " ".join(f"{x:.10f}" for x in crystal.lattice.ravel())
    pairs = " ".join(f"{key}={_quoted(value)}" for key, value in facts.items())
    lines = [str(len(crystal)), f'Lattice="{cell}" Properties=species:S:1:pos:R:3 {pairs} pbc="T T T"']
    sites = zip(crystal.numbers, crystal.cart_coords, strict=True)
    lines += [f"{symbol(z):2s} {x:.10f} {y:.10f} {w:.10f}" for z, (x, y, w) in sites]
    return "\n".join(lines) + "\n"


def json_line(crystal: Crystal, facts: Mapping[str, Any]) -> str:
    """Return a line of JSON with facts, and the crystal as numbers, frac_coords and lattice (Å)."""
    return json.dumps({**facts, "crystal": crystal.as_lists()}) + "\n"


def _quoted(value: Any) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, (int, float)):
        return repr(value)
    return '"' + printable(str(value)).replace("\\", "\\\\").replace('"', '\\"') + '"'
