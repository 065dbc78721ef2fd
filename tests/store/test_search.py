"""Queries against a plain Python filter and sort; each order by an index."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.small_campaign import CRYSTALS, LEVEL, begin, higher, pool, prediction, rocksalt, verdict, verification
from sqlalchemy import Engine, event

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import ConfigError
from gnome_lite.store import contents
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import SORTS, Query, StoredCrystal

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
        ({"n_sites": "3-8"}, ["NaMnF3"]),
        ({"n_sites": 2, "stable": True}, ["KCl", "LiF"]),
        ({"elements": "F, Na"}, ["NaMnF3"]),
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


def test_a_query_needs_nothing_heavy(played: SqlStore) -> None:
    code = (
        "import sys; from gnome_lite.store.database import SqlStore; from gnome_lite.store.query import Query;"
        f"assert len(SqlStore.open({played.name!r}, create=False).query(Query(elements=('Na',)))) == 2;"
        "print([m for m in ('torch', 'pymatgen', 'pandas', 'scipy.optimize', 'ase.db') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# Levels and campaigns


def test_hits_at_a_level_have_its_verdict_and_its_crystal(played: SqlStore) -> None:
    found = higher(played)
    (hit,) = played.query(level=found.level)
    assert (hit.id, hit.level, hit.e_above_hull_ev_per_atom, hit.round) == (IDS[0], found.level, 0.02, 1)
    assert hit.crystal is not None
    np.testing.assert_array_equal(hit.crystal.lattice, verification(CRYSTALS[0]).crystal.lattice)
    assert {c.level for c in played.query()} == {LEVEL}
    assert len(played.query(level=LEVEL)) == len(played.query(level="tes")) == 4
    everything = played.query(level="higher", include_unverified=True)
    assert [c.level for c in everything] == [found.level] + [None] * 5


def test_confirmed_hits_are_on_the_hull_of_the_other_level_as_well(played: SqlStore) -> None:
    higher(played, level="sevennet-7net-mf-0-R2SCAN-1", e_above_hull=0.02)
    assert not list(played.query(confirmed="r2scan"))
    higher(played, level="other-R2SCAN", e_above_hull=0.0)
    (hit,) = played.query(confirmed="r2scan")
    assert (hit.id, hit.level) == (IDS[0], LEVEL), "its own verdict is told"
    assert [c.id for c in played.query(confirmed="r2scan", include_unverified=True)] == [IDS[0]]
    assert not list(played.query(confirmed="%")), "a word, not a pattern"


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"level": "chgnet"}, "'chgnet' is no level of this store: choose from higher-1, higher-2, test-1"),
        ({"level": "higher"}, "'higher' begins more than one level: choose from higher-1, higher-2"),
        ({"campaign": "nobody"}, "the store has no campaign 'nobody': it holds first, second"),
    ],
)
def test_what_the_store_does_not_hold_is_told_with_what_it_holds(
    played: SqlStore, filters: dict[str, str], message: str
) -> None:
    begin(played, "second")
    for level in ("higher-1", "higher-2"):
        higher(played, level=level)
    with pytest.raises(ConfigError) as error:
        played.query(**filters)
    assert str(error.value) == message


# Orders


@pytest.fixture(scope="module")
def mixed() -> SqlStore:
    """Thirty crystals of two campaigns that share some, in three rounds; predicted twice, once or never; verified or
    not; some at a second level too."""
    store, rng = SqlStore.in_memory(), np.random.default_rng(0)
    crystals = [rocksalt(c, a, 4.0 + 0.1 * k) for k, (c, a) in enumerate(product((3, 11, 19, 37, 55), (9, 17, 35, 53)))]
    crystals += [replace(c, lattice=c.lattice * 1.5) for c in crystals[:10]]
    for campaign, mine in (("one", crystals[:20]), ("two", crystals[12:])):
        begin(store, campaign)
        for round in (1, 2, 3):
            here = mine[round - 1 :: 3]
            store.add_candidates(campaign, pool(tuple(here), round), ["f"] * len(here), {})
            again = [c for k, c in enumerate(mine) if k % 3 < round and rng.random() < 0.6]
            predictions = [prediction(c, round_to_tie(rng.random()), rng.normal()) for c in again]
            store.add_predictions(campaign, round, predictions, {})
            chosen = [c for c in here if rng.random() < 0.8]
            for level in (LEVEL, "higher-1"):
                chosen = chosen if level == LEVEL else chosen[::2]
                store.add_selection(campaign, round, [c.content_id for c in chosen], [], {}, level)
                store.add_verifications(campaign, round, [verification(c, level=level) for c in chosen])
                verdicts = [
                    replace(verdict(c, round_to_tie(rng.random())), level=level, e_form_ev_per_atom=float(rng.normal()))
                    for c in chosen
                ]
                store.add_verdicts(campaign, round, verdicts, {}, level)
    return store


def round_to_tie(value: float) -> float:
    """Coarse enough that some are equal."""
    return float(np.round(value, 1))


@pytest.mark.parametrize("sort", SORTS)
def test_orders_are_those_of_python_with_what_lacks_the_key_last(mixed: SqlStore, sort: str) -> None:
    def key(c: StoredCrystal) -> tuple[Any, ...]:
        value = getattr(c, SORTS[sort])
        lacking = value is None
        return lacking, 0 if lacking else -value if sort == "p_stable" else value, c.id

    for campaign, level, unverified in product((None, "one", "two"), (None, LEVEL, "higher-1"), (False, True)):
        filters = {"campaign": campaign, "level": level, "include_unverified": unverified}
        everything = mixed.query(**filters)
        found = mixed.query(**filters, sort=sort)
        assert [c.id for c in found] == [c.id for c in sorted(everything, key=key)]
        assert [c.id for c in mixed.query(**filters, sort=sort, limit=5)] == [c.id for c in found[:5]]
        assert len({c.id for c in found}) == len(found)


def test_the_hits_of_a_campaign_are_those_it_judged(mixed: SqlStore) -> None:
    for campaign, level in product(("one", "two"), (None, "higher-1")):
        verdicts = mixed.verdicts(campaign, level=level)
        found = {
            c.id: (c.e_above_hull_ev_per_atom, c.e_form_ev_per_atom)
            for c in mixed.query(campaign=campaign, level=level)
        }
        assert found == {i: (v.e_above_hull_ev_per_atom, v.e_form_ev_per_atom) for i, v in verdicts.items()}
        rounds = {c.id: c.round for c in mixed.query(campaign=campaign, level=level)}
        assert rounds == {c.id: r for r in (1, 2, 3) for c, _ in mixed.selected(campaign, r, level) if c.id in verdicts}
    assert {c.id for c in mixed.query(round=2)} <= {c.id for n in ("one", "two") for c, _ in mixed.selected(n, 2)}


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("filters", [{}, {"campaign": "one"}, {"level": "higher-1"}])
def test_a_page_is_read_in_the_order_of_an_index(mixed: SqlStore, sort: str, filters: dict[str, str]) -> None:
    """No page is sorted: its hits are met in the order of an index."""
    plan = plans(lambda: mixed.query(**filters, sort=sort, limit=5))[0]
    first, *rest = plan
    assert " USING " in first
    assert not [step for step in rest if step.startswith("SCAN")]
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


@pytest.mark.parametrize("sort", SORTS)
def test_few_crystals_are_looked_up_and_many_met_in_order_with_the_same_hits(
    mixed: SqlStore, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for filters, unverified in product(
        ({"elements": "Na"}, {"only": "Li,Na,F,Cl", "n_sites_max": 2}, {"exclude": "F", "limit": 4}), (False, True)
    ):
        wanted = Query(**filters, sort=sort, include_unverified=unverified)
        monkeypatch.setattr(contents, "FEW", 2000)
        monkeypatch.setattr(contents, "FEW_OF_ONE_KIND", 3000)
        few = [c.id for c in mixed.query(wanted)]
        monkeypatch.setattr(contents, "FEW", 0)
        monkeypatch.setattr(contents, "FEW_OF_ONE_KIND", 0)
        assert few == [c.id for c in mixed.query(wanted)] != []


def plans(call: Callable[[], object]) -> list[list[str]]:
    """SQLite's plans for the sorted statements that a call makes."""
    found: list[list[str]] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "ORDER BY" in statement and "LIMIT" in statement:
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.append([row[3] for row in rows])

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        call()
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
    return found
