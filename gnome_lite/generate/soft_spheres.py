"""Overlapping spheres pushed apart inside fixed cells: many structures at once, each in its own space group.

The energy of a structure is, over all pairs of atoms and images closer than the diameter D of the pair,

    E = sum (1 - d / D)^2        per cell,

the soft-sphere potential of granular matter (O'Hern et al., Phys. Rev. E 68, 011306 (2003)). Only the free parameters
of Wyckoff positions move, so symmetry is kept exactly; forces are needed on one atom of each orbit only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.distances import cells_in_box, neighbour_cells

CHUNK_DISTANCES = 2_000_000
"""Distances worked out at once (about 50 MB)."""
MAX_STEP_ANG = 0.3
DROP_EVERY = 4
"""Structures that have left are dropped from the arrays every so many steps."""
HOPELESS_AFTER = 12
HOPELESS_OVERLAP = 0.25
"""An overlap still as large after as many steps hardly ever goes away later."""


@dataclass(frozen=True, slots=True, eq=False)
class Spheres:
    """n structures with n_orbits orbits of n_atoms atoms in all; those of a structure, or orbit, lie together.

    Atom a lies at the fractions matrices[a] @ parameters[orbit_of_atom[a]] + origins[a].

    Attributes:
        lattices: cells, rows in Å, [n, 3, 3].
        structure_of_orbit: [n_orbits], ascending.
        orbit_of_atom: [n_atoms], ascending; the first atom of an orbit stands for it.
        kind_of_orbit: which row of its structure's diameters it takes, [n_orbits].
        matrices: [n_atoms, 3, 3].
        origins: [n_atoms, 3].
        parameters: free parameters of the orbits, [n_orbits, 3].
        diameters: Å, [n, k, k], symmetric.
    """

    lattices: NDArray[np.float64]
    structure_of_orbit: NDArray[np.int64]
    orbit_of_atom: NDArray[np.int64]
    kind_of_orbit: NDArray[np.int64]
    matrices: NDArray[np.float64]
    origins: NDArray[np.float64]
    parameters: NDArray[np.float64]
    diameters: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.lattices)

    @property
    def frac_coords(self) -> NDArray[np.float64]:
        """Fractional coordinates of all atoms, not wrapped, [n_atoms, 3]."""
        return np.einsum("aij,aj->ai", self.matrices, self.parameters[self.orbit_of_atom]) + self.origins

    @property
    def structure_of_atom(self) -> NDArray[np.int64]:
        return self.structure_of_orbit[self.orbit_of_atom]

    def take(self, mask: NDArray[np.bool_]) -> Spheres:
        """Return the structures where a mask [n] is true."""
        orbits = mask[self.structure_of_orbit]
        atoms = orbits[self.orbit_of_atom]
        return Spheres(
            self.lattices[mask],
            (np.cumsum(mask) - 1)[self.structure_of_orbit[orbits]],
            (np.cumsum(orbits) - 1)[self.orbit_of_atom[atoms]],
            self.kind_of_orbit[orbits],
            self.matrices[atoms],
            self.origins[atoms],
            self.parameters[orbits],
            self.diameters[mask],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """The outcome of relaxing n structures.

    Attributes:
        parameters: of the orbits, [n_orbits, 3].
        overlap: largest 1 - d / D of each structure when it left, [n] (0 where nothing touches).
        steps: steps taken, [n].
    """

    parameters: NDArray[np.float64]
    overlap: NDArray[np.float64]
    steps: NDArray[np.int64]


def relax(spheres: Spheres, tolerance: float, max_steps: int) -> Relaxed:
    """Push overlapping spheres apart, by gradient descent with steps of Barzilai & Borwein (IMA J. Numer. Anal. 1988).

    All structures advance together; one leaves when no overlap exceeds the tolerance, when it is hopeless (an overlap
    that no parameter changes, or one still large after some steps), or after `max_steps`.

    Args:
        spheres: n structures.
        tolerance: largest 1 - d / D that is good enough.
        max_steps: most steps a structure is given.
    """
    n = len(spheres)
    result = Relaxed(spheres.parameters.copy(), np.zeros(n), np.zeros(n, dtype=np.int64))
    structures, orbits = np.arange(n), np.arange(len(spheres.parameters))
    now, descent = _Contacts.of(spheres), _Descent.start(spheres)
    running = np.ones(n, dtype=bool)
    for step in range(max_steps + 1):
        force, overlap, rigid = now.forces(spheres.parameters)
        live = structures[running]
        result.overlap[live], result.steps[live] = overlap[running], step
        kept = orbits[running[spheres.structure_of_orbit]]
        result.parameters[kept] = spheres.parameters[running[spheres.structure_of_orbit]]
        running &= (overlap > tolerance) & (rigid <= tolerance)
        if step >= HOPELESS_AFTER:
            running &= overlap < HOPELESS_OVERLAP
        if not running.any():
            break
        spheres, descent = descent.step(spheres, force, running)
        if step % DROP_EVERY == 0:
            orbits = orbits[running[spheres.structure_of_orbit]]
            structures = structures[running]
            spheres, descent = spheres.take(running), descent.take(running[spheres.structure_of_orbit], running)
            now, running = _Contacts.of(spheres), np.ones(len(spheres), dtype=bool)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Overlaps:
    """p pairs of the first atom of an orbit and another atom, or image, that overlap.

    Attributes:
        first: the first atom, [p].
        vector: from it to the other, Å, [p, 3].
        diameter: Å, [p].
        overlap: 1 - d / D, [p].
        rigid: whether no parameter changes their distance, [p].
    """

    first: NDArray[np.int64]
    vector: NDArray[np.float64]
    diameter: NDArray[np.float64]
    overlap: NDArray[np.float64]
    rigid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """p pairs of atoms with the s cells around that an image may lie in.

    Attributes:
        first: first atom of an orbit, [p].
        second: any atom of its structure, [p].
        cells: [s, 3], whole numbers.
        limit: squared diameter less the squared length of each cell vector, Å^2, [p, s]; -inf where the image is
            the atom itself.
        diameter: Å, [p].
        rigid: whether no parameter changes their distance, [p].
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    cells: NDArray[np.float64]
    limit: NDArray[np.float64]
    diameter: NDArray[np.float64]
    rigid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Contacts:
    """All pairs that may ever overlap in some structures; images are looked for as far as need be, however skewed."""

    spheres: Spheres
    metrics: NDArray[np.float64]
    blocks: tuple[_Block, ...]

    @classmethod
    def of(cls, spheres: Spheres) -> _Contacts:
        """Return the pairs of some structures."""
        metrics = spheres.lattices @ np.swapaxes(spheres.lattices, 1, 2)
        reach = neighbour_cells(spheres.lattices, spheres.diameters.max(axis=(1, 2)))
        sizes = np.bincount(spheres.structure_of_atom, minlength=len(spheres))
        blocks = []
        for box in np.unique(reach, axis=0):
            cells = cells_in_box(box)
            orbits = np.flatnonzero((reach == box).all(axis=1)[spheres.structure_of_orbit])
            work = np.cumsum(sizes[spheres.structure_of_orbit[orbits]] * len(cells)) // CHUNK_DISTANCES
            parts = np.split(orbits, np.flatnonzero(np.diff(work)) + 1)
            blocks += [_block(spheres, metrics, part, sizes, cells) for part in parts]
        return cls(spheres, metrics, tuple(blocks))

    def overlaps(self, parameters: NDArray[np.float64]) -> _Overlaps:
        spheres = self.spheres
        frac = replace(spheres, parameters=parameters).frac_coords
        structure_of_atom = spheres.structure_of_atom
        found = []
        for b in self.blocks:
            delta = frac[b.second] - frac[b.first]
            delta -= np.rint(delta)
            covariant = np.einsum("pi,pij->pj", delta, self.metrics[structure_of_atom[b.first]])
            squared = (delta * covariant).sum(axis=1)
            # |delta + cell|^2 = |delta|^2 + 2 delta . cell + |cell|^2
            pair, cell = np.nonzero((2.0 * covariant) @ b.cells.T < b.limit - squared[:, None])
            lattices = spheres.lattices[structure_of_atom[b.first[pair]]]
            vector = np.einsum("pi,pij->pj", delta[pair] + b.cells[cell], lattices)
            overlap = 1.0 - np.sqrt(np.einsum("pi,pi->p", vector, vector)) / b.diameter[pair]
            found.append((b.first[pair], vector, b.diameter[pair], np.maximum(overlap, 0.0), b.rigid[pair]))
        return _Overlaps(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def forces(
        self, parameters: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the force on each first atom, 1/Å, [n_orbits, 3]; the largest overlap and rigid one, [n]."""
        spheres, pairs = self.spheres, self.overlaps(parameters)
        orbit = spheres.orbit_of_atom[pairs.first]
        distance = np.maximum((1.0 - pairs.overlap) * pairs.diameter, 1e-9)
        push = (-2.0 * pairs.overlap / (pairs.diameter * distance))[:, None] * pairs.vector
        n = len(spheres.structure_of_orbit)
        force = np.stack([np.bincount(orbit, push[:, k], n).astype(np.float64) for k in range(3)], axis=1)
        largest, rigid = np.zeros(len(spheres)), np.zeros(len(spheres))
        structure = spheres.structure_of_orbit[orbit]
        np.maximum.at(largest, structure, pairs.overlap)
        np.maximum.at(rigid, structure[pairs.rigid], pairs.overlap[pairs.rigid])
        return force, largest, rigid


def _block(
    spheres: Spheres,
    metrics: NDArray[np.float64],
    orbits: NDArray[np.int64],
    sizes: NDArray[np.int64],
    cells: NDArray[np.float64],
) -> _Block:
    """Return the pairs of the first atoms of some orbits with all atoms of their structures (`sizes` atoms in each)."""
    structure = spheres.structure_of_orbit[orbits]
    n = sizes[structure]
    pair_structure, orbit = np.repeat(structure, n), np.repeat(orbits, n)
    starts = (np.cumsum(sizes) - sizes)[structure]
    second = np.arange(int(n.sum())) + np.repeat(starts - (np.cumsum(n) - n), n)
    first, other = _first_atoms(spheres)[orbit], spheres.orbit_of_atom[second]
    kinds = spheres.kind_of_orbit
    diameter = spheres.diameters[pair_structure, kinds[orbit], kinds[other]]
    squared_cells = ((cells @ metrics[structure]) * cells).sum(axis=2)
    limit = (diameter**2)[:, None] - np.repeat(squared_cells, n, axis=0)
    limit[first == second, len(cells) // 2] = -np.inf
    ours, theirs = spheres.matrices[first], spheres.matrices[second]
    rigid = (ours == theirs).all(axis=(1, 2)) & ((orbit == other) | ~ours.any(axis=(1, 2)))
    return _Block(first, second, cells, limit, diameter, rigid)


@dataclass(frozen=True, slots=True, eq=False)
class _Descent:
    """The state of gradient descent.

    Attributes:
        jacobians: how far, in Å, the first atom of an orbit moves with each parameter, [n_orbits, 3 (parameters), 3].
        inverses: parameters that move the first atom of an orbit by a displacement in Å, [n_orbits, 3, 3].
        weights: atoms of each orbit, [n_orbits].
        scales: rate at which one pair of spheres would just come apart, [n].
        moved: last displacement, Å, [n_orbits, 3].
        before: force before it, 1/Å, [n_orbits, 3].
    """

    jacobians: NDArray[np.float64]
    inverses: NDArray[np.float64]
    weights: NDArray[np.float64]
    scales: NDArray[np.float64]
    moved: NDArray[np.float64]
    before: NDArray[np.float64]

    @classmethod
    def start(cls, spheres: Spheres) -> _Descent:
        matrices = spheres.matrices[_first_atoms(spheres)]
        jacobians = np.einsum("oji,ojk->oik", matrices, spheres.lattices[spheres.structure_of_orbit])
        squares = jacobians @ np.swapaxes(jacobians, 1, 2)
        # Parameters that an orbit does not have: any number will do where nothing is moved.
        squares += np.eye(3) * (np.diagonal(squares, axis1=1, axis2=2) == 0.0)[:, :, None]
        inverses = np.linalg.inv(squares) @ jacobians
        scales = spheres.diameters.max(axis=(1, 2)) ** 2 / 8.0
        nothing = np.zeros((len(jacobians), 3))
        weights = np.bincount(spheres.orbit_of_atom, minlength=len(jacobians)).astype(np.float64)
        return cls(jacobians, inverses, weights, scales, nothing, nothing)

    def take(self, orbits: NDArray[np.bool_], structures: NDArray[np.bool_]) -> _Descent:
        columns = {f.name: getattr(self, f.name)[structures if f.name == "scales" else orbits] for f in fields(self)}
        return _Descent(**columns)

    def step(
        self, spheres: Spheres, force: NDArray[np.float64], running: NDArray[np.bool_]
    ) -> tuple[Spheres, _Descent]:
        """Take one step with the structures that are running [n]."""
        n, owner = len(spheres), spheres.structure_of_orbit
        change = np.einsum("oij,oj->oi", self.inverses, force)
        downhill = np.einsum("oi,oij->oj", change, self.jacobians)
        squared = np.bincount(owner, self.weights * (self.moved**2).sum(axis=1), minlength=n)
        curvature = np.bincount(owner, self.weights * (self.moved * (self.before - downhill)).sum(axis=1), minlength=n)
        convex = curvature > 1e-12
        rates = np.where(convex, squared / np.where(convex, curvature, 1.0), self.scales)
        rates = rates.clip(self.scales / 8.0, self.scales * 16.0)
        longest = np.zeros(n)
        np.maximum.at(longest, owner, np.linalg.norm(downhill, axis=1))
        rates = np.minimum(rates, MAX_STEP_ANG / np.maximum(longest, 1e-12)) * running
        rate = rates[owner][:, None]
        moved = replace(spheres, parameters=spheres.parameters + rate * change)
        return moved, replace(self, moved=rate * downhill, before=downhill)


def _first_atoms(spheres: Spheres) -> NDArray[np.int64]:
    return np.searchsorted(spheres.orbit_of_atom, np.arange(len(spheres.structure_of_orbit)))
