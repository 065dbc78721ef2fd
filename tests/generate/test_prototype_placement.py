"""Prototype placement: the right structures come out, matched by pymatgen; every placement once."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice
from samples.groups import from_spacegroup

from gnome_lite.chemistry.balance import charge_balanced
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.prototype_placement import PrototypePlacement, ranked


def known(group: str, a: float, symbols: list[str], sites: list[list[float]]) -> Crystal:
    return Crystal.from_pymatgen(from_spacegroup(group, Lattice.cubic(a), symbols, sites).get_primitive_structure())


FLUORITE = known("Fm-3m", 5.46, ["Ca", "F"], [[0, 0, 0], [0.25, 0.25, 0.25]])
PEROVSKITE = known("Pm-3m", 3.9, ["Sr", "Ti", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]])
ROCK_SALT = known("Fm-3m", 5.64, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
PROTOTYPES = [("fluorite", FLUORITE), ("perovskite", PEROVSKITE), ("rocksalt", ROCK_SALT)]
SPACE = Space(elements=("K", "Ca", "La", "Al", "Ti", "O", "S", "F"), max_elements=3)


def everything(seed: int = 0, start: int = 0, **generate: int) -> list[CandidatePool]:
    placement = PrototypePlacement(SPACE, Generate.model_validate(generate), PROTOTYPES)
    return list(placement.generate(CrystalBatch.empty(), [], 2, np.random.default_rng(seed), start))


@pytest.fixture(scope="module")
def pool() -> CandidatePool:
    return CandidatePool.concatenate(everything(), 2)


def found(pool: CandidatePool, formula: str, prototype: str) -> list[Crystal]:
    formulas = pool.crystals.reduced_formulas()
    return [pool.crystals[i] for i in range(len(pool)) if formulas[i] == formula and pool.parent_ids[i] == prototype]


def test_antifluorite_comes_from_fluorite(pool: CandidatePool) -> None:
    (k2s,) = found(pool, "K2S", "fluorite")
    expected = known("Fm-3m", 7.39, ["S", "K"], [[0, 0, 0], [0.25, 0.25, 0.25]])
    assert StructureMatcher().fit(k2s.to_pymatgen(), expected.to_pymatgen())


def test_ions_of_equal_amount_take_the_sites_of_their_size(pool: CandidatePool) -> None:
    (laalo3,) = found(pool, "LaAlO3", "perovskite")
    expected = known("Pm-3m", 3.8, ["La", "Al", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]])
    assert StructureMatcher().fit(laalo3.to_pymatgen(), expected.to_pymatgen())


def test_cations_take_the_sites_of_cations(pool: CandidatePool) -> None:
    (cao,) = found(pool, "CaO", "rocksalt")
    assert ranked(cao.counts)[0].tolist() == [20, 8]
    assert ranked(ROCK_SALT.counts)[0].tolist() == [11, 17]


def test_all_placements_are_balanced_new_and_come_once(pool: CandidatePool) -> None:
    assert charge_balanced(pool.crystals.counts).all()
    keys = list(zip(pool.parent_ids, pool.crystals.reduced_formulas(), strict=True))
    assert len(set(keys)) == len(keys) > 20
    # Every balanced AB of the space in rock salt, counted apart.
    monochalcogenides = {f for p, f in keys if p == "rocksalt"}
    assert {"CaO", "CaS", "KF", "TiO"} <= monochalcogenides
    assert "KO" not in monochalcogenides
    assert set(pool.generators) == {"prototypes"}
    assert np.isnan(pool.probabilities).all()


def test_the_composition_of_the_prototype_itself_is_not_a_candidate() -> None:
    space = Space(elements=("Ca", "F"), min_elements=2)
    placement = PrototypePlacement(space, Generate(), PROTOTYPES)
    assert [
        c
        for chunk in placement.generate(CrystalBatch.empty(), [], 1, np.random.default_rng(0))
        for c in chunk.parent_ids
    ] == []


def test_volumes_come_from_radii(pool: CandidatePool) -> None:
    (cao,) = found(pool, "CaO", "rocksalt")
    assert cao.volume / 2 == pytest.approx(27.83 / 2, rel=0.15)


def test_the_stream_is_reproducible_and_goes_on_from_any_chunk() -> None:
    whole, again = everything(5), everything(5)
    assert [c.changes for c in whole] == [c.changes for c in again]
    for start in (1, len(whole) - 1, len(whole)):
        rest = everything(5, start)
        assert [c.changes for c in rest] == [c.changes for c in whole[start:]]
        assert all(
            np.array_equal(a.crystals.lattices, b.crystals.lattices) for a, b in zip(rest, whole[start:], strict=True)
        )
    assert [c.changes for c in everything(6)] != [c.changes for c in whole]


def test_prototypes_beyond_the_cell_limit_are_counted() -> None:
    placement = PrototypePlacement(SPACE, Generate(max_atoms=3), PROTOTYPES)
    chunks = list(placement.generate(CrystalBatch.empty(), [], 1, np.random.default_rng(0)))
    assert {p for c in chunks for p in c.parent_ids} == {"fluorite", "rocksalt"}
    assert dict(placement.skipped) == {"prototype larger than generate.max_atoms": 1}
