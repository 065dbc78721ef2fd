"""The Wyckoff table against pymatgen's multiplicities, spglib's view of decorated crystals, and its own derivation."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from numpy.typing import NDArray
from samples.wyckoff_derivation import table_line

from gnome_lite.generate.random_cells import random_lattices
from gnome_lite.generate.wyckoff import N_GROUPS, TABLE, SpaceGroup, space_group, wyckoff_table
from gnome_lite.novelty.wyckoff_letters import multiplicities

ALL_GROUPS = range(1, N_GROUPS + 1)
SOME_GROUPS = (1, 2, 5, 9, 14, 15, 19, 38, 47, 62, 63, 68, 70, 88, 92, 99, 122, 139, 141, 146, 148, 154, 160, 161, 166,
               167, 180, 186, 194, 198, 206, 212, 216, 220, 221)  # fmt: skip
"""All lattices and systems, screws, glides, two origins, two hands."""
ROUNDING = 1e-9
SYMPREC = 1e-5


def points_in_primitive_cell(group: SpaceGroup, index: int, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Primitive fractions of a position's atoms at parameters u [3]."""
    position = group.positions[index]
    n = position.site.multiplicity // group.n_centring
    conventional = position.matrices[:n] @ u + position.origins[:n]
    return conventional @ np.linalg.inv(group.primitive)


def n_distinct(points: NDArray[np.float64]) -> int:
    delta = points[:, None] - points[None]
    return len(points) - int((np.abs(delta - np.rint(delta)).max(-1) < ROUNDING)[np.triu_indices(len(points), 1)].sum())


def test_letters_and_multiplicities_are_pymatgens() -> None:
    for number in ALL_GROUPS:
        ours = {site.letter: site.multiplicity for site in wyckoff_table()[number]}
        assert ours == multiplicities()[str(number)], number


def test_rocksalt_sites_are_where_everyone_knows_them() -> None:
    sites = {site.letter: site.coordinates for site in wyckoff_table()[225]}
    assert sites["a"] == "0,0,0"
    assert sites["c"] == "1/4,1/4,1/4"
    assert {site.letter: site.dof for site in wyckoff_table()[225]}["e"] == 1


def test_free_parameters_are_those_of_the_maps() -> None:
    for number in ALL_GROUPS:
        for position in space_group(number).positions:
            dof = position.site.dof
            ranks = np.linalg.matrix_rank(position.matrices)
            assert (ranks == dof).all()
            assert not position.matrices[:, :, dof:].any()


def test_images_of_a_random_point_are_as_many_as_the_multiplicity_and_the_group_permutes_them() -> None:
    from moyopy import Setting, operations_from_number

    rng = np.random.default_rng(0)
    for number in ALL_GROUPS:
        group = space_group(number)
        found = operations_from_number(number, setting=Setting.standard(), primitive=False)
        rotations, translations = np.array(found.rotations), np.array(found.translations)
        for index, position in enumerate(group.positions):
            u = rng.random(3)
            points = position.matrices @ u + position.origins
            assert len(points) == position.site.multiplicity
            for k in rng.integers(len(rotations), size=3):
                moved = points @ rotations[k].T + translations[k]
                delta = moved[:, None] - points[None]
                assert (np.abs(delta - np.rint(delta)).max(-1) < ROUNDING).any(axis=1).all(), (number, index)
            here = points_in_primitive_cell(group, index, u)
            if len(here) <= 24:
                assert n_distinct(here) == len(here), (number, index)


def see_through_spglib(number: int) -> None:
    """A crystal with an element on each position must have the group, and each position its multiplicity."""
    group, rng = space_group(number), np.random.default_rng(number)
    lattice = group.primitive @ random_lattices(np.array([group.system]), np.array([1000.0 * group.n_centring]), rng)[0]
    general = len(group.positions) - 1
    points, kinds = [], []
    for kind, index in enumerate([*range(general), *[general] * 4], start=1):
        here = points_in_primitive_cell(group, index, rng.random(3))
        points.append(here)
        kinds += [kind] * len(here)
    found = spglib.get_symmetry_dataset((lattice, np.concatenate(points), kinds), symprec=SYMPREC)
    assert found is not None
    assert found.number == number
    theirs = multiplicities()[str(number)]
    orbit = np.asarray(found.crystallographic_orbits)
    for kind in range(1, general + 2):
        atoms = np.flatnonzero(np.array(kinds) == kind)
        assert len(set(orbit[atoms])) == 1
        assert {theirs[found.wyckoffs[a]] for a in atoms} == {len(atoms) * group.n_centring}


@pytest.mark.parametrize("number", SOME_GROUPS)
def test_spglib_sees_each_position_with_its_multiplicity(number: int) -> None:
    see_through_spglib(number)


@pytest.mark.soak
@pytest.mark.parametrize("number", sorted(set(ALL_GROUPS) - set(SOME_GROUPS)))
def test_spglib_sees_each_position_of_the_other_groups_too(number: int) -> None:
    see_through_spglib(number)


@pytest.mark.parametrize("number", [1, 2, 5, 14, 19, 38, 62, 81, 92, 146, 154, 160, 198])
def test_the_table_is_what_the_operations_give(number: int) -> None:
    assert table_line(number) == TABLE.read_text(encoding="utf-8").splitlines()[number - 1]


@pytest.mark.soak
def test_the_whole_table_is_what_the_operations_give() -> None:
    assert [table_line(n) for n in ALL_GROUPS] == TABLE.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("number", [0, 231, -1])
def test_no_such_group(number: int) -> None:
    with pytest.raises(ValueError, match=r"numbers are 1\.\.230"):
        space_group(number)
