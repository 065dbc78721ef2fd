"""The space group of a crystal as linear maps: what a relaxation that keeps it projects its gradient with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal

SYMPREC_ANG = 0.01
"""Deviations from a symmetry that are taken for rounding, Å."""

_ROOT2 = np.sqrt(2.0)
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """x -> R x + t in fractional coordinates.

    Attributes:
        image: the atom on which each atom falls, [n_atoms].
        shift: lattice translations from there to where it falls, [n_atoms, 3].
    """

    rotation: NDArray[np.int64]
    translation: NDArray[np.float64]
    image: NDArray[np.int64]
    shift: NDArray[np.float64]


def operations_of(crystal: Crystal) -> list[Operation] | None:
    """All operations, pure translations of a supercell included; None where no symmetry can be found."""
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
    """The crystal with its symmetry made exact: mean metric, mean positions."""
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
    """Onto the moves of atoms (Å) and the strains (Mandel's order) that keep every operation,
    [3 * n_atoms + 6, 3 * n_atoms + 6].

    Args:
        crystal: with exact symmetry.
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
            total[-6:, 3 * n_atoms + k] += _mandel(turn.T @ _matrix(unit) @ turn)
    return total / len(operations)


def _matrix(mandel: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.zeros((3, 3))
    for (i, j), value in zip(_VOIGT, mandel, strict=True):
        matrix[i, j] = matrix[j, i] = value if i == j else value / _ROOT2
    return matrix


def _mandel(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([matrix[i, j] * (1.0 if i == j else _ROOT2) for i, j in _VOIGT])
