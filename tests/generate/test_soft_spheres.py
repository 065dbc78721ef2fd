"""Soft spheres: energies against pymatgen's neighbours, gradients against finite differences, symmetry kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from gnome_lite.generate.packing import admits, random_assignment
from gnome_lite.generate.random_cells import random_lattices
from gnome_lite.generate.soft_spheres import Spheres, relax
from gnome_lite.generate.wyckoff import space_group

ROUNDING = 1e-9
TOLERANCE = 0.1
ELEMENTS = ("Na", "Cl")


def symmetric(groups: list[int], counts: tuple[int, int], seed: int, volume_ang3: float = 120.0) -> Spheres:
    """A structure of two elements in each group, in the group's own primitive cell."""
    rng = np.random.default_rng(seed)
    lattices, owner, kinds, matrices, origins, orbit_of_atom = [], [], [], [], [], []
    for structure, number in enumerate(groups):
        group = space_group(number)
        conventional = random_lattices(np.array([group.system]), np.array([volume_ang3 * group.n_centring]), rng)[0]
        lattices.append(group.primitive @ conventional)
        to_primitive = np.linalg.inv(group.primitive)
        for index, element in random_assignment(counts, number, rng):
            position = group.positions[index]
            n = position.site.multiplicity // group.n_centring
            matrices.append(to_primitive.T @ position.matrices[:n])
            origins.append(position.origins[:n] @ to_primitive)
            orbit_of_atom += [len(owner)] * n
            owner.append(structure)
            kinds.append(element)
    diameters = np.array([[3.0, 2.4], [2.4, 2.8]])
    return Spheres(
        np.array(lattices),
        np.array(owner),
        np.array(orbit_of_atom),
        np.array(kinds),
        np.concatenate(matrices),
        np.concatenate(origins),
        rng.random((len(owner), 3)),
        np.tile(diameters, (len(groups), 1, 1)),
    )


def pymatgen_energy(spheres: Spheres, structure: int) -> tuple[float, float]:
    """Energy per cell and largest overlap, from pymatgen's list of neighbours."""
    atoms = spheres.structure_of_atom == structure
    kinds = spheres.kind_of_orbit[spheres.orbit_of_atom[atoms]]
    crystal = Structure(Lattice(spheres.lattices[structure]), [ELEMENTS[k] for k in kinds], spheres.frac_coords[atoms])
    diameters = spheres.diameters[structure]
    i, j, _, d = crystal.get_neighbor_list(float(diameters.max()))
    overlap = np.maximum(1.0 - d / diameters[kinds[i], kinds[j]], 0.0)
    return float((overlap**2).sum() / 2.0), float(overlap.max(initial=0.0))


def some_groups(counts: tuple[int, int], n: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).choice(np.flatnonzero(admits(counts)), n).tolist()


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([(2, 2), (1, 3), (4, 4), (2, 6)]), st.integers(0, 10_000), st.floats(60.0, 200.0))
def test_overlaps_are_those_of_pymatgens_neighbours(counts: tuple[int, int], seed: int, volume: float) -> None:
    spheres = symmetric(some_groups(counts, 4, seed), counts, seed, volume)
    expected = [pymatgen_energy(spheres, s)[1] for s in range(4)]
    assert relax(spheres, 0.0, 0).overlap == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([(2, 2), (1, 3), (4, 4), (2, 6)]), st.integers(0, 10_000))
def test_a_first_step_goes_downhill(counts: tuple[int, int], seed: int) -> None:
    """Along the displacement of one step, scaled down, no structure's energy rises."""
    spheres = symmetric(some_groups(counts, 3, seed), counts, seed, 90.0)
    step = relax(spheres, 0.0, 1).parameters - spheres.parameters
    after = replace(spheres, parameters=spheres.parameters + 1e-3 * step)
    for s in range(3):
        before = pymatgen_energy(spheres, s)[0]
        assert pymatgen_energy(after, s)[0] <= before + ROUNDING
        if np.abs(step[spheres.structure_of_orbit == s]).max() > 1e-3:
            assert pymatgen_energy(after, s)[0] < before


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3))
def test_the_choice_of_cell_does_not_matter(seed: int, a: int, b: int, c: int) -> None:
    """Sheared into a long, skewed cell, whose images are far away, a structure takes the same step."""
    spheres = symmetric([1, 2], (2, 2), seed, 70.0)
    shear = np.array([[1, a, b], [0, 1, c], [0, 0, 1]], dtype=float)
    back = np.linalg.inv(shear)
    skewed = replace(
        spheres, lattices=shear @ spheres.lattices, matrices=back.T @ spheres.matrices, origins=spheres.origins @ back
    )
    ours, theirs = relax(skewed, 0.0, 1), relax(spheres, 0.0, 1)
    np.testing.assert_allclose(ours.parameters, theirs.parameters, atol=1e-8)
    np.testing.assert_allclose(ours.overlap, theirs.overlap, atol=1e-8)


