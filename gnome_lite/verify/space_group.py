"""The space group of a crystal as linear maps, by which a relaxation that keeps it projects its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal

SYMPREC_ANG = 0.01
"""Largest deviation from a symmetry that is taken for rounding, Å."""

_WEIGHTS = np.sqrt([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """x -> R x + t in fractional coordinates.

    Attributes:
        image: atom on which each atom is mapped, [n_atoms].
        shift: lattice translations from there to the mapped position, [n_atoms, 3].
    """

    rotation: NDArray[np.int64]
    translation: NDArray[np.float64]
    image: NDArray[np.int64]
    shift: NDArray[np.float64]


def operations_of(crystal: Crystal) -> list[Operation] | None:
    """Return all operations, pure translations of a supercell included; None where no symmetry can be found."""
    dataset = symmetry(crystal, SYMPREC_ANG)
    if dataset is None:
        return None
    found = []
    for rotation, translation in zip(dataset.operations.rotations, dataset.operations.translations, strict=True):
        r, t = np.array(rotation), np.array(translation)
        moved = crystal.frac_coords @ r.T + t
        apart = moved[:, None] - crystal.frac_coords[None]
        distance = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=2)
        distance[crystal.numbers[:, None] != crystal.numbers[None]] = np.inf
        image = distance.argmin(axis=1)
        if len(set(image.tolist())) < len(crystal):
            return None
        found.append(Operation(r, t, image, np.round(apart[np.arange(len(crystal)), image])))
    return found


def symmetrised(crystal: Crystal, operations: list[Operation]) -> Crystal:
    """Return the crystal with its symmetry made exact: mean metric, mean positions."""
    metric = crystal.lattice @ crystal.lattice.T
    mean = np.mean([o.rotation.T @ metric @ o.rotation for o in operations], axis=0)
    inverse = np.linalg.inv(crystal.lattice)
    # The symmetric F of lattice L F with the mean metric: no rotation comes in.
    squares, axes = np.linalg.eigh(inverse @ mean @ inverse.T)
    lattice = crystal.lattice @ (axes * np.sqrt(squares)) @ axes.T
    frac_coords = np.zeros_like(crystal.frac_coords)
    for o in operations:
        frac_coords[o.image] += crystal.frac_coords @ o.rotation.T + o.translation - o.shift
    return Crystal(crystal.numbers, frac_coords / len(operations), lattice)


def projector(crystal: Crystal, operations: list[Operation]) -> NDArray[np.float64]:
    """Return the projector onto the moves of atoms (Å) and strains (Mandel's notation) that keep every operation.

    Args:
        crystal: crystal of n_atoms with exact symmetry.
        operations: its operations.

    Returns:
        Matrix, [3 * n_atoms + 6, 3 * n_atoms + 6].
    """
    n_atoms = len(crystal)
    inverse = np.linalg.inv(crystal.lattice)
    total = np.zeros((3 * n_atoms + 6, 3 * n_atoms + 6))
    for o in operations:
        # On row vectors: r -> r turn.
        turn = inverse @ o.rotation.T @ crystal.lattice
        for atom, image in enumerate(o.image):
            total[3 * image : 3 * image + 3, 3 * atom : 3 * atom + 3] += turn.T
        for k, unit in enumerate(np.eye(6)):
            total[-6:, 3 * n_atoms + k] += to_mandel(turn.T @ from_mandel(unit) @ turn)
    return total / len(operations)


def from_mandel(mandel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric matrix [3, 3] of a vector in Mandel's notation, [6]."""
    xx, yy, zz, yz, xz, xy = mandel / _WEIGHTS
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def to_mandel(s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a symmetric matrix [3, 3] in Mandel's notation, [6]: lengths are kept."""
    return np.array([s[0, 0], s[1, 1], s[2, 2], s[1, 2], s[0, 2], s[0, 1]]) * _WEIGHTS
