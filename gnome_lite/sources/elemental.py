"""Starting crystals of the pure elements, Z = 1..83 with Th and U: relaxed, the lowest is the elemental reference.

Each element brings its reported ground state (ASE's reference states, which follow Ashcroft & Mermin; the AFLOW
elemental prototypes, doi 10.1016/j.commatsci.2017.01.017) and, for a metal, the close-packed and bcc alternatives at
the same volume: a hull needs the *surrogate's* lowest phase, which is not always nature's.

H2, N2, O2, F2 and Cl2 stand as molecular crystals. CHGNet 0.3.0 does run on a molecule in a box, but binds H2, N2,
O2 and Cl2 into crystals, so that only the crystal is its lowest state (relaxed, eV/atom):

    element   crystal   8 Å box   Materials Project
    H         -3.356    -3.334    -3.393
    N         -8.353    -8.335    -8.336
    O         -4.911    -4.819    -4.947
    F         -1.903    -2.023    -1.911
    Cl        -1.898    -1.848    -1.849

F2 is the exception: dilute F2 falls 0.12 eV/atom below its dense crystals, which are local minima. The training set
holds no dilute phases, and the crystal is within 10 meV/atom of the value its fluorides were fitted against, so the
crystal is the reference. Hence a fluoride that relaxes to free F2 looks too stable: gate leftover molecules.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gnome_lite.core.crystals import Crystal, atomic_number, symbol
from gnome_lite.sources.aflow import library, primitive

ELEMENTS = (*range(1, 84), 90, 92)
"""Atomic numbers of all elements that have a reference."""

NOBLE_GASES = ("He", "Ne", "Ar", "Kr", "Xe")
NON_METALS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Br", "Sb", "Te", "I", "Bi")
"""Directional bonds: dense packings lie far above their ground states."""
LANTHANIDES = range(57, 72)

FROM_AFLOW = {
    "B": ("A_hR12_166_2h",),
    "C": ("A_hP4_194_bc", "A_hR2_166_c"),
    "N": ("A_cP8_205_c", "A_tP4_136_f"),
    "O": ("A_mC4_12_i", "A_hR2_166_c"),
    "P": ("A_oC8_64_f",),
    "S": ("A_oF128_70_4h",),
    "Mn": ("A_cI58_217_ac2g", "A_cP20_213_cd"),
    "Ga": ("A_oC8_64_f",),
    "Se": ("A_hP3_152_a",),
    "I": ("A_oC8_64_f",),
    "U": ("A_oC4_63_c",),
}
"""AFLOW labels of an element's own reported crystals (those at ambient pressure that are small enough)."""

TRANSFERRED = {
    "Te": ("Se", "A_hP3_152_a", 33.9),
    "P": ("As", "A_hR2_166_c", 19.0),
    "S": ("Se", "A_hP3_152_a", 25.0),
    "Sn": ("C", "A_cF8_227_a", 34.2),
}
"""Element: (donor, the donor's AFLOW label, volume of the new crystal, Å^3/atom)."""

LATTICES = {"Pm": ("hcp", 3.65, 1.612), "He": ("hcp", 3.57, 1.633)}
"""Structure, a (Å) and c/a where ASE has none that can be built."""


class ElementalCandidate(NamedTuple):
    """A starting crystal of a pure element; `label` says which structure, e.g. "hcp" or "A_oC8_64_f"."""

    symbol: str
    label: str
    crystal: Crystal


def elemental_candidates() -> list[ElementalCandidate]:
    """Return one to six starting crystals (<= 32 atoms, primitive) of each of `ELEMENTS`, by atomic number."""
    return [
        ElementalCandidate(symbol(z), label, primitive(crystal))
        for z in ELEMENTS
        for label, crystal in _crystals_of(z).items()
    ]


def _crystals_of(z: int) -> dict[str, Crystal]:
    element = symbol(z)
    made = _reference_state(element) | {label: _aflow(element, label) for label in FROM_AFLOW.get(element, ())}
    if element in TRANSFERRED:
        donor, label, volume = TRANSFERRED[element]
        made[label] = _as(element, _aflow(donor, label), volume)
    made |= _molecular(element)
    if element not in NON_METALS:
        first = next(iter(made.values()))
        volume = first.volume / len(first)
        for kind in ("fcc", "hcp") if element in NOBLE_GASES else ("fcc", "bcc", "hcp"):
            made.setdefault(kind, _packing(element, kind, volume))
        if z in LANTHANIDES or element == "Y":
            made["dhcp"] = _as(element, _aflow("La", "A_hP4_194_ac"), volume)
        if (z in LANTHANIDES and element != "Sm") or element in ("Y", "Li", "Na"):
            made["Sm-type"] = _as(element, _aflow("Sm", "A_hR3_166_ac"), volume)
    return made