def test_relaxation_lowers_energy_and_tells_the_overlap_that_is_left() -> None:
    counts = (4, 4)
    spheres = symmetric(some_groups(counts, 60, 1), counts, 1, 240.0)
    relaxed = relax(spheres, TOLERANCE, 24)
    after = replace(spheres, parameters=relaxed.parameters)
    before_ev, after_ev = (np.array([pymatgen_energy(x, s)[0] for s in range(60)]) for x in (spheres, after))
    moved = relaxed.steps > 0
    assert moved.sum() > 20
    assert (after_ev[moved] < before_ev[moved]).mean() > 0.95
    assert after_ev[moved].sum() < 0.5 * before_ev[moved].sum()
    for s in range(len(spheres)):
        assert relaxed.overlap[s] == pytest.approx(pymatgen_energy(after, s)[1], abs=1e-9)
    good = relaxed.overlap <= TOLERANCE
    assert (after_ev[good] <= before_ev[good] + ROUNDING).all()
    assert good.sum() > (np.array([pymatgen_energy(spheres, s)[1] for s in range(60)]) <= TOLERANCE).sum() + 10


def test_a_structure_relaxes_alike_alone_and_among_others() -> None:
    spheres = symmetric(some_groups((2, 2), 12, 3), (2, 2), 3)
    together = relax(spheres, TOLERANCE, 24)
    for s in range(12):
        only = np.arange(12) == s
        alone = relax(spheres.take(only), TOLERANCE, 24)
        assert alone.steps[0] == together.steps[s]
        np.testing.assert_allclose(alone.parameters, together.parameters[only[spheres.structure_of_orbit]], atol=1e-9)


def test_relaxation_keeps_every_operation_of_the_group() -> None:
    from moyopy import Setting, operations_from_number

    groups = [2, 14, 62, 148, 194, 198]
    spheres = symmetric(groups, (8, 8), 5, 500.0) if all(admits((8, 8))[groups]) else symmetric(groups, (4, 12), 5)
    relaxed = replace(spheres, parameters=relax(spheres, 0.0, 24).parameters)
    assert np.abs(relaxed.parameters - spheres.parameters).max() > 0.01
    for structure, number in enumerate(groups):
        group = space_group(number)
        found = operations_from_number(number, setting=Setting.standard(), primitive=False)
        atoms = relaxed.structure_of_atom == structure
        conventional = relaxed.frac_coords[atoms] @ group.primitive
        kinds = relaxed.kind_of_orbit[relaxed.orbit_of_atom[atoms]]
        for rotation, translation in zip(found.rotations, found.translations, strict=True):
            image = (conventional @ np.array(rotation).T + translation) @ np.linalg.inv(group.primitive)
            delta = image[:, None] - relaxed.frac_coords[atoms][None]
            same = np.abs(delta - np.rint(delta)).max(-1) < ROUNDING
            assert (same & (kinds[:, None] == kinds)).any(axis=1).all(), number


def two_spheres(distance: float, diameter: float = 2.0) -> Spheres:
    identity: NDArray[np.float64] = np.tile(np.eye(3), (2, 1, 1))
    return Spheres(
        np.eye(3)[None] * 10.0,
        np.zeros(2, np.int64),
        np.arange(2),
        np.zeros(2, np.int64),
        identity,
        np.zeros((2, 3)),
        np.array([[0.0, 0.0, 0.0], [distance / 10.0, 0.0, 0.0]]),
        np.full((1, 1, 1), diameter),
    )


def test_two_spheres_by_hand() -> None:
    spheres = two_spheres(1.5)
    assert pymatgen_energy(spheres, 0)[0] == pytest.approx((1 - 1.5 / 2.0) ** 2)
    relaxed = replace(spheres, parameters=relax(spheres, 1e-6, 50).parameters)
    assert pymatgen_energy(relaxed, 0)[0] < 1e-10
    x = relaxed.frac_coords
    assert x.mean(axis=0) * 10.0 == pytest.approx([0.75, 0.0, 0.0], abs=1e-9)
    assert np.linalg.norm(x[1] - x[0]) * 10.0 == pytest.approx(2.0, abs=1e-5)


def test_what_touches_nothing_stays() -> None:
    spheres = two_spheres(3.0)
    relaxed = relax(spheres, TOLERANCE, 24)
    assert relaxed.steps[0] == 0
    assert relaxed.overlap[0] == 0.0
    np.testing.assert_array_equal(relaxed.parameters, spheres.parameters)


def test_an_atom_too_close_to_its_own_image_is_given_up_at_once() -> None:
    spheres = replace(two_spheres(3.0), lattices=np.diag([10.0, 10.0, 1.5])[None])
    relaxed = relax(spheres, TOLERANCE, 24)
    assert relaxed.steps[0] == 0
    assert relaxed.overlap[0] == pytest.approx(0.25)
