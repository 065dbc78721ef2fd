"""Ions replaced by fewer of a higher charge: ordered vacancies that nature makes, neutral, each order once."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from samples.groups import from_spacegroup

from gnome_lite.chemistry.balance import charge_balanced
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.vacancies import VacancySubstitution

ELEMENTS = ("Li", "Na", "Mg", "Al", "Ga", "Mn", "Fe", "Zn", "P", "O", "S")
OLIVINE = from_spacegroup(
    "Pnma", Lattice.orthorhombic(10.33, 6.01, 4.69), ["Li", "Fe", "P", "O", "O", "O"],
    [[0, 0, 0], [0.282, 0.25, 0.975], [0.095, 0.25, 0.418], [0.097, 0.25, 0.743], [0.457, 0.25, 0.206],
     [0.166, 0.047, 0.285]],
)  # fmt: skip
"""LiFePO4 (Streltsov et al., Acta Cryst. B 49, 147 (1993)), rounded."""
SPINEL = from_spacegroup(
    "Fd-3m", Lattice.cubic(8.4), ["Fe", "Fe", "O"], [[1 / 8] * 3, [0.5] * 3, [0.255] * 3]
).get_primitive_structure()
BLENDE = from_spacegroup("F-43m", Lattice.cubic(5.41), ["Zn", "S"], [[0] * 3, [0.25] * 3])
PARENTS = {
    "olivine": Crystal.from_pymatgen(OLIVINE),
    "spinel": Crystal.from_pymatgen(SPINEL),
    "blende": Crystal.from_pymatgen(BLENDE.get_primitive_structure()),
}


def everything(*names: str, seed: int = 0, max_atoms: int = 28, max_index: int = 4) -> CandidatePool:
    space = Space(elements=ELEMENTS, max_elements=4)
    generator = VacancySubstitution(space, Generate(max_atoms=max_atoms), max_index=max_index)
    batch = CrystalBatch.from_crystals(PARENTS[n] for n in names)
    pools = generator.generate(batch, names, 3, np.random.default_rng(seed))
    return CandidatePool.concatenate(list(pools), 3)


@pytest.fixture(scope="module")
def pool() -> CandidatePool:
    return everything(*PARENTS)


def test_olivine_gives_sarcopside() -> None:
    """Fe3(PO4)2 of space group P2_1/c, one of the three ways to leave every other lithium site empty."""
    pool = everything("olivine")
    found = [i for i, change in enumerate(pool.changes) if change == "Li1+ -> Fe2+ (2 of 4, else empty)"]
    groups = [SpacegroupAnalyzer(pool.crystals[i].to_pymatgen(), 0.01).get_space_group_number() for i in found]
    assert len(found) == 3
    assert 14 in groups
    assert {pool.crystals[i].reduced_formula for i in found} == {"Fe3(PO4)2"}
    assert int(pool.multiplicities[found].sum()) == 6  # all pairs of four sites


def test_magnetite_gives_maghemite() -> None:
    """All iron trivalent, a third of the divalent sites empty: the element may stay the same."""
    pool = everything("spinel", max_atoms=42)
    found = [i for i, change in enumerate(pool.changes) if change == "Fe2+ -> Fe3+ (4 of 6, else empty)"]
    assert len(found) > 1
    assert {pool.crystals[i].reduced_formula for i in found} == {"Fe2O3"}
    assert {len(pool.crystals[i]) for i in found} == {40}


def test_all_orders_of_a_cell_and_none_twice() -> None:
    """Against brute force: every choice of two of three zinc sites in every tripled cell, StructureMatcher's groups."""
    pool = everything("blende", max_index=3)
    change = "Zn2+ -> Ga3+ (2 of 3, else empty)"
    ours = [pool.crystals[i].to_pymatgen() for i, said in enumerate(pool.changes) if said == change]
    matcher = StructureMatcher(attempt_supercell=False, primitive_cell=False)
    primitive, every = BLENDE.get_primitive_structure(), []
    for a, b, c in ((3, 1, 1), (1, 3, 1), (1, 1, 3)):
        for shear in np.ndindex(3, 3, 3):
            cell = np.diag([a, b, c]) + np.array([[0, shear[0], shear[1]], [0, 0, shear[2]], [0, 0, 0]])
            tripled = primitive * cell.tolist()
            zinc = [i for i, site in enumerate(tripled) if site.specie.symbol == "Zn"]
            for empty in zinc:
                made = tripled.copy()
                made.replace_species({"Zn": "Ga"})
                made.remove_sites([empty])
                if not any(matcher.fit(made, other) for other in every):
                    every.append(made)
    assert len(ours) == len(every) > 1
    for a, b in combinations(ours, 2):
        assert not matcher.fit(a, b)
    for one in ours:
        assert sum(matcher.fit(one, other) for other in every) == 1


def test_candidates_are_neutral_inside_the_space_and_smaller_than_their_cell(pool: CandidatePool) -> None:
    assert len(pool) > 30
    assert set(pool.generators) == {"vacancies"}
    assert charge_balanced(pool.crystals.counts).all()
    kinds = (pool.crystals.counts > 0).sum(axis=1)
    assert ((kinds >= 2) & (kinds <= 4)).all()
    for i, change in enumerate(pool.changes):
        ions, sites = change.removesuffix(", else empty)").split(" (")
        old, new = ions.split(" -> ")
        chosen, of = (int(n) for n in sites.split(" of "))
        crystal, parent = pool.crystals[i], PARENTS[pool.parent_ids[i]]
        charge = {ion: int(ion[-2]) for ion in (old, new)}
        assert chosen * charge[new] == of * charge[old]
        assert new[-1] == old[-1]
        expected = parent.counts * (len(crystal) + of - chosen) // len(parent)
        expected[atomic_number(old[:-2])] -= of
        expected[atomic_number(new[:-2])] += chosen
        assert (crystal.counts == expected).all()


def test_the_seed_decides_the_order_and_nothing_else(pool: CandidatePool) -> None:
    def listed(of: CandidatePool) -> list[tuple[str, str]]:
        return list(zip(of.changes, [c.content_id for c in of.crystals], strict=True))

    assert listed(everything(*PARENTS)) == listed(pool)
    assert sorted(listed(everything(*PARENTS, seed=1))) == sorted(listed(pool))
    assert len(set(listed(pool))) == len(pool)
