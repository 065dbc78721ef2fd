"""Against pymatgen's PhaseDiagram, and what must hold of any hull.

Covers `hull`, `systems`, `growing` and `system_index`.
"""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from gnome_lite.core.crystals import MAX_Z, Crystal, atomic_number
from gnome_lite.core.errors import ConfigError, LevelMismatchError, MissingReferenceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Failure, Phase, Verification
from gnome_lite.stability.hull import ChemicalHull, build_hull

TOLERANCE_EV_PER_ATOM = 1e-6
DATA = Path(os.environ.get("GNOME_LITE_BENCHMARK_DATA", Path(__file__).parents[3] / "shared" / "data"))
ELEMENTS = ("Li", "O", "Fe", "P", "Na", "Cl")

Compound = tuple[dict[str, int], float]
"""Atoms of each element and formation energy, eV/atom."""


def to_counts(compositions: Sequence[dict[str, int]]) -> NDArray[np.int64]:
    counts = np.zeros((len(compositions), MAX_Z + 1), np.int64)
    for row, composition in zip(counts, compositions, strict=True):
        for element, n in composition.items():
            row[atomic_number(element)] = n
    return counts


def to_hull(phases: Sequence[Compound], level: str = "L") -> ChemicalHull:
    counts = to_counts([c for c, _ in phases])
    return ChemicalHull(level, [f"e{i}" for i in range(len(phases))], counts, np.array([e for _, e in phases]))


def to_entries(phases: Sequence[Compound]) -> list[PDEntry]:
    return [PDEntry(Composition(c), e * sum(c.values())) for c, e in phases]


def assert_as_pymatgen(
    hull: ChemicalHull, phases: Sequence[Compound], entries: Sequence[PDEntry], on_hull: int
) -> None:
    """Energies above hull of all entries; decomposition energies of the first `on_hull` of those on the hull."""
    ids = [f"e{i}" for i in range(len(phases))]
    diagram = PhaseDiagram(list(entries))
    ours = hull.verdicts(ids)
    theirs = np.array([diagram.get_e_above_hull(e, check_stable=False) for e in entries])
    assert np.abs(np.array([v.e_above_hull_ev_per_atom for v in ours]) - theirs).max() < TOLERANCE_EV_PER_ATOM
    for i, entry in enumerate(entries):
        if theirs[i] > TOLERANCE_EV_PER_ATOM:
            assert ours[i].decomposition_ev_per_atom == pytest.approx(theirs[i], abs=TOLERANCE_EV_PER_ATOM)
        elif on_hull > 0 and len(phases[i][0]) > 1:
            on_hull -= 1
            rest = PhaseDiagram([e for e in entries if e is not entry])
            products, distance = rest.get_decomp_and_e_above_hull(entry, allow_negative=True)
            assert ours[i].decomposition_ev_per_atom == pytest.approx(distance, abs=TOLERANCE_EV_PER_ATOM)
            assert sum(w for _, _, w in ours[i].products) == pytest.approx(1.0)
            assert len(products) >= 1


def read_mp_entries() -> tuple[list[Compound], list[PDEntry]]:
    path = DATA / "mp_entries_Fe-Li-O-P.json.gz"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with gzip.open(path, "rt") as file:
        docs = json.load(file)
    entries = [PDEntry(Composition(d["composition"]), d["energy"] + d["correction"]) for d in docs]
    elemental = PhaseDiagram(entries).el_refs
    phases = []
    for d, entry in zip(docs, entries, strict=True):
        composition = {el: round(n) for el, n in d["composition"].items()}
        reference = sum(n * elemental[el].energy_per_atom for el, n in entry.composition.items())
        phases.append((composition, (entry.energy - reference) / entry.composition.num_atoms))
    return phases, entries


def test_mp_entries_as_pymatgen() -> None:
    phases, entries = read_mp_entries()
    assert len(phases) == 943
    hull = to_hull(phases)
    assert_as_pymatgen(hull, phases, entries, on_hull=4)
    assert sum(v.e_above_hull_ev_per_atom == 0 for v in hull.verdicts([f"e{i}" for i in range(943)])) == 40


