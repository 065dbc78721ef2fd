"""Tries at random crystals, many at once: each ends as a crystal of the space group asked for, or as a cause.

Least distances stand in for AIRSS's MINSEP by pair of species: they are estimated from radii.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.distances import min_distance_ratios
from gnome_lite.chemistry.oxidation import mean_charges
from gnome_lite.chemistry.radii import covalent_radii_ang, ionic_radii_ang
from gnome_lite.chemistry.shortening import shortened
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.chemistry.volume import volume_from_radii
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.generate.packing import admits, random_assignment
from gnome_lite.generate.random_cells import random_lattices
from gnome_lite.generate.soft_spheres import Spheres, relax
from gnome_lite.generate.wyckoff import SpaceGroup, space_group

NO_ATOMS = "no atoms"
NO_GROUP = "no space group admits it within the size limit"
OVERLAP = "spheres overlap"
TOO_CLOSE = "too close"
HIGHER_SYMMETRY = "higher symmetry than asked"
OTHER_SYMMETRY = "other symmetry than asked"
SURPLUS = "surplus"

SYMPREC_ANG = 0.01
TARGET = 1.1
"""Spheres are relaxed towards this times the least distances, and are done once they keep those."""
MAX_STEPS = 24
PAIRS = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
"""The order in which lattice vectors are shortened by one another."""
CLOSEST_CONTACT = 0.75
"""Shortest distance that is let stand, over the usual one, in a cell of the usual volume."""
MARGIN = 1.001
"""A hair more than the gate asks for, against rounding."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Requirements on random crystals.

    Attributes:
        max_atoms: most atoms in a primitive cell.
        min_distance_ratio: the gate, in sums of covalent radii; least distances by pair are larger than that.
        volume_range: volumes, over the estimate from radii.
        max_tries: tries a composition is given, for each structure asked of it.
    """

    max_atoms: int = 20
    min_distance_ratio: float = 0.6
    volume_range: tuple[float, float] = (0.4, 1.2)
    max_tries: int = 20


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A composition with the space groups open to it.

    Attributes:
        elements: atomic numbers, most atoms first, [k].
        atoms: atoms of each in a formula unit, [k].
        choices: (formula units in a primitive cell, space groups that admit them), at least one.
        volume_ang3: estimated volume of a formula unit.
        usual_ang: usual shortest distances, [k, k].
    """

    elements: NDArray[np.int64]
    atoms: tuple[int, ...]
    choices: tuple[tuple[int, NDArray[np.int64]], ...]
    volume_ang3: float
    usual_ang: NDArray[np.float64]

    @classmethod
    def of(cls, counts: NDArray[np.int64], max_atoms: int) -> Formula | str:
        """Return the formula of atoms by atomic number [MAX_Z + 1], or a cause where no space group is open to it."""
        if not counts.any():
            return NO_ATOMS
        unit = counts // np.gcd.reduce(counts)
        if unit.sum() > max_atoms:
            return NO_GROUP  # one that fits is always admitted by P1
        elements = np.flatnonzero(unit)
        elements = elements[np.argsort(-unit[elements], kind="stable")]
        atoms = unit[elements]
        several = range(1, max_atoms // int(unit.sum()) + 1)
        choices = tuple((units, np.flatnonzero(admits(tuple((units * atoms).tolist())))) for units in several)
        volume = float(volume_from_radii(unit[None])[0])
        return cls(elements, tuple(atoms.tolist()), choices, volume, _usual_distances_ang(unit, elements))


def _usual_distances_ang(counts: NDArray[np.int64], z: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the usual shortest distances between the elements of a composition, Å, [k, k].

    Unlike ions, and atoms of alloys, touch at the sum of covalent radii; ions of the same sign repel, and keep at
    least the sum of their ionic radii too, which matters for anions.

    Args:
        counts: atoms by atomic number, [MAX_Z + 1].
        z: its elements, in any order, [k].
    """
    covalent = np.add.outer(covalent_radii_ang()[z], covalent_radii_ang()[z])
    charges = mean_charges(counts)
    if charges is None:
        return covalent
    ionic = ionic_radii_ang(z, charges[z])
    alike = np.multiply.outer(charges[z], charges[z]) > 0
    return np.where(alike, np.maximum(covalent, np.add.outer(ionic, ionic)), covalent)


@dataclass(frozen=True, slots=True, eq=False)
class Tries:
    """The outcome of m tries.

    Attributes:
        causes: why each gave nothing, "" where it gave a crystal, [m]; SURPLUS where none was needed any more.
        crystals: of those that did, in order, as primitive cells.
        changes: what each of the crystals is, e.g. "Pnma, 2 f.u.".
    """

    causes: NDArray[np.object_]
    crystals: CrystalBatch
    changes: tuple[str, ...]


def try_crystals(
    formulas: Sequence[Formula],
    which: NDArray[np.int64],
    wanted: NDArray[np.int64],
    settings: SearchSettings,
    rng: np.random.Generator,
) -> Tries:
    """Make one try for each index into formulas in `which` [m], as if one by one until there are enough crystals.

    Formula units, space group, Wyckoff positions, volume, lattice and free parameters are drawn in this order, each
    uniformly among what is open; then overlaps are relaxed, and distances and symmetry checked.

    Args:
        formulas: n compositions.
        which: composition of each try.
        wanted: crystals wanted of each composition, [n].
        settings: what they must be like.
        rng: source of randomness.
    """
    m = len(which)
    units, groups, positions, kinds, structure_of_orbit = _draw_sites([formulas[i] for i in which], rng)
    of_orbit = [groups[i] for i in structure_of_orbit]
    factors = rng.uniform(*settings.volume_range, m)
    volumes = factors * units * np.array([formulas[i].volume_ang3 for i in which])
    n_centring = np.array([g.n_centring for g in groups])
    conventional = random_lattices(np.array([g.system for g in groups]), volumes * n_centring, rng)
    _, lattices = shortened(np.array([g.primitive for g in groups]) @ conventional, PAIRS, tie=1e-9)
    matrices, origins, orbit_of_atom = _images(of_orbit, positions)
    structure_of_atom = structure_of_orbit[orbit_of_atom]
    # Primitive vectors are whole multiples of each other's, conventional ones of theirs.
    change_of_cell = np.rint(conventional @ np.linalg.inv(lattices))[structure_of_atom]
    elements, usual = _padded(formulas)
    # Least distances shrink with the cube root of the volume, so that dense cells can be filled at all, but never below
    # the gate's.
    radii = covalent_radii_ang()[elements[which]]
    gate_ang = settings.min_distance_ratio * MARGIN * (radii[:, :, None] + radii[:, None, :])
    least = np.maximum(CLOSEST_CONTACT * np.cbrt(factors)[:, None, None] * usual[which], gate_ang)
    spheres = Spheres(
        lattices,
        structure_of_orbit,
        orbit_of_atom,
        kinds,
        np.swapaxes(change_of_cell, 1, 2) @ matrices,
        np.einsum("ai,aij->aj", origins, change_of_cell),
        rng.random((len(positions), 3)),
        TARGET * least,
    )
    relaxed = relax(spheres, 1.0 - 1.0 / TARGET, MAX_STEPS)
    spheres = replace(spheres, parameters=relaxed.parameters)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(structure_of_atom, minlength=m))])
    numbers = elements[which[structure_of_atom], kinds[orbit_of_atom]]
    batch = CrystalBatch(numbers, spheres.frac_coords % 1.0, lattices, offsets)
    causes = np.where(relaxed.overlap > 1.0 - 1.0 / TARGET, OVERLAP, "").astype(object)
    left = np.flatnonzero(causes == "")
    ratios = min_distance_ratios(batch.take(left), settings.min_distance_ratio)
    causes[left[np.isfinite(ratios)]] = TOO_CLOSE
    missing = wanted.copy()
    for i, formula in enumerate(which.tolist()):
        if missing[formula] == 0:
            causes[i] = SURPLUS
        elif causes[i] == "":
            causes[i] = _wrong_symmetry(batch[i], groups[i])
            missing[formula] -= causes[i] == ""
    good = np.flatnonzero(causes == "")
    return Tries(causes, batch.take(good), tuple(f"{groups[i].symbol}, {units[i]} f.u." for i in good))


def _draw_sites(
    formulas: Sequence[Formula], rng: np.random.Generator
) -> tuple[NDArray[np.int64], list[SpaceGroup], list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Draw formula units [m] and space group [m] of each formula; and position, element and structure of each orbit."""
    units, groups = [], []
    positions: list[int] = []
    kinds: list[int] = []
    structures: list[int] = []
    for structure, (formula, draws) in enumerate(zip(formulas, rng.random((len(formulas), 2)).tolist(), strict=True)):
        n, admitting = formula.choices[int(draws[0] * len(formula.choices))]
        number = int(admitting[int(draws[1] * len(admitting))])
        sites = random_assignment(tuple(n * a for a in formula.atoms), number, rng)
        units.append(n)
        groups.append(space_group(number))
        positions += [position for position, _ in sites]
        kinds += [kind for _, kind in sites]
        structures += [structure] * len(sites)
    return np.array(units), groups, positions, np.array(kinds), np.array(structures)


def _images(
    groups: Sequence[SpaceGroup], positions: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return matrices [n_atoms, 3, 3], origins [n_atoms, 3] and orbit [n_atoms] of all atoms of a primitive cell.

    Args:
        groups: space group of each orbit.
        positions: its Wyckoff position's place in the group.
    """
    matrices, origins, sizes = [], [], []
    for group, index in zip(groups, positions, strict=True):
        position = group.positions[index]
        n = position.site.multiplicity // group.n_centring
        matrices.append(position.matrices[:n])
        origins.append(position.origins[:n])
        sizes.append(n)
    return np.concatenate(matrices), np.concatenate(origins), np.repeat(np.arange(len(sizes)), sizes)


def _padded(formulas: Sequence[Formula]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return elements [n, K] and usual distances [n, K, K] of formulas of at most K elements, padded with zeros."""
    width = max(len(f.elements) for f in formulas)
    elements = np.zeros((len(formulas), width), dtype=np.int64)
    usual = np.zeros((len(formulas), width, width))
    for row, f in enumerate(formulas):
        k = len(f.elements)
        elements[row, :k], usual[row, :k, :k] = f.elements, f.usual_ang
    return elements, usual


def _wrong_symmetry(crystal: Crystal, group: SpaceGroup) -> str:
    """Return "" where a crystal has just the space group it was made in, and a primitive cell; else the cause."""
    found = symmetry(crystal, SYMPREC_ANG)
    n_operations = group.positions[-1].site.multiplicity // group.n_centring
    if found is not None and len(found.operations) > n_operations:
        return HIGHER_SYMMETRY
    return "" if found is not None and found.number == group.number else OTHER_SYMMETRY
