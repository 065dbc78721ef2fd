"""Alloys become similar alloys: near on the modified Pettifor scale, likely, inside the space, and nothing ionic."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from pymatgen.core import Lattice
from samples.groups import from_spacegroup

from gnome_lite.chemistry.similarity import modified_pettifor
from gnome_lite.chemistry.volume import elemental_volumes_ang3
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.intermetallics import DECAY_PLACES, NOT_METALS, IntermetallicSubstitution, similarity_table

METALS = ("Li", "Mg", "Al", "Si", "Ti", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Sc", "Y", "Zr", "Ag", "Au", "O", "H")
SPACE = Space(elements=METALS)


def known(group: str, a: float, symbols: list[str], sites: list[list[float]]) -> Crystal:
    return Crystal.from_pymatgen(from_spacegroup(group, Lattice.cubic(a), symbols, sites).get_primitive_structure())


PARENTS = {
    "B2": known("Pm-3m", 2.88, ["Ni", "Al"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "L12": known("Pm-3m", 3.75, ["Au", "Cu"], [[0, 0, 0], [0.5, 0.5, 0]]),
    "Heusler": known("Fm-3m", 5.95, ["Cu", "Mn", "Al"], [[0.25] * 3, [0] * 3, [0.5] * 3]),
    "FeSi": known("P2_13", 4.49, ["Fe", "Si"], [[0.137] * 3, [0.842] * 3]),
    "Mg2Si": known("Fm-3m", 6.35, ["Si", "Mg"], [[0] * 3, [0.25] * 3]),
    "rock salt": known("Fm-3m", 4.21, ["Mg", "O"], [[0] * 3, [0.5] * 3]),
    "hydride": known("Fm-3m", 4.45, ["Ti", "H"], [[0] * 3, [0.25] * 3]),
}


def run(names: tuple[str, ...] = tuple(PARENTS), seed: int = 0, start: int = 0, **generate: float) -> tuple:
    generator = IntermetallicSubstitution(SPACE, Generate.model_validate(generate), 16)
    batch = CrystalBatch.from_crystals(PARENTS[n] for n in names)
    pools = list(generator.generate(batch, names, 2, np.random.default_rng(seed), start))
    return pools, dict(generator.skipped)


@pytest.fixture(scope="module")
def pool() -> CandidatePool:
    return CandidatePool.concatenate(run()[0], 2)


def test_only_metals_and_metalloids_without_charges_are_parents(pool: CandidatePool) -> None:
    assert run()[1] == {"holds a non-metal": 2, "has oxidation states": 1}
    assert set(pool.parent_ids) == {"B2", "L12", "Heusler", "FeSi"}
    assert set(pool.generators) == {"intermetallic"}


def test_probability_is_of_the_elements_that_change(pool: CandidatePool) -> None:
    table, place = similarity_table(), modified_pettifor()
    for i in range(len(pool)):
        crystal, parent = pool.crystals[i], PARENTS[pool.parent_ids[i]]
        changed = {(int(a), int(b)) for a, b in zip(parent.numbers, crystal.numbers, strict=True) if a != b}
        assert changed
        expected = 1.0
        for a, b in changed:
            weights = [exp(-abs(place[a] - place[c]) / DECAY_PLACES) for c in table.z]
            expected *= exp(-abs(place[a] - place[b]) / DECAY_PLACES) / sum(weights)
        assert pool.probabilities[i] == pytest.approx(expected)
        assert expected > Generate().threshold


def test_candidates_are_metals_of_the_space_in_the_parents_structure(pool: CandidatePool) -> None:
    allowed = {atomic_number(e) for e in METALS} - {atomic_number(e) for e in NOT_METALS}
    assert set(np.unique(pool.crystals.numbers).tolist()) <= allowed
    kinds = (pool.crystals.counts > 0).sum(axis=1)
    assert ((kinds >= SPACE.min_elements) & (kinds <= SPACE.max_elements)).all()
    volumes = elemental_volumes_ang3()
    for i in range(len(pool)):
        crystal, parent = pool.crystals[i], PARENTS[pool.parent_ids[i]]
        assert (crystal.frac_coords == parent.frac_coords).all()
        ratio = volumes[crystal.numbers].sum() / volumes[parent.numbers].sum()
        assert crystal.volume / parent.volume == pytest.approx(ratio)


def test_neighbours_are_likelier_than_strangers(pool: CandidatePool) -> None:
    of = {c: p for i, c, p in zip(pool.parent_ids, pool.changes, pool.probabilities, strict=True) if i == "B2"}
    assert of["Ni -> Co"] > of["Ni -> Fe"] > of["Ni -> Mn"] > of["Ni -> Zn"]
    assert "Ni -> Co, Al -> Si" in of or "Al -> Si, Ni -> Co" in of
    assert not any("Ni -> Li" in change for change in of)


def test_a_volume_from_elements_is_near_the_real_one() -> None:
    """FeAl (B2, a = 2.91 Å) and CoAl (2.86 Å) from NiAl (2.88 Å)."""
    pools, _ = run(("B2",))
    pool = CandidatePool.concatenate(pools, 2)
    a = {c: float(np.cbrt(v)) for c, v in zip(pool.changes, pool.crystals.volumes, strict=True)}
    assert a["Ni -> Fe"] == pytest.approx(2.91, rel=0.02)
    assert a["Ni -> Co"] == pytest.approx(2.86, rel=0.02)


def test_each_possibility_once_reproducibly_and_resumable(pool: CandidatePool) -> None:
    def listed(seed: int, start: int = 0) -> list[tuple[str, str, str]]:
        joined = CandidatePool.concatenate(run(seed=seed, start=start)[0], 2)
        return list(zip(joined.parent_ids, joined.changes, [c.content_id for c in joined.crystals], strict=True))

    assert len(set(listed(0))) == len(pool) > 100
    assert listed(0) != listed(1)
    assert sorted(listed(0)) == sorted(listed(1))
    assert listed(0, start=3) == listed(0)[3 * 16 :]


def test_rows_of_the_table_are_probabilities() -> None:
    table = similarity_table()
    assert np.exp(table.log_p).sum(axis=1) == pytest.approx(1.0)
    assert (table.charges == 0).all()
    assert not {atomic_number(e) for e in NOT_METALS} & set(table.z.tolist())
