"""The modified Pettifor scale: as other packages list it, and true of alloys."""

from __future__ import annotations

import csv
import gzip
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from gnome_lite.chemistry.similarity import modified_pettifor
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import MAX_Z, Crystal
from gnome_lite.generate.intermetallics import DECAY_PLACES, NOT_METALS

# fmt: off
BY_ATOMIC_NUMBER = [
    103, 1, 12, 77, 86, 87, 88, 97, 102, 2, 11, 73, 78, 85, 89, 96, 101, 3, 10, 16, 48, 51, 54, 55, 72, 71, 70,
    69, 68, 74, 79, 84, 90, 95, 100, 4, 9, 15, 21, 49, 53, 56, 59, 61, 63, 65, 67, 75, 80, 83, 91, 94, 99, 5, 8,
    14, 32, 31, 30, 29, 28, 27, 17, 26, 25, 24, 23, 22, 20, 18, 19, 50, 52, 57, 58, 60, 62, 64, 66, 76, 81, 82,
    92, 93, 98, 6, 7, 13, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
]
# fmt: on
"""Z = 1 to 103, read from the tables of mendeleev 1.3 (glawe_number); ElementEmbeddings 0.8 (mod_petti) lists the same
order."""


def test_scale_is_that_of_other_packages() -> None:
    scale = modified_pettifor()
    assert scale.shape == (MAX_Z + 1,)
    assert scale[1:104].tolist() == BY_ATOMIC_NUMBER
    assert (scale[104:] == 0).all()
    assert scale[0] == 0


@pytest.mark.soak
def test_alloys_exchange_neighbours_and_the_decay_is_as_stated(dft_data: Path) -> None:
    """Pairs of alloys of one structure type that differ in one element, by the distance of the two elements.

    Over the same share of all pairs of elements, as often as they occur in alloys; structure types with many members
    count by the square root of their number, or full Heusler alloys would be most of the data.
    """
    types = defaultdict(set)
    for name in ("mp20_val.csv.gz", "mpts52_val.csv.gz"):
        with gzip.open(dft_data / name, "rt") as file:
            for row in csv.DictReader(file):
                elements = re.findall(r"[A-Z][a-z]?", re.search(r"_chemical_formula_sum\s+(.*)", row["cif"])[1])
                if not set(elements) & set(NOT_METALS):
                    key, members = structure_type(Crystal.from_pymatgen(Structure.from_str(row["cif"], fmt="cif")))
                    types[key].add(members)
    scale = modified_pettifor()
    frequency, seen = np.zeros(104), np.zeros(104)
    for found in types.values():
        members = np.array(sorted(found))
        np.add.at(frequency, scale[members].ravel(), 1.0)
        differs = members[:, None] != members
        for place in range(members.shape[1]):
            a, b = np.nonzero(np.triu(differs[:, :, place] & (differs.sum(axis=-1) == 1)))
            apart = np.abs(scale[members[a, place]] - scale[members[b, place]])
            np.add.at(seen, apart, len(members) ** -0.5)
    chance = np.array([frequency[: 104 - d] @ frequency[d:] for d in range(104)])
    chance[0] = 0.0
    bins = [(1, 2), (2, 3), (3, 4), (4, 6), (6, 8), (8, 11), (11, 15)]
    middle = np.array([(low + high - 1) / 2 for low, high in bins])
    pairs = np.array([seen[low:high].sum() for low, high in bins])
    over_chance = pairs / seen.sum() / np.array([chance[low:high].sum() / chance.sum() for low, high in bins])
    assert (np.diff(over_chance) < 0).all()
    slope = np.polyfit(middle, np.log(over_chance), 1, w=np.sqrt(pairs))[0]
    assert -1 / slope == pytest.approx(DECAY_PLACES, rel=0.1)


def structure_type(crystal: Crystal) -> tuple[tuple, tuple[int, ...]]:
    """Space group with the Wyckoff letters of each element, and the elements in that order."""
    found = symmetry(crystal, 0.1)
    assert found is not None
    letters = defaultdict(str)
    for site in np.unique(found.orbits):
        letters[int(crystal.numbers[site])] += found.wyckoffs[site]
    ordered = sorted(("".join(sorted(of)), z) for z, of in letters.items())
    return (found.number, *(of for of, _ in ordered)), tuple(z for _, z in ordered)
