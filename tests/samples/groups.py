"""Crystals by space group and sites, as pymatgen makes them; each group is built once a process.

pymatgen keeps a group only while somebody holds it, and building one takes up to a second (192 operations,
each compared with every other).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.groups import SpaceGroup

hold = cache(SpaceGroup)


def from_spacegroup(
    group: str, lattice: Lattice, symbols: Sequence[str], sites: Sequence[Sequence[float]], **options: float
) -> Structure:
    """Return pymatgen's conventional cell of a space group and its occupied orbits."""
    hold(group)
    return Structure.from_spacegroup(group, lattice, symbols, sites, **options)