def test_mp_products_as_pymatgen() -> None:
    phases, entries = read_mp_entries()
    diagram, hull = PhaseDiagram(entries), to_hull(phases)
    unstable = [i for i, e in enumerate(entries) if diagram.get_e_above_hull(e) > 0.01][::25]
    for i, verdict in zip(unstable, hull.verdicts([f"e{i}" for i in unstable]), strict=True):
        theirs = {
            e.composition.reduced_formula: w for e, w in diagram.get_decomposition(entries[i].composition).items()
        }
        ours = {formula: w for _, formula, w in verdict.products}
        assert ours == pytest.approx({f: w for f, w in theirs.items() if w > 1e-6}, abs=1e-5)


def made_up_system(n: int = 40) -> list[Compound]:
    """Fe-Li-O-P as the Materials Project might have it: elements, n compounds, and a polymorph of every fifth of them.

    Energies are those of bonds by Pauling's electronegativities with a scatter, so that hull and ties are realistic.
    """
    rng = np.random.default_rng(16)
    chi = {"Fe": 1.83, "Li": 0.98, "O": 3.44, "P": 2.19}
    phases: list[Compound] = [({element: 1}, 0.0) for element in chi]
    while len(phases) < len(chi) + n:
        amounts = {el: k for el, k in zip(chi, rng.integers(0, 4, 4).tolist(), strict=True) if k}
        if len(amounts) > 1:
            x = np.array(list(amounts.values())) / sum(amounts.values())
            gains = np.subtract.outer(*[[chi[el] for el in amounts]] * 2) ** 2
            phases.append((amounts, round(float(-0.5 * x @ gains @ x + rng.normal(0, 0.1)), 4)))
    polymorphs = [({el: 2 * k for el, k in c.items()}, e + 0.03) for c, e in phases[len(chi) :: 5]]
    return [*phases, *polymorphs]


def test_a_made_up_quaternary_system_as_pymatgen() -> None:
    phases = made_up_system()
    entries, hull = to_entries(phases), to_hull(phases)
    assert_as_pymatgen(hull, phases, entries, on_hull=8)
    verdicts = hull.verdicts([f"e{i}" for i in range(len(phases))])
    diagram = PhaseDiagram(entries)
    assert sum(v.e_above_hull_ev_per_atom == 0 for v in verdicts) == len(diagram.stable_entries)
    above = [i for i, entry in enumerate(entries) if diagram.get_e_above_hull(entry) > 0.01]
    assert len(above) > 20
    for i in above:
        theirs = diagram.get_decomposition(entries[i].composition).items()
        ours = {formula: amount for _, formula, amount in verdicts[i].products}
        assert ours == pytest.approx({e.composition.reduced_formula: w for e, w in theirs if w > 1e-6}, abs=1e-5)


@st.composite
def systems(draw: st.DrawFn) -> list[Compound]:
    """Elements at zero and compounds of 1-6 elements, with polymorphs, coplanar and tied energies."""
    n_elements = draw(st.integers(1, 6))
    elements = ELEMENTS[:n_elements]
    energy = st.floats(-4, 2).map(lambda e: round(e, 4)) | st.sampled_from([0.0, -0.5, -1.0, -1.0, 1.0])
    compound = st.tuples(
        st.lists(st.integers(0, 4), min_size=n_elements, max_size=n_elements)
        .filter(any)
        .map(lambda ns: {el: n for el, n in zip(elements, ns, strict=True) if n}),
        energy,
    )
    compounds = [(c, abs(e) if len(c) == 1 else e) for c, e in draw(st.lists(compound, max_size=25))]
    return [({el: 1}, 0.0) for el in elements] + compounds


@settings(max_examples=60, deadline=None)
@given(systems())
def test_generated_systems_as_pymatgen(phases: list[Compound]) -> None:
    assert_as_pymatgen(to_hull(phases), phases, to_entries(phases), on_hull=2)


