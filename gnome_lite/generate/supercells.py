"""Superlattices that symmetry does not make equal, and the supercells they give.

A superlattice of index n is an integer matrix H of determinant n, its rows in units of the parent's lattice vectors.
Each has one Hermite normal form; those that a rotation of the parent's *space group* turns into one another give
the same derivative structures (Hart & Forcade, Phys. Rev. B 77, 224115 (2008), doi 10.1103/PhysRevB.77.224115).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.shortening import shortened
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal, CrystalBatch

PAIRS = ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1))
"""The order in which a supercell's vectors are shortened by one another."""


@dataclass(frozen=True, slots=True, eq=False)
class SiteSymmetry:
    """The action of the g operations of a space group, one of each rotation, on the s sites of a primitive cell.

    Attributes:
        rotations: of fractional coordinates, x -> W x + w, int64 [g, 3, 3].
        images: the site that each site is taken to, int64 [g, s].
        shifts: the cell in which that image lies, int64 [g, s, 3].
    """

    rotations: NDArray[np.int64]
    images: NDArray[np.int64]
    shifts: NDArray[np.int64]

    @classmethod
    def of(cls, crystal: Crystal, symprec_ang: float) -> SiteSymmetry | None:
        """Return the symmetry of a primitive cell; None where none is found that maps its sites one to one."""
        found = symmetry(crystal, symprec_ang)
        if found is None:
            return None
        rotations = np.array(found.operations.rotations, dtype=np.int64)
        if len(rotations) != len(np.unique(rotations, axis=0)):
            return None  # two operations of one rotation: the cell is not primitive
        frac = crystal.frac_coords
        moved = np.einsum("gij,sj->gsi", rotations, frac) + np.array(found.operations.translations)[:, None]
        delta = moved[:, :, None] - frac
        away = np.linalg.norm((delta - np.rint(delta)) @ crystal.lattice, axis=-1)
        away[:, crystal.numbers[:, None] != crystal.numbers] = np.inf
        images = away.argmin(axis=2)
        nearest = np.take_along_axis(away, images[..., None], axis=2)
        one_to_one = (np.sort(images, axis=1) == np.arange(len(crystal))).all()
        if not (one_to_one and (nearest <= 3 * symprec_ang).all()):
            return None
        return cls(rotations, images, np.rint(moved - frac[images]).astype(np.int64))

    def keeping(self, labels: NDArray[np.int64]) -> SiteSymmetry:
        """Return the operations that take every site to one of the same label, [s]."""
        keep = (labels[self.images] == labels).all(axis=1)
        return SiteSymmetry(self.rotations[keep], self.images[keep], self.shifts[keep])


@lru_cache(maxsize=64)
def hermite_normal_forms(index: int) -> NDArray[np.int64]:
    """Return all sublattices of an index: upper triangular, 0 <= h[i, j] < h[j, j] for i < j, int64 [m, 3, 3]."""
    forms = [
        ((a, b, c), (0, d, e), (0, 0, f))
        for a in range(1, index + 1)
        for d in range(1, index // a + 1)
        if index % (a * d) == 0
        for f in (index // (a * d),)
        for b in range(d)
        for c in range(f)
        for e in range(f)
    ]
    return np.array(forms, dtype=np.int64)


def inequivalent(forms: NDArray[np.int64], rotations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first of each class of superlattices under rotations [g, 3, 3] of fractions, [c, 3, 3]."""
    left = np.ones(len(forms), dtype=bool)
    kept = []
    for i, form in enumerate(forms):
        if left[i]:
            kept.append(i)
            left &= ~_same_lattice(form @ rotations.transpose(0, 2, 1), forms).any(axis=0)
    return forms[kept]


def site_permutations(sites: SiteSymmetry, form: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how the space group permutes the sites of a supercell: site s in cell t (see `cells`) is s * n + t.

    Returns:
        All operations that keep the superlattice, times the translations inside it, as permutations, int64
        [G, s * n] (site -> image), and the n - 1 translations other than none alone, int64 [n - 1, s * n].
    """
    keeps = _same_lattice(form @ sites.rotations.transpose(0, 2, 1), form[None])[:, 0]
    inside = cells(form[None])[0]
    n = len(inside)
    moved = np.einsum("gij,tj->gti", sites.rotations[keeps], inside)[:, None] + sites.shifts[keeps][:, :, None]
    images = sites.images[keeps][:, None, :, None] * n + _cell_index(moved[:, None] + inside[:, None, None], form)
    still = np.arange(sites.images.shape[1])[:, None] * n
    translated = still + _cell_index(inside[1:, None, None] + inside, form)
    width = sites.images.shape[1] * n
    return images.reshape(-1, width), translated.reshape(n - 1, width)


def supercells(crystal: Crystal, forms: NDArray[np.int64]) -> tuple[CrystalBatch, NDArray[np.int64]]:
    """Return the supercells of some superlattices of one index, [c, 3, 3], with short lattice vectors.

    Returns:
        c crystals whose sites are in the order of `site_permutations`, and the primitive site that each site of
        any of them repeats, int64 [n_atoms].
    """
    inside = cells(forms)
    shears, _ = shortened(forms @ crystal.lattice, PAIRS, tie=1e-6)
    frac = (crystal.frac_coords[:, None] + inside[:, None]) @ np.linalg.inv(shears @ forms)[:, None]
    c, s, n, _ = frac.shape
    batch = CrystalBatch(
        np.tile(np.repeat(crystal.numbers, n), c),
        (frac - np.floor(frac + 1e-9)).reshape(-1, 3),
        shears @ forms @ crystal.lattice,
        np.arange(c + 1) * s * n,
    )
    return batch, np.repeat(np.arange(s), n)


def cells(forms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the n parent cells inside each supercell of index n, as lattice vectors, zero first, int64 [c, n, 3]."""
    first, second, third = forms[:, [0, 1, 2], [0, 1, 2]].T[:, :, None]
    n = int((first * second * third)[0, 0])
    count = np.arange(n)[None]
    return np.stack([count // (second * third), count // third % second, count % third], axis=-1)


def _cell_index(vectors: NDArray[np.int64], form: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of `cells` each lattice vector [..., 3] is modulo the superlattice, [...]."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    turns = x // form[0, 0]
    x, y, z = x - turns * form[0, 0], y - turns * form[0, 1], z - turns * form[0, 2]
    turns = y // form[1, 1]
    y, z = y - turns * form[1, 1], z - turns * form[1, 2]
    return np.asarray((x * form[1, 1] + y) * form[2, 2] + z % form[2, 2])


def _same_lattice(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each of a [m, 3, 3] spans the same lattice as each of b [k, 3, 3], of one determinant, [m, k]."""
    index = np.rint(np.abs(np.linalg.det(b[0]))).astype(np.int64)
    adjugates = np.rint(np.linalg.inv(b) * index).astype(np.int64)
    return np.asarray((a[:, None] @ adjugates % index == 0).all(axis=(-2, -1)))
