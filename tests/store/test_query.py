"""Queries against a plain Python filter, and what a person sees of the store."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.small_campaign import CRYSTALS, LEVEL, begin, pool, prediction, verdict, verification

from gnome_lite.chemistry.space_groups import crystal_system, number_of, symbol_of
from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import ConfigError, StoreError
from gnome_lite.core.records import Failure
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import SORTS, Query, to_dataframe

IDS = [c.content_id for c in CRYSTALS]


def formulas(store: SqlStore, **fields: object) -> list[str]:
    return [c.formula for c in store.query(Query(**fields))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["KCl", "LiF", "NaMnF3", "NaCl"]),
        ({"elements": ("Na",)}, ["NaMnF3", "NaCl"]),
        ({"elements": ("F", "Na")}, ["NaMnF3"]),
        ({"only": ("Li", "F", "Na", "Cl")}, ["LiF", "NaCl"]),
        ({"exclude": ("F",)}, ["KCl", "NaCl"]),
        ({"chemical_system": "Na-Mn-F"}, ["NaMnF3"]),
        ({"formula": "Na2Cl2"}, ["NaCl"]),
        ({"e_above_hull_max": 0.05}, ["KCl", "LiF", "NaMnF3"]),
        ({"n_sites_min": 3}, ["NaMnF3"]),
        ({"n_sites_max": 2, "limit": 2}, ["KCl", "LiF"]),
        ({"space_group": "Pm-3m"}, ["NaMnF3"]),
        ({"space_group": 225, "novel": True}, ["LiF", "NaCl"]),
        ({"novel": False}, ["KCl"]),
        ({"ordering_suspect": True}, []),
        ({"round": 2}, []),
        ({"campaign": "nobody"}, []),
        ({"limit": 0}, []),
        ({"sort": "n_sites"}, ["KCl", "LiF", "NaCl", "NaMnF3"]),
        ({"sort": "p_stable"}, ["LiF", "NaCl", "KCl", "NaMnF3"]),
        ({"include_unverified": True, "elements": ("Hf",)}, ["HfC"]),
        ({"include_unverified": True, "only": ("Hf", "C", "Sr", "Ti", "O")}, ["HfC", "SrTiO3"]),
        ({"include_unverified": True, "campaign": "first", "round": 1, "exclude": ("F", "Cl")}, ["HfC", "SrTiO3"]),
    ],
)
def test_filters(played: SqlStore, fields: dict[str, object], expected: list[str]) -> None:
    found = formulas(played, **fields)
    assert sorted(found) == sorted(expected)
    if fields.get("sort"):
        # Ties go by id, which follows no order of names.
        key = {"n_sites": lambda f: 5 if f == "NaMnF3" else 2, "p_stable": expected.index}[str(fields["sort"])]
        assert [key(f) for f in found] == sorted(key(f) for f in found)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["Li", "F", "Na", "Cl", "Hf", "O"]), max_size=2),
    st.lists(st.sampled_from(["Li", "F", "Na", "Cl", "Hf", "C", "K"]), max_size=5),
    st.lists(st.sampled_from(["Li", "F", "K", "Sr", "Hf"]), max_size=2),
)
def test_element_filters_as_sets(templates, elements: list[str], only: list[str], exclude: list[str]) -> None:
    store = SqlStore.open(templates / "played.sqlite")
    query = Query(elements=elements, only=only, exclude=exclude, include_unverified=True)
    expected = set()
    for crystal in CRYSTALS:
        inside = set(crystal.numbers.tolist())
        wanted, allowed, banned = ({atomic_number(e) for e in group} for group in (elements, only, exclude))
        if wanted <= inside and (not allowed or inside <= allowed) and not inside & banned:
            expected.add(crystal.content_id)
    assert {c.id for c in store.query(query)} == expected


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("unverified", [False, True])
def test_every_sort_is_one_order(played: SqlStore, sort: str, unverified: bool) -> None:
    found = [c.id for c in played.query(Query(sort=sort, include_unverified=unverified))]
    assert sorted(found) == sorted(IDS if unverified else IDS[:4])
    assert found == [c.id for c in played.query(Query(sort=sort, include_unverified=unverified))]


def test_fields_of_a_hit(played: SqlStore) -> None:
    hit = next(c for c in played.query(Query()) if c.formula == "LiF")
    assert hit.crystal is not None
    np.testing.assert_array_equal(hit.crystal.lattice, verification(CRYSTALS[0]).crystal.lattice)
    np.testing.assert_array_equal(hit.input_crystal.lattice, CRYSTALS[0].lattice)
    assert (hit.space_group_number, hit.space_group, hit.level, hit.campaign, hit.round) == (
        225,
        "Fm-3m",
        LEVEL,
        "first",
        1,
    )
    assert hit.products == (("ref-3", "Li", 0.5), ("ref-9", "F2", 0.5))
    assert (hit.p_stable, hit.stable, hit.novel) == (0.9, True, True)
    assert hit.volume_per_atom == pytest.approx(hit.crystal.volume / 2)
    assert hit.density == pytest.approx(hit.crystal.to_pymatgen().density, rel=1e-3)
    with pytest.raises(FrozenInstanceError):
        hit.formula = "X"  # type: ignore[misc]


def test_an_unverified_hit_has_no_verdict(played: SqlStore) -> None:
    (hit,) = played.query(Query(elements=("Hf",), include_unverified=True))
    assert (hit.crystal, hit.stable, hit.level, hit.space_group, hit.products) == (None, None, None, None, ())
    assert (hit.campaign, hit.round) == ("first", 1)
    assert hit.p_stable == pytest.approx(0.4)


def test_the_latest_verdict_counts(played: SqlStore) -> None:
    played.add_verdicts("first", 2, [verdict(CRYSTALS[0], 0.07, "hull-2"), verdict(CRYSTALS[1], 0.0, "hull-2")], {})
    found = {c.id: (c.e_above_hull_ev_per_atom, c.hull_id) for c in played.query(Query())}
    assert found[IDS[0]] == (0.07, "hull-2")
    assert found[IDS[1]] == (0.0, "hull-2")
    assert found[IDS[2]] == (0.0, "hull-1")
    assert played.verdicts("first", 1)[IDS[0]].hull_id == "hull-1"


def test_each_campaign_has_its_own_verdict(played: SqlStore) -> None:
    begin(played, "second")
    played.add_candidates("second", pool(CRYSTALS[:2]), ["f0", "f1"], {})
    played.add_predictions("second", 1, [prediction(CRYSTALS[0], 0.33)], {})
    played.add_selection("second", 1, [IDS[0]], [], {})
    played.add_verdicts("second", 1, [verdict(CRYSTALS[0], 0.4, "hull-of-second")], {})
    assert [(c.id, c.hull_id, c.campaign, c.p_stable) for c in played.query(Query(campaign="second"))] == [
        (IDS[0], "hull-of-second", "second", 0.33)
    ]
    first = {c.id: c.hull_id for c in played.query(Query(campaign="first"))}
    assert first == dict.fromkeys(IDS[:4], "hull-1")
    overall = {c.id: (c.hull_id, c.campaign) for c in played.query(Query())}
    assert overall[IDS[0]] == ("hull-of-second", "first")
    assert len(overall) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"elements": ("Xx",)}, "elements: there is no element 'Xx'"),
        ({"exclude": "Li"}, "exclude is 'Li': give a sequence"),
        ({"chemical_system": "Li--O"}, "chemical_system: there is no element ''"),
        ({"formula": "Li2Quux"}, "is not a formula"),
        ({"formula": ""}, "is not a formula"),
        ({"space_group": "Zz"}, "there is no space group 'Zz'"),
        ({"space_group": 231}, "there is no space group 231"),
        ({"sort": "beauty"}, "cannot sort by 'beauty': choose from e_above_hull"),
        ({"limit": -1}, "limit is -1"),
        ({"n_sites_min": 5, "n_sites_max": 2}, "no crystal has between 5 and 2 sites"),
        ({"e_above_hull_max": float("nan")}, "e_above_hull_max is nan"),
    ],
)
def test_bad_queries_are_told_in_one_line(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Query(**fields)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_space_groups_by_symbol() -> None:
    assert [number_of(s) for s in ("Fm-3m", "F m -3 m", "P2_1/c", "225", 1)] == [225, 225, 14, 225, 1]
    assert len({symbol_of(n) for n in range(1, 231)}) == 230
    assert [crystal_system(n) for n in (2, 14, 62, 123, 148, 194, 225)] == [
        "triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic",
    ]  # fmt: skip


def test_show_tells_everything(played: SqlStore) -> None:
    parent = IDS[0]
    played.add_candidates("first", pool((CRYSTALS[5],), 2, (parent,)), ["f5"], {})
    child = CRYSTALS[0].make([3, 35], CRYSTALS[0].frac_coords, CRYSTALS[0].lattice)
    played.add_candidates("first", pool((child,), 3, (parent,)), ["f9"], {})
    history = played.show(child.content_id)
    assert [(a.id, a.formula) for a in history.lineage] == [(parent, "LiF"), ("ref-11", None)]
    assert (history.formula, history.chemical_system, history.campaigns) == ("LiBr", "Br-Li", (("first", 3),))
    told = played.show(IDS[4][:12])
    assert told.candidate.id == IDS[4]
    assert told.verifications[0].verification.failure is Failure.TIMEOUT
    assert (told.selections[0].role, told.predictions[0].prediction.p_stable) == ("control", pytest.approx(0.5))
    assert played.show(parent).verdicts[0].verdict == verdict(CRYSTALS[0], 0.0)
    with pytest.raises(StoreError, match="no crystal 'gl-zzz'"):
        played.show("gl-zzz")
    with pytest.raises(StoreError, match="begins more than one id"):
        played.show("gl-")
    with pytest.raises(StoreError, match="no crystal ''"):
        played.show("")


def test_status_counts(played: SqlStore) -> None:
    begin(played, "second")
    status = played.status()
    first, second = status.campaigns
    assert (status.candidates, status.verifications, status.schema_version) == (6, 5, 5)
    (round,) = first.rounds
    assert (round.candidates, round.predicted, round.selected, round.verified, round.failed) == (6, 6, 5, 5, 1)
    assert (round.judged, round.stable, round.novel) == (4, 2, 1)
    assert set(round.steps) == {"generate", "predict", "acquire", "verify", "judge", "learn"}
    assert first.failures == {"timeout": 1}
    assert [(r, m.id) for r, m in first.models] == [(0, "model-0"), (1, "model-1")]
    assert (first.level, first.n_references, second.rounds) == (LEVEL, 11, ())


def test_dataframe_has_the_columns_of_gnomes_release(played: SqlStore) -> None:
    frame = to_dataframe(played.query(Query(include_unverified=True)))
    assert len(frame) == 6
    row = frame.set_index("Reduced Formula").loc["NaMnF3"]
    assert (row["Composition"], row["NSites"], row["Crystal System"]) == ("F3Mn1Na1", 5, "cubic")
    assert row["Volume"] == pytest.approx((4.2 * 1.01) ** 3)
    assert row["Decomposition Energy Per Atom"] == 0.03
    assert to_dataframe([]).columns.tolist() == frame.columns.tolist()


def test_a_query_needs_nothing_heavy(played: SqlStore) -> None:
    code = (
        "import sys; from gnome_lite.store.database import SqlStore; from gnome_lite.store.query import Query;"
        f"assert len(SqlStore.open({played.name!r}, create=False).query(Query(elements=('Na',)))) == 2;"
        "print([m for m in ('torch', 'pymatgen', 'pandas', 'scipy.optimize', 'ase.db') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