@settings(max_examples=40, deadline=None)
@given(systems(), st.integers(1, 10**6))
def test_another_phase_never_raises_the_hull(phases: list[Compound], seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 5, (20, len(ELEMENTS)))
    targets = targets[targets.any(axis=1)]
    full = [({el: 1}, 0.0) for el in ELEMENTS] + phases
    counts = to_counts([{el: int(n) for el, n in zip(ELEMENTS, row, strict=True) if n} for row in targets])
    before = to_hull(full[:-1]).distances(counts, np.zeros(len(counts)))
    after = to_hull(full).distances(counts, np.zeros(len(counts)))
    assert (after >= before - 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(systems())
def test_energy_above_hull_is_the_positive_part_of_the_decomposition_energy(phases: list[Compound]) -> None:
    for v, (composition, _) in zip(
        to_hull(phases).verdicts([f"e{i}" for i in range(len(phases))]), phases, strict=True
    ):
        assert v.e_above_hull_ev_per_atom == max(0.0, v.decomposition_ev_per_atom)
        if v.products:
            atoms = dict.fromkeys(composition, 0.0)
            for entry_id, _, fraction in v.products:
                product, _ = phases[int(entry_id[1:])]
                for element, n in product.items():
                    atoms[element] += fraction * n / sum(product.values())
            total = sum(composition.values())
            assert atoms == pytest.approx({el: n / total for el, n in composition.items()}, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(systems(), systems())
def test_a_hull_that_grew_is_the_hull_built_at_once(first: list[Compound], later: list[Compound]) -> None:
    """Entries added one by one give the same verdicts and ids, and every verdict that changes was announced."""
    first = [({el: 1}, 0.0) for el in ELEMENTS] + first
    grown, ids = to_hull(first), [f"e{i}" for i in range(len(first))]
    before = dict(zip(ids, grown.verdicts(ids), strict=True))
    for composition, energy in later:
        entry_id = f"e{len(ids)}"
        ids.append(entry_id)
        announced = grown.add(entry_id, to_counts([composition])[0], energy)
        now = dict(zip(ids, grown.verdicts(ids), strict=True))
        assert entry_id in announced
        for i in before.keys() - set(announced):
            assert now[i] == before[i]
        before = now
    everything = first + later
    at_once = to_hull(everything)
    assert grown.id == at_once.id
    for ours, theirs in zip(grown.verdicts(ids), at_once.verdicts(ids), strict=True):
        assert ours.hull_id == theirs.hull_id
        assert ours.decomposition_ev_per_atom == pytest.approx(theirs.decomposition_ev_per_atom, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(systems(), st.integers(0, 10**6))
def test_another_phase_never_lowers_anothers_energy_above_hull(phases: list[Compound], seed: int) -> None:
    """A lower hull only goes down as entries come in: e_above_hull of all others stays or rises."""
    phases = [({el: 1}, 0.0) for el in ELEMENTS] + phases
    ids = [f"e{i}" for i in range(len(phases))]
    hull = to_hull(phases)
    before = np.array([v.e_above_hull_ev_per_atom for v in hull.verdicts(ids)])
    rng = np.random.default_rng(seed)
    counts = np.zeros(MAX_Z + 1, np.int64)
    counts[[atomic_number(el) for el in rng.choice(ELEMENTS, 3, replace=False)]] = rng.integers(1, 5, 3)
    hull.add("new", counts, -5.0 * rng.random())
    after = np.array([v.e_above_hull_ev_per_atom for v in hull.verdicts(ids)])
    assert (after >= before - 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(systems(), st.integers(0, 10**6))
def test_the_hull_is_convex(phases: list[Compound], seed: int) -> None:
    hull = to_hull([({el: 1}, 0.0) for el in ELEMENTS] + phases)
    rng = np.random.default_rng(seed)
    columns = [atomic_number(el) for el in ELEMENTS]
    a, b = (np.zeros((20, MAX_Z + 1), np.int64) for _ in range(2))
    a[:, columns], b[:, columns] = rng.integers(1, 6, (20, 6)), rng.integers(1, 6, (20, 6))
    share = a.sum(axis=1) / (a + b).sum(axis=1)
    ground = [-hull.distances(counts, np.zeros(20)) for counts in (a, b, a + b)]
    assert (ground[2] <= share * ground[0] + (1 - share) * ground[1] + 1e-9).all()


@pytest.mark.parametrize("energy", [-100.0, 100.0, math.nan, math.inf])
def test_an_absurd_entry_changes_nothing(energy: float) -> None:
    """One entry of -100 eV/atom would put Li2O 62 eV/atom above the hull."""
    phases: list[Compound] = [({"Li": 1}, 0.0), ({"O": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0)]
    hull = to_hull(phases)
    before, hull_id = hull.verdicts(["e2"]), hull.id
    assert hull.add("absurd", to_counts([{"Li": 1, "O": 1}])[0], energy) == ["absurd"]
    assert hull.verdicts(["e2"]) == before
    assert hull.id == hull_id
    assert hull.census["in"] - hull.census["let in"] == 1
    assert len(hull) == 3


def test_what_cannot_be_added_leaves_the_hull_as_it_is() -> None:
    hull = to_hull([({"Li": 1}, 0.0), ({"O": 1}, 0.0)])
    with pytest.raises(MissingReferenceError, match="pure Fe"):
        hull.add("e9", to_counts([{"Fe": 1, "O": 1}])[0], -1.0)
    with pytest.raises(ValueError, match="e0 is twice"):
        hull.add("e0", to_counts([{"Li": 1}])[0], 0.0)
    assert list(hull.ids) == ["e0", "e1"]
    assert hull.add("Fe", to_counts([{"Fe": 1}])[0], 0.0) == ["Fe"]
    hull.add("e9", to_counts([{"Fe": 1, "O": 1}])[0], -1.0)
    assert hull.verdicts(["e9"])[0].decomposition_ev_per_atom == pytest.approx(-1.0)


def test_an_empty_system_is_refused() -> None:
    hull = to_hull([({"Li": 1}, 0.0)])
    with pytest.raises(ConfigError, match=r"name a chemical system, e\.g\. Li-Fe-O"):
        hull.system(())
    with pytest.raises(ValueError, match="composition 0 has no atom"):
        hull.distances(np.zeros((1, MAX_Z + 1), np.int64), np.zeros(1))
    assert len(hull.distances(np.zeros((0, MAX_Z + 1), np.int64), np.zeros(0))) == 0


@settings(max_examples=30, deadline=None)
@given(systems())
def test_mixtures_have_the_composition_and_the_energy_of_the_hull(phases: list[Compound]) -> None:
    hull = to_hull([({el: 1}, 0.0) for el in ELEMENTS] + phases)
    counts = np.zeros((30, MAX_Z + 1), np.int64)
    columns = [atomic_number(el) for el in ELEMENTS]
    counts[:, columns] = np.random.default_rng(0).integers(0, 4, (30, 6))
    counts[:, 3] += 1
    found = hull.mixtures(counts)
    np.testing.assert_allclose(found.energies_ev_per_atom, -hull.distances(counts, np.zeros(30)), atol=1e-9)
    fractions = hull.counts / hull.counts.sum(axis=1, keepdims=True)
    made = np.einsum("qw,qwz->qz", found.atom_fractions, fractions[found.products])
    np.testing.assert_allclose(made, counts / counts.sum(axis=1, keepdims=True), atol=1e-8)
    energies = (found.atom_fractions * hull.e_form_ev_per_atom[found.products]).sum(axis=1)
    np.testing.assert_allclose(energies, found.energies_ev_per_atom, atol=1e-8)


def test_a_hull_id_is_of_what_the_system_rests_on() -> None:
    phases: list[Compound] = [({el: 1}, 0.0) for el in ("Li", "Fe", "O")]
    phases += [({"Li": 2, "O": 1}, -2.0), ({"Li": 1, "Fe": 1, "O": 2}, -1.5)]
    hull = to_hull(phases)
    lio, lifeo = (3, 8), (3, 8, 26)
    before = hull.hull_id(lio), hull.hull_id(lifeo), hull.id
    assert before[0] != to_hull(phases, "another level").hull_id(lio)
    hull.add("high", to_counts([{"Li": 1, "O": 1}])[0], 0.5)  # no corner of Li-O: the wider system rests on the same
    assert hull.hull_id(lio) != before[0]
    assert hull.hull_id(lifeo) == before[1]
    assert hull.id != before[2]
    assert "e4" not in hull.add("higher", to_counts([{"Li": 1, "O": 1}])[0], 0.6)
    assert "e4" in hull.add("corner", to_counts([{"Li": 1, "O": 1}])[0], -1.9)
    assert hull.hull_id(lifeo) != before[1]


def test_order_and_supercells_do_not_matter() -> None:
    phases: list[Compound] = [({"Li": 1}, 0.0), ({"O": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0), ({"Li": 1, "O": 1}, -1.6)]
    counts = to_counts([{"Li": 3, "O": 2}, {"Li": 1, "O": 9}])
    reference = to_hull(phases).distances(counts, np.zeros(2))
    doubled = [({el: 2 * n for el, n in c.items()}, e) for c, e in phases]
    np.testing.assert_allclose(to_hull(phases[::-1]).distances(3 * counts, np.zeros(2)), reference, atol=1e-12)
    np.testing.assert_allclose(to_hull(doubled).distances(counts, np.zeros(2)), reference, atol=1e-12)


def test_polymorphs_are_other_phases() -> None:
    hull = to_hull([({"Li": 1}, 0.0), ({"O": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0), ({"Li": 4, "O": 2}, -1.9)])
    ground, excited = hull.verdicts(["e2", "e3"])
    assert ground.decomposition_ev_per_atom == pytest.approx(-0.1)
    assert ground.products == (("e3", "Li2O", 1.0),)
    assert excited.e_above_hull_ev_per_atom == pytest.approx(0.1)
    assert excited.products == (("e2", "Li2O", 1.0),)


def test_an_element_alone_has_nothing_to_decompose_into() -> None:
    (verdict,) = to_hull([({"Li": 2}, 0.0)]).verdicts(["e0"])
    assert (verdict.e_above_hull_ev_per_atom, verdict.decomposition_ev_per_atom, verdict.products) == (0.0, 0.0, ())


def test_eight_elements() -> None:
    elements = ("Li", "Na", "K", "Mg", "Ca", "Fe", "O", "F")
    rng = np.random.default_rng(0)
    phases: list[Compound] = [({el: 1}, 0.0) for el in elements]
    for _ in range(300):
        which = rng.choice(8, rng.integers(2, 5), replace=False)
        phases.append(({elements[k]: int(rng.integers(1, 5)) for k in which}, -float(rng.random())))
    everything = to_counts([dict.fromkeys(elements, 1)])
    ours = to_hull(phases).distances(everything, np.zeros(1))[0]
    from scipy.optimize import linprog

    fractions = to_counts([c for c, _ in phases])[:, [atomic_number(el) for el in elements]]
    fractions = fractions / fractions.sum(axis=1, keepdims=True)
    reference = linprog([e for _, e in phases], A_eq=fractions.T, b_eq=np.full(8, 1 / 8)).fun
    assert -ours == pytest.approx(reference, abs=1e-9)


def test_absurd_energies_are_refused_and_never_stable() -> None:
    phases: list[Compound] = [({"Li": 1}, 0.0), ({"O": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0)]
    hull = to_hull([*phases, ({"Li": 1, "O": 1}, -40.0), ({"Li": 1, "O": 2}, math.nan)])
    assert hull.census == {"in": 5, "let in": 3, "formation energy out of range": 1, "energy not finite": 1}
    assert len(hull) == 3
    (absurd,) = hull.verdicts(["e3"])
    assert absurd.e_above_hull_ev_per_atom > 10
    with pytest.raises(ValueError, match="e4 has no finite energy"):
        hull.verdicts(["e4"])
    with pytest.raises(ValueError, match="e9 is not an entry"):
        hull.verdicts(["e9"])
    counts = to_counts([{"Li": 1, "O": 1}])
    assert hull.distances(counts, np.zeros(1)) == to_hull(phases).distances(counts, np.zeros(1))
    assert np.isnan(hull.distances(counts, np.array([math.nan]))).all()


def test_a_missing_element_is_named() -> None:
    hull = to_hull([({"Li": 1}, 0.0), ({"O": 1}, 0.0)])
    with pytest.raises(MissingReferenceError, match=r"pure Fe"):
        hull.distances(to_counts([{"Fe": 1, "O": 1}]), np.zeros(1))


def crystal(composition: dict[str, int]) -> Crystal:
    numbers = [atomic_number(el) for el, n in composition.items() for _ in range(n)]
    return Crystal.make(numbers, np.random.default_rng(0).random((len(numbers), 3)), 4.0 * np.eye(3))


def reference(entry_id: str, composition: dict[str, int], energy_ev: float) -> Phase:
    return Phase(entry_id, crystal(composition), energy_ev, "L", "test", "CC0")


def verification(candidate_id: str, composition: dict[str, int], energy_ev: float, **changed: object) -> Verification:
    fields = {"level": "L", "failure": None, **changed}
    return Verification(candidate_id, crystal(composition), energy_ev, 0.01, 10, True, seconds=1.0, **fields)  # type: ignore[arg-type]


REFERENCES = PhaseSet.make(
    [reference("Li", {"Li": 1}, -1.0), reference("O", {"O": 2}, -8.0), reference("Li2O", {"Li": 2, "O": 1}, -12.0)]
)


def test_build_hull_joins_references_and_verified() -> None:
    better = verification("gl-1", {"Li": 4, "O": 2}, -24.6)
    failed = verification("gl-2", {"Li": 1, "O": 1}, math.nan, failure=Failure.TIMEOUT)
    hull = build_hull(REFERENCES.add([better, failed]))
    ours, known = hull.verdicts(["gl-1", "Li2O"])
    assert ours.e_form_ev_per_atom == pytest.approx((-24.6 + 4 + 8) / 6)
    assert ours.decomposition_ev_per_atom == pytest.approx(-0.1)
    assert ours.products == (("Li2O", "Li2O", 1.0),)
    assert known.e_above_hull_ev_per_atom == pytest.approx(0.1)
    assert len(hull) == 4


def test_entries_are_counted_in_and_out() -> None:
    failed = verification("gl-2", {"Li": 1, "O": 1}, math.nan, failure=Failure.TIMEOUT)
    absurd = verification("gl-3", {"Li": 1, "O": 1}, -200.0)
    double = verification("Li2O", {"Li": 2, "O": 1}, -12.0)
    hull = build_hull(REFERENCES.add([verification("gl-1", {"Li": 1, "O": 1}, -7.0), failed, absurd, double]))
    assert dict(hull.census) == {
        "in": 7,
        "let in": 4,
        "verification failed": 1,
        "also a reference": 1,
        "formation energy out of range": 1,
    }


def test_hull_id_depends_on_entries_and_energies_only() -> None:
    a, b = verification("gl-1", {"Li": 1, "O": 1}, -7.0), verification("gl-2", {"Li": 1, "O": 2}, -9.0)
    assert build_hull(REFERENCES.add([a, b])).id == build_hull(REFERENCES.add([b, a])).id
    assert build_hull(REFERENCES.add([a])).id != build_hull(REFERENCES.add([a, b])).id
    assert (
        build_hull(REFERENCES.add([verification("gl-1", {"Li": 1, "O": 1}, -7.1)])).id
        != build_hull(REFERENCES.add([a])).id
    )


def test_levels_never_meet() -> None:
    with pytest.raises(LevelMismatchError, match=r"gl-1 .* M, the reference phases are of L"):
        build_hull(REFERENCES.add([verification("gl-1", {"Li": 1, "O": 1}, -7.0, level="M")]))


def test_a_verified_crystal_of_an_unknown_element_names_it() -> None:
    with pytest.raises(MissingReferenceError, match="Fe"):
        build_hull(REFERENCES.add([verification("gl-1", {"Fe": 1, "O": 1}, -7.0)]))


def test_system_for_plots() -> None:
    phases: list[Compound] = [({el: 1}, 0.0) for el in ("Li", "Fe", "O", "P")]
    phases += [({"Li": 2, "O": 1}, -2.0), ({"Fe": 1, "O": 1}, -1.0), ({"Li": 1, "Fe": 1, "O": 2}, -1.2)]
    system = to_hull(phases).system(("O", "Li", "Fe"))
    assert system.elements == ("O", "Li", "Fe")
    assert set(system.ids) == {"e0", "e1", "e2", "e4", "e5", "e6"}
    assert dict(zip(system.ids, system.on_hull, strict=True)) == dict.fromkeys(system.ids, True) | {"e6": False}
    np.testing.assert_allclose(system.fractions[system.ids.index("e4")], [1 / 3, 2 / 3, 0])
    # Facets tile the composition triangle: their areas, relative to it, sum to 1.
    areas = np.abs(np.linalg.det(system.fractions[system.facets]))
    assert areas.sum() == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(systems())
def test_facets_tile_the_composition_simplex(phases: list[Compound]) -> None:
    elements = dict.fromkeys(el for composition, _ in phases for el in composition)
    system = to_hull(phases).system(elements)
    assert np.abs(np.linalg.det(system.fractions[system.facets])).sum() == pytest.approx(1.0, abs=1e-6)
