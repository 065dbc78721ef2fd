"""Objections to a crystal: pseudosymmetry, leftover molecules, more anion than its cations can bind.

After the criticism of Cheetham & Seshadri, Chem. Mater. 36, 3490 (2024), doi 10.1021/acs.chemmater.4c00643. Each is a
flag to look at, not a verdict: real crystals are distorted, too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.balance import charge_balanced
from gnome_lite.chemistry.charge_grid import ANIONS
from gnome_lite.chemistry.radii import covalent_radii_ang
from gnome_lite.chemistry.states import electronegativities, states
from gnome_lite.chemistry.symmetry import primitive, symmetrised, symmetry
from gnome_lite.core.crystals import Crystal, atomic_number, symbol
from gnome_lite.novelty.fingerprint import SYMPREC_ANG, at_reference_volume

if TYPE_CHECKING:
    from moyopy import MoyoDataset

LOOSE_SYMPREC_ANG = 0.3
"""At 15 Å^3 an atom: about a tenth of a bond. Few real crystals rise in symmetry between 0.1 and 0.3 Å; beyond, more
and more ferroelectrics and tilted perovskites would."""
BOND_FACTOR = 1.15
"""A molecule is taken for one up to this times its bond length in the gas."""
MOLECULES_ANG = {"H": 0.741, "N": 1.098, "O": 1.208, "F": 1.412, "Cl": 1.988, "Br": 2.281, "I": 2.666}
"""Bond lengths of the diatomic molecules (K. P. Huber & G. Herzberg, Constants of Diatomic Molecules (1979))."""
IONS_ANG = {"N": 1.22, "O": 1.33}
"""N-N in diazenides (BaN2), O-O in superoxides (KO2): real anions. The limit lies midway between molecule and ion."""
BONDED = 1.25
"""Two non-metal atoms closer than this times the sum of their covalent radii are bonded."""


def flags(crystal: Crystal) -> tuple[str, ...]:
    """Return the objections to a crystal, in a few words each."""
    return tuple(f for f in (pseudosymmetry(crystal), *leftover_molecules(crystal), excess_anion(crystal)) if f)


def pseudosymmetry(crystal: Crystal) -> str:
    """Return, e.g., "pseudosymmetry: Pnma is Pm-3m at 0.3 Å"; "" where a loose tolerance finds no higher symmetry."""
    from pymatgen.symmetry.groups import sg_symbol_from_int_number

    scaled = at_reference_volume(crystal)
    if scaled is None:
        return ""
    ideal = symmetrised(scaled, LOOSE_SYMPREC_ANG)
    tight, loose = symmetry(scaled, SYMPREC_ANG), None if ideal is None else symmetry(ideal, SYMPREC_ANG)
    if tight is None or loose is None:
        return ""
    if symmetry_per_atom(loose) <= symmetry_per_atom(tight) * (1 + 1e-9):
        return ""
    names = [sg_symbol_from_int_number(found.number) for found in (tight, loose)]
    return f"pseudosymmetry: {names[0]} is {names[1]} at {LOOSE_SYMPREC_ANG:g} Å"


def symmetry_per_atom(found: MoyoDataset | None) -> float:
    """Return symmetry operations of the primitive cell over its atoms, 0 where no symmetry can be found.

    The ratio grows with point symmetry and with translations, whatever the cell.
    """
    if found is None:
        return 0.0
    cell = primitive(found)
    within = symmetry(cell, SYMPREC_ANG)
    return len(within.operations) / len(cell) if within is not None else 0.0


def leftover_molecules(crystal: Crystal) -> tuple[str, ...]:
    """Return, e.g., "O2 dimer at 1.21 Å", of each molecule the shortest; () where there is none.

    A dimer is two atoms of one element at the molecule's distance that no other non-metal is bonded to. The anions of
    peroxides, superoxides and diazenides are longer; atoms of azides and polyhalides have more neighbours. Elements,
    whose crystals may be molecular, have none.
    """
    if len(np.unique(crystal.numbers)) < 2:
        return ()
    i, j, d = _bonds(crystal)
    alone = np.bincount(i, minlength=len(crystal)) == 1
    a, b = crystal.numbers[i], crystal.numbers[j]
    found = (a == b) & alone[i] & alone[j] & (d < _molecule_limits()[a])
    shortest = {int(z): d[found & (a == z)].min() for z in np.unique(a[found])}
    return tuple(f"{symbol(z)}2 dimer at {length:.2f} Å" for z, length in sorted(shortest.items()))


def excess_anion(crystal: Crystal) -> str:
    """Return, e.g., "more Cl than its cations can bind"; "" where charges balance or anions share electrons.

    The most electronegative element is in excess if, in its usual state, it takes more electrons than all others can
    give in their highest common states.
    """
    counts = crystal.counts
    elements = np.flatnonzero(counts)
    anion = int(elements[np.argmax(electronegativities()[elements])])
    if symbol(anion) not in ANIONS or len(elements) < 2 or charge_balanced(counts[None])[0]:
        return ""
    usual = max((s for s in states()[anion] if s.charge < 0), key=lambda s: s.share, default=None)
    if usual is None:
        return ""
    given = sum(
        int(counts[z]) * max((s.charge for s in states()[z] if s.common and s.charge > 0), default=0)
        for z in elements
        if z != anion
    )
    if given >= -usual.charge * int(counts[anion]):
        return ""
    i, j, _ = _bonds(crystal)
    shared = ((crystal.numbers[i] == anion) & (crystal.numbers[j] == anion)).any()
    return "" if shared else f"more {symbol(anion)} than its cations can bind"


def _bonds(crystal: Crystal) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return bonds between non-metals, each from both ends: atom, atom, length in Å; none in what is no crystal."""
    from vesin import NeighborList

    nothing = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    nonmetal = np.isin(crystal.numbers, [atomic_number(e) for e in ANIONS])
    if not nonmetal.any() or at_reference_volume(crystal) is None:
        return nothing
    radii, limits = covalent_radii_ang(), _molecule_limits()
    largest = radii[crystal.numbers[nonmetal]].max()
    cutoff = max(2 * BONDED * largest, float(limits[crystal.numbers].max()))
    i, j, d = NeighborList(cutoff=cutoff, full_list=True).compute(
        points=crystal.cart_coords, box=crystal.lattice, periodic=True, quantities="ijd"
    )
    i, j = i.astype(np.int64), j.astype(np.int64)
    a, b = crystal.numbers[i], crystal.numbers[j]
    near = d < np.maximum(BONDED * (radii[a] + radii[b]), np.where(a == b, limits[a], 0.0))
    keep = nonmetal[i] & nonmetal[j] & near
    return i[keep], j[keep], d[keep]


@lru_cache(maxsize=1)
def _molecule_limits() -> NDArray[np.float64]:
    """Return the longest distance of two atoms taken for their element's molecule, Å, [MAX_Z + 1] (0 = none)."""
    limits = np.zeros(len(covalent_radii_ang()))
    for element, length in MOLECULES_ANG.items():
        ion = IONS_ANG.get(element)
        limits[atomic_number(element)] = BOND_FACTOR * length if ion is None else (length + ion) / 2
    return limits
