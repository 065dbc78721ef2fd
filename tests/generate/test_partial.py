"""The stream of partially substituted crystals: ordered compounds nature makes, each once, reproducible.

Covers `partial_block`.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from samples.groups import from_spacegroup

from gnome_lite.chemistry.balance import charge_balanced
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number, symbol
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate import partial
from gnome_lite.generate.decorations import Decorations, decorations
from gnome_lite.generate.partial import PartialSubstitution

ELEMENTS = ("Li", "Na", "K", "Mg", "Sr", "Ba", "Al", "Ti", "Mn", "Fe", "Nb", "Zn", "O", "S", "F", "Cl")
SPACE = Space(elements=ELEMENTS)


def known(group: str, lattice: Lattice, symbols: list[str], sites: list[list[float]]) -> Crystal:
    return Crystal.from_pymatgen(from_spacegroup(group, lattice, symbols, sites).get_primitive_structure())


def perovskite(a: str, b: str, x: str = "O", length: float = 3.9) -> Crystal:
    return known("Pm-3m", Lattice.cubic(length), [a, b, x], [[0] * 3, [0.5] * 3, [0.5, 0.5, 0]])


PARENTS = {
    "rock salt": known("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3]),
    "perovskite": perovskite("Sr", "Ti"),
    "ferrate": perovskite("Sr", "Fe", length=3.85),
    "rutile": known("P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0] * 3, [0.305, 0.305, 0]]),
    "wurtzite": known("P6_3mc", Lattice.hexagonal(3.82, 6.26), ["Zn", "S"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]]),
    "spinel": known("Fd-3m", Lattice.cubic(8.4), ["Fe", "Fe", "O"], [[1 / 8] * 3, [0.5] * 3, [0.255] * 3]),
    "alloy": known("Pm-3m", Lattice.cubic(2.88), ["Fe", "Al"], [[0] * 3, [0.5] * 3]),
}


def pools(parents: dict[str, Crystal], seed: int = 0, chunk: int = 64, start: int = 0, **options: int) -> list:
    generator = PartialSubstitution(SPACE, Generate(), chunk, **options)  # type: ignore[arg-type]
    batch = CrystalBatch.from_crystals(parents.values())
    return list(generator.generate(batch, list(parents), 3, np.random.default_rng(seed), start))


def everything(*names: str, **options: int) -> CandidatePool:
    return CandidatePool.concatenate(pools({n: PARENTS[n] for n in names or PARENTS}, **options), 3)


def skipped(crystal: Crystal, space: Space = SPACE) -> dict[str, int]:
    generator = PartialSubstitution(space, Generate())
    list(generator.generate(CrystalBatch.from_crystals([crystal]), ["x"], 1, np.random.default_rng(0)))
    return dict(generator.skipped)


@pytest.fixture(scope="module")
def pool() -> CandidatePool:
    return everything(max_index=2)


@pytest.mark.parametrize(("parent", "old"), [("perovskite", "Ti4+"), ("ferrate", "Fe4+")])
def test_double_perovskite_with_rock_salt_order(parent: str, old: str) -> None:
    """Sr2FeNbO6 from SrFeO3, Sr2TiNbO6 from SrTiO3: Fm-3m, B and B' alternating along all three axes."""
    pool = everything(parent, max_index=2)
    changes = [c for c in set(pool.changes) if c.startswith(f"{old} -> Nb") and c.endswith("(1 of 2)")]
    assert len(changes) == 1  # niobium at one charge only
    halves = [i for i, change in enumerate(pool.changes) if change == changes[0]]
    groups = [SpacegroupAnalyzer(pool.crystals[i].to_pymatgen(), 0.01).get_space_group_symbol() for i in halves]
    assert sorted(groups) == ["Fm-3m", "P4/mmm", "P4/mmm"]  # rock salt, layers, columns
    double = pool.crystals[halves[groups.index("Fm-3m")]]
    iron = old.rstrip("+0123456789")
    assert double.counts[[atomic_number(e) for e in ("Sr", iron, "Nb", "O")]].tolist() == [2, 1, 1, 6]
    assert pool.multiplicities[halves].tolist() == [2, 2, 2]


def test_rock_salt_at_half_gives_its_two_superstructures() -> None:
    pool = everything("rock salt", max_index=2)
    found = [i for i, change in enumerate(pool.changes) if change == "Na1+ -> Li1+ (1 of 2)"]
    groups = [SpacegroupAnalyzer(pool.crystals[i].to_pymatgen(), 0.01).get_space_group_symbol() for i in found]
    assert sorted(groups) == ["P4/mmm", "R-3m"]  # layers along [001] and [111]