def _reference_state(element: str) -> dict[str, Crystal]:
    """Return ASE's reference state where ASE can build it."""
    from ase.build import bulk
    from ase.data import reference_states

    if element in LATTICES:
        kind, a, ratio = LATTICES[element]
        return {kind: Crystal.from_ase(bulk(element, kind, a=a, covera=ratio))}
    kind = str((reference_states[atomic_number(element)] or {"symmetry": ""})["symmetry"])
    if kind not in ("fcc", "bcc", "hcp", "diamond", "bct", "rhombohedral") or element in ("Se", "Te"):
        return {}
    return {kind: Crystal.from_ase(bulk(element))}


def _packing(element: str, kind: str, volume: float) -> Crystal:
    """Return a close-packed or bcc crystal of a volume, Å^3/atom."""
    from ase.build import bulk

    a = {"fcc": (4 * volume) ** (1 / 3), "bcc": (2 * volume) ** (1 / 3), "hcp": (volume * 2**0.5) ** (1 / 3)}[kind]
    return Crystal.from_ase(bulk(element, kind, a=a))


def _aflow(element: str, label: str) -> Crystal:
    return next(p.crystal for p in library() if p.aflow == label and p.crystal.reduced_formula.rstrip("2") == element)


def _as(element: str, donor: Crystal, volume: float) -> Crystal:
    """Return the donor's crystal made of another element, at a volume, Å^3/atom."""
    linear = (volume * len(donor) / donor.volume) ** (1 / 3)
    return Crystal.make(np.full(len(donor), atomic_number(element)), donor.frac_coords, donor.lattice * linear)


def _molecular(element: str) -> dict[str, Crystal]:
    """Return molecular crystals at their measured low-temperature cells and bond lengths, Å."""
    match element:
        case "H":
            return {"Pa-3": _pa3("H", 5.31, 0.74), "P6_3/mmc": _upright_hcp("H", 3.78, 6.17, 0.74)}
        case "F":
            return {
                "C2/m": _with_bond(_as("F", _aflow("O", "A_mC4_12_i"), 16.0), 1.42),
                "Cmce": _cmce("F", 5.0, 3.6, 6.7, 0.117, 0.087),
                "Pa-3": _pa3("F", 5.04, 1.42),
            }
        case "Cl":
            return {"Cmce": _cmce("Cl", 6.24, 4.48, 8.26, 0.117, 0.101)}
        case "Br":
            return {"Cmce": _cmce("Br", 6.67, 4.48, 8.72, 0.135, 0.110)}
    return {}


def _pa3(element: str, a: float, bond: float) -> Crystal:
    """Return four molecules on an fcc lattice, each along another body diagonal (α-N2), space group 205."""
    x = bond / (2 * 3**0.5 * a)
    half = np.array([[x, x, x], [0.5 - x, -x, 0.5 + x], [-x, 0.5 + x, 0.5 - x], [0.5 + x, 0.5 - x, -x]])
    return _of(element, np.concatenate([half, -half]), np.eye(3) * a)


def _upright_hcp(element: str, a: float, c: float, bond: float) -> Crystal:
    """Return two molecules along c on an hcp lattice, space group 194."""
    z = bond / (2 * c)
    cell = np.array([[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]])
    at = [[1 / 3, 2 / 3, 0.25 - z], [1 / 3, 2 / 3, 0.25 + z], [2 / 3, 1 / 3, 0.75 - z], [2 / 3, 1 / 3, 0.75 + z]]
    return _of(element, np.array(at), cell)


def _cmce(element: str, a: float, b: float, c: float, y: float, z: float) -> Crystal:
    """Return the halogens' crystal, space group 64, atoms on 8f (0, y, z)."""
    half = np.array([[0, y, z], [0, -y, -z], [0, 0.5 - y, 0.5 + z], [0, 0.5 + y, 0.5 - z]])
    return _of(element, np.concatenate([half, half + np.array([0.5, 0.5, 0])]), np.diag([a, b, c]))


def _with_bond(crystal: Crystal, bond: float) -> Crystal:
    """Return a crystal of one diatomic molecule with its bond stretched about the middle to a length, Å."""
    between = crystal.frac_coords[1] - crystal.frac_coords[0]
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    images = between - np.round(between) + shifts
    lengths = np.linalg.norm(images @ crystal.lattice, axis=1)
    shortest = int(np.argmin(lengths))
    half = images[shortest] * bond / lengths[shortest] / 2
    middle = crystal.frac_coords[0] + images[shortest] / 2
    return Crystal.make(crystal.numbers, np.array([middle - half, middle + half]), crystal.lattice)


def _of(element: str, frac_coords: np.ndarray, lattice: np.ndarray) -> Crystal:
    return Crystal.make(np.full(len(frac_coords), atomic_number(element)), frac_coords % 1.0, lattice)
