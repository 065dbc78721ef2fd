"""The stream of substituted crystals: reproducible, neutral, inside the space, each possibility once."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice
from samples.groups import from_spacegroup

from gnome_lite.chemistry.balance import charge_balanced
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.substitution import IonicSubstitution

SPACE = Space()


def known(group: str, a: float, symbols: list[str], sites: list[list[float]]) -> Crystal:
    return Crystal.from_pymatgen(from_spacegroup(group, Lattice.cubic(a), symbols, sites).get_primitive_structure())


@pytest.fixture(scope="module")
def parents() -> dict[str, Crystal]:
    return {
        "rock salt": known("Fm-3m", 5.64, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "zinc blende": known("F-43m", 5.41, ["Zn", "S"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
        "perovskite": known("Pm-3m", 3.9, ["Sr", "Ti", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]),
        "spinel": known("Fd-3m", 8.4, ["Fe", "Fe", "O"], [[0] * 3, [5 / 8] * 3, [0.3875] * 3]),
        "alloy": known("Pm-3m", 2.88, ["Ni", "Al"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "fluorite": known("Fm-3m", 5.46, ["Ca", "F"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
    }


def run(parents: dict[str, Crystal], seed: int = 0, chunk: int = 7, **generate: float) -> list[CandidatePool]:
    generator = IonicSubstitution(SPACE, Generate.model_validate(generate), chunk)
    batch = CrystalBatch.from_crystals(parents.values())
    return list(generator.generate(batch, list(parents), 3, np.random.default_rng(seed)))


def everything(parents: dict[str, Crystal], seed: int = 0, chunk: int = 7, **generate: float) -> CandidatePool:
    return CandidatePool.concatenate(run(parents, seed, chunk, **generate), 3)


def test_each_possibility_comes_once_and_is_new(parents: dict[str, Crystal]) -> None:
    pool = everything(parents)
    pairs = list(zip(pool.parent_ids, pool.changes, strict=True))
    assert len(set(pairs)) == len(pairs) > 50
    for i, parent_id in enumerate(pool.parent_ids):
        assert (pool.crystals[i].numbers != parents[parent_id].numbers).any()
    assert set(pool.generators) == {"substitution"}
    assert pool.round == 3


def test_every_candidate_is_neutral_likely_and_inside_the_space(parents: dict[str, Crystal]) -> None:
    pool = everything(parents)
    assert (pool.probabilities > Generate().threshold).all()
    assert (pool.probabilities < 1).all()
    assert set(np.unique(pool.crystals.numbers).tolist()) <= {atomic_number(e) for e in SPACE.elements}
    kinds = (pool.crystals.counts > 0).sum(axis=1)
    assert ((kinds >= SPACE.min_elements) & (kinds <= SPACE.max_elements)).all()
    # Rare states (Fe5+) are in the table but not common: nearly all candidates pass the gate's stricter list.
    assert charge_balanced(pool.crystals.counts).mean() > 0.9


def test_the_structure_is_the_parents_at_another_volume(parents: dict[str, Crystal]) -> None:
    pool = everything(parents)
    for i, parent_id in enumerate(pool.parent_ids):
        crystal, parent = pool.crystals[i], parents[parent_id]
        assert (crystal.frac_coords == parent.frac_coords).all()
        shape = crystal.lattice / np.cbrt(crystal.volume)
        assert shape == pytest.approx(parent.lattice / np.cbrt(parent.volume))
    i = list(zip(pool.parent_ids, pool.changes, strict=True)).index(("rock salt", "Cl1- -> F1-"))
    assert (4 * pool.crystals[i].volume) ** (1 / 3) == pytest.approx(4.63, rel=0.02)  # NaF


def test_changes_say_what_was_done(parents: dict[str, Crystal]) -> None:
    pool = everything(parents)
    for i, change in enumerate(pool.changes):
        crystal, parent = pool.crystals[i], parents[pool.parent_ids[i]]
        olds = [c.split(" -> ")[0].rstrip("+-0123456789") for c in change.split(", ")]
        news = [c.split(" -> ")[1].rstrip("+-0123456789") for c in change.split(", ")]
        replaced = parent.numbers[crystal.numbers != parent.numbers]
        assert set(replaced.tolist()) <= {atomic_number(e) for e in olds}
        assert {atomic_number(e) for e in news} <= set(crystal.numbers.tolist())


def test_mixed_valence_is_replaced_state_by_state(parents: dict[str, Crystal]) -> None:
    pool = everything({"spinel": parents["spinel"]})
    formulas = dict(zip(pool.changes, pool.crystals.reduced_formulas(), strict=True))
    assert formulas["Fe2+ -> Zn2+"] == "Zn(FeO2)2"
    assert formulas["Fe3+ -> Al3+"] == "Al2FeO4"


def test_alloys_are_skipped_and_counted(parents: dict[str, Crystal]) -> None:
    generator = IonicSubstitution(SPACE, Generate())
    batch = CrystalBatch.from_crystals(parents.values())
    pools = list(generator.generate(batch, list(parents), 1, np.random.default_rng(0)))
    assert dict(generator.skipped) == {"no neutral oxidation states": 1}
    assert all("alloy" not in pool.parent_ids for pool in pools)


def test_the_seed_decides_the_order_and_nothing_else(parents: dict[str, Crystal]) -> None:
    def listed(seed: int, chunk: int = 7) -> list[tuple[str, str, str]]:
        pool = everything(parents, seed, chunk)
        ids = [c.content_id for c in pool.crystals]
        return list(zip(pool.parent_ids, pool.changes, ids, strict=True))

    assert listed(0) == listed(0) == listed(0, chunk=64)
    assert listed(0) != listed(1)
    assert sorted(listed(0)) == sorted(listed(1))


def test_the_likely_tend_to_come_first(parents: dict[str, Crystal]) -> None:
    halves = []
    for seed in range(10):
        p = everything(parents, seed, threshold=1e-5).probabilities
        halves.append((p[: len(p) // 4].mean(), p[len(p) // 4 :].mean()))
    first, rest = np.mean(halves, axis=0)
    assert first > 5 * rest


def test_chunks_are_bounded_and_streamed(parents: dict[str, Crystal]) -> None:
    sizes = [len(pool) for pool in run(parents, chunk=7)]
    assert set(sizes[:-1]) == {7}
    assert 1 <= sizes[-1] <= 7


def test_no_parents_no_candidates() -> None:
    generator = IonicSubstitution(SPACE, Generate())
    assert list(generator.generate(CrystalBatch.empty(), [], 1, np.random.default_rng(0))) == []