def test_primitive_cell_choices_and_their_multiplicity() -> None:
    pool = everything("perovskite", max_index=1)
    of = dict(zip(pool.changes, pool.multiplicities.tolist(), strict=True))
    assert of["O2- -> S2- (1 of 3)"] == of["O2- -> S2- (2 of 3)"] == 3
    assert not any("(3 of 3)" in change or "Ti" in change.split(" -> ")[0] for change in of)


def test_mixed_valence_is_replaced_state_by_state() -> None:
    changes = everything("spinel", max_index=1).changes
    assert "Fe3+ -> Al3+ (2 of 4)" in changes
    assert "Fe2+ -> Mg2+ (1 of 2)" in changes
    assert not any(c.startswith("Fe") and "-> Fe" in c for c in changes)


def test_every_candidate_is_neutral_likely_and_inside_the_space(pool: CandidatePool) -> None:
    assert len(pool) > 500
    assert (pool.probabilities > Generate().threshold).all()
    assert (pool.probabilities < 1).all()
    assert set(np.unique(pool.crystals.numbers).tolist()) <= {atomic_number(e) for e in ELEMENTS}
    kinds = (pool.crystals.counts > 0).sum(axis=1)
    assert ((kinds >= SPACE.min_elements) & (kinds <= SPACE.max_elements)).all()
    assert charge_balanced(pool.crystals.counts).all()
    assert (pool.crystals.n_atoms <= Generate().max_atoms).all()
    assert (pool.multiplicities >= 1).all()


def test_the_change_says_what_was_done(pool: CandidatePool) -> None:
    for i, change in enumerate(pool.changes):
        ions, sites = change.removesuffix(")").split(" (")
        old, new = (ion.rstrip("+-0123456789") for ion in ions.split(" -> "))
        assert ions[-1] == ions.split(" -> ")[0][-1]  # cation for cation, anion for anion
        chosen, of = (int(n) for n in sites.split(" of "))
        assert 0 < chosen < of
        crystal, parent = pool.crystals[i], PARENTS[pool.parent_ids[i]]
        expected = parent.counts * len(crystal) // len(parent)
        expected[atomic_number(old)] -= chosen
        expected[atomic_number(new)] += chosen
        assert (crystal.counts == expected).all()


def test_no_element_becomes_both_cation_and_anion() -> None:
    """A sulfate's sulfur is a cation: its oxygen must not become sulfide."""
    sulfate = known("Cmcm", Lattice.orthorhombic(5.1, 7.9, 6.9), ["Mg", "S", "O"],
                    [[0, 0, 0], [0, 0.35, 0.25], [0.25, 0.46, 0.25]])  # fmt: skip
    found = CandidatePool.concatenate(pools({"sulfate": sulfate}, max_index=1), 3)
    oxide_changes = {c.split(" (")[0] for c in found.changes if c.startswith("O2-")}
    assert "O2- -> F1-" in {c.split(" (")[0] for c in everything("perovskite", charge_balance=False).changes}
    assert not any("S" in c for c in oxide_changes)


def test_volume_lies_between_parent_and_full_replacement() -> None:
    pool = everything("rock salt", max_index=2)
    per_site = PARENTS["rock salt"].volume
    volume = dict(zip(pool.changes, pool.crystals.volumes / pool.crystals.n_atoms * 2, strict=True))
    assert 35.0 < volume["Na1+ -> Li1+ (1 of 2)"] < per_site < volume["Na1+ -> K1+ (1 of 2)"] < 62.0


@pytest.mark.parametrize(("name", "max_index"), [("rock salt", 4), ("rutile", 2), ("wurtzite", 2), ("perovskite", 2)])
def test_candidates_of_a_parent_are_pairwise_distinct(name: str, max_index: int) -> None:
    """By StructureMatcher, among those of the same composition and change of ions."""
    pool = everything(name, max_index=max_index)
    groups: dict[tuple[str, str], list[Structure]] = {}
    formulas = pool.crystals.reduced_formulas()
    for i, (change, formula) in enumerate(zip(pool.changes, formulas, strict=True)):
        groups.setdefault((change.split(" (")[0], formula), []).append(pool.crystals[i].to_pymatgen())
    # One change of each ion: the choices of sites are the same for all.
    first = {(change.split(" ")[0], len(members)): members for (change, _), members in sorted(groups.items())}
    matcher = StructureMatcher(attempt_supercell=False)
    compared = 0
    for members in first.values():
        for a, b in combinations(members[:12], 2):
            assert not matcher.fit(a, b)
            compared += 1
    assert compared > 3


def test_an_alloy_is_skipped_and_counted() -> None:
    assert skipped(PARENTS["alloy"]) == {"no neutral oxidation states": 1}


def test_bad_parents_are_skipped_by_cause() -> None:
    assert skipped(Crystal.make([11, 17], [[0, 0, 0], [0, 0, 0]], np.eye(3) * 4)) == {"no symmetry found": 1}
    assert skipped(Crystal.make([11, 17], [[0, 0, 0], [0.5] * 3], np.zeros((3, 3)))) == {"no symmetry found": 1}
    assert skipped(PARENTS["rutile"], Space(elements=("Mg", "O"))) == {"outside the chemical space": 1}
    assert skipped(perovskite("Sr", "Ti"), Space(elements=ELEMENTS, max_elements=2)) == {
        "outside the chemical space": 1
    }
    many = Crystal.make(np.repeat([11, 17], 12), np.random.default_rng(0).random((24, 3)), np.eye(3) * 9)
    assert skipped(many) == {"primitive cell too large": 1}
    # No probabilities are known for Pa5+, but oxygen can still be replaced.
    parent = perovskite("Na", "Pa", length=4.3)
    space = Space(elements=(*ELEMENTS, "Pa"), allow_radioactive=True)
    assert skipped(parent, space) == {"a species has no probabilities": 1}


def listed(pool: CandidatePool) -> list[tuple[str, str, str]]:
    return list(zip(pool.parent_ids, pool.changes, [c.content_id for c in pool.crystals], strict=True))


def test_the_seed_decides_the_order_and_nothing_else(pool: CandidatePool) -> None:
    again, other = (everything(max_index=2, seed=s) for s in (0, 1))
    assert listed(again) == listed(pool)
    assert listed(other) != listed(pool)
    assert sorted(listed(other)) == sorted(listed(pool))
    assert len(set(listed(pool))) == len(pool)


@pytest.mark.parametrize("start", [0, 1, 3, 8, 10**6])
def test_the_stream_resumes_exactly(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PartialSubstitution, "block", 2)
    whole = pools(PARENTS, max_index=2)
    assert len(whole) > 12
    rest = pools(PARENTS, max_index=2, start=start)
    assert [listed(p) for p in rest] == [listed(p) for p in whole[start:]]


def test_the_likely_tend_to_come_first() -> None:
    def halves(seed: int) -> tuple[float, float]:
        p = everything("perovskite", seed=seed).probabilities
        return float(p[: len(p) // 4].mean()), float(p[len(p) // 4 :].mean())

    first, rest = np.mean([halves(seed) for seed in range(5)], axis=0)
    assert first > 1.2 * rest


def test_symmetric_and_crowded_parents_share_the_first_chunk() -> None:
    """Rock salt has tens of choices of sites, wurtzite hundreds: neither hides the other."""
    first = pools({n: PARENTS[n] for n in ("rock salt", "wurtzite")}, chunk=64)[0]
    assert 10 < first.parent_ids.count("rock salt") < 54


def test_without_charge_balance_there_is_more() -> None:
    free = everything("rutile", max_index=1, charge_balance=False)
    bound = everything("rutile", max_index=1)
    assert set(listed(bound)) < set(listed(free))
    assert charge_balanced(free.crystals.counts).mean() < 1


def test_bounds_cut_blocks_and_supercells_not_the_stream(pool: CandidatePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "BLOCK_POSSIBILITIES", 1)  # a block a parent
    assert sorted(listed(everything(max_index=2))) == sorted(listed(pool))
    monkeypatch.setattr(partial, "MAX_CHOICES", 20)
    fewer = everything("rutile", max_index=2)
    assert skipped(PARENTS["rutile"]) == {"too many choices of sites": 1}
    assert set(listed(fewer)) < {c for c in listed(pool) if c[0] == "rutile"}


def test_prototypes_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    worked_out = []

    def counted(*of: Any) -> Decorations:
        worked_out.append(of)
        return decorations(*of)

    monkeypatch.setattr(partial, "decorations", counted)
    generator = PartialSubstitution(SPACE, Generate())
    family = [perovskite(a, b) for a, b in (("Sr", "Ti"), ("Ba", "Ti"), ("Sr", "Mn"))]
    batch = CrystalBatch.from_crystals(family)
    found = list(generator.generate(batch, ["a", "b", "c"], 1, np.random.default_rng(0)))
    assert len(worked_out) == 1
    assert {symbol(z) for p in found for z in np.unique(p.crystals.numbers)} <= set(ELEMENTS)
