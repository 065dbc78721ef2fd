"""What counts as hidden, as given and as found again."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Credibility, Failure, Phase, Prediction, Verdict, Verification
from gnome_lite.evaluation.rediscovery import (
    FOUND,
    NO_PARENT,
    NOT_PICKED,
    RELAXED_AWAY,
    Hidden,
    StructureTypes,
    Trial,
    concealed,
    count_claims,
    dft_distances,
    returns,
    split_entries,
)
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.stability.hull import build_hull

LEVEL = "any"
NOVELTY = CrystalNovelty()


def rocksalt(a: str, b: str, length: float = 5.0) -> Crystal:
    cell = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * length / 2
    return Crystal.make([atomic_number(a), atomic_number(b)], [[0, 0, 0], [0.5, 0.5, 0.5]], cell)


def caesium_chloride(a: str, b: str, length: float = 4.0) -> Crystal:
    return Crystal.make([atomic_number(a), atomic_number(b)], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * length)


def perovskite(a: str, b: str, x: str, length: float = 3.9) -> Crystal:
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    cell = np.eye(3) * length
    return Crystal.make([atomic_number(e) for e in (a, b, x, x, x)], sites, cell)


def element(name: str) -> Crystal:
    return Crystal.make([atomic_number(name)], [[0, 0, 0]], np.eye(3) * 3)


def entry(name: str, crystal: Crystal, ev_per_atom: float) -> Phase:
    return Phase(name, crystal, ev_per_atom * len(crystal), "DFT", "test", "CC0")


def dft() -> PhaseSet:
    """SrTiO3 on the hull, and once more a little above it."""
    return PhaseSet.make(
        [
            *(entry(e, element(e), 0.0) for e in ("Sr", "Ti", "O", "Ca")),
            entry("SrO", rocksalt("Sr", "O"), -3.0),
            entry("SrO near", caesium_chloride("Sr", "O"), -2.95),
            entry("TiO far", caesium_chloride("Ti", "O"), +0.5),
            entry("STO", perovskite("Sr", "Ti", "O"), -3.5),
            entry("STO again", perovskite("Sr", "Ti", "O", 3.95), -3.49),
            entry("CTO", perovskite("Ca", "Ti", "O"), +0.02),
        ]
    )


def trial(
    rank: int, crystal: Crystal, start: Crystal | None = None, e_above_hull: float = 0.0, **more: object
) -> Trial:
    """A crystal that was begun as `start`; with a `failure` it has no verdict."""
    name = f"c{rank}"
    failure = more.get("failure")
    energy = float("nan") if failure else -1.0
    verification = Verification(name, crystal, energy, 0.01, 5, not failure, LEVEL, 1.0, failure)  # type: ignore[arg-type]
    verdict = Verdict(
        name, -1.0, e_above_hull, e_above_hull, (), "h", LEVEL, bool(more.get("novel", True)), None, "",
        Credibility(False, (), None, False),
    )  # fmt: skip
    prediction = Prediction(name, -1.0, 0.01, 0.02, 0.5, "m")
    candidate = Candidate(name, start or crystal, "p", "substitution", "Ba2+ -> Sr2+", 1)
    return Trial(rank, 1, candidate, verification, prediction, None if failure else verdict)


def test_hidden_are_the_stable_compounds_of_three_elements_and_given_what_has_fewer_near_the_hull() -> None:
    entries = dft()
    away = dft_distances(entries, build_hull)
    hidden, given = split_entries(entries, away, NOVELTY)
    assert [e.id for e in hidden] == ["STO"]
    assert {e.id for e in given} == {"Sr", "Ti", "O", "Ca", "SrO", "SrO near"}


def test_concealed_is_what_has_three_elements_or_more_and_no_other_than_those_of_the_system() -> None:
    batch = CrystalBatch.from_crystals(
        [perovskite("Sr", "Ti", "O"), perovskite("Ba", "Ti", "O"), rocksalt("Sr", "O"), element("O")]
    )
    assert concealed(batch, ("O", "Sr", "Ti")).tolist() == [True, False, False, False]
    assert concealed(batch, ("Ba", "O", "Sr", "Ti")).tolist() == [True, True, False, False]
    assert not concealed(batch, ("Ba", "Ti", "F")).any()


def test_parents_have_the_structure_type_whatever_their_elements() -> None:
    known = {
        "KCl": rocksalt("K", "Cl", 6.3),
        "CsCl": caesium_chloride("Cs", "Cl"),
        "CaTiO3": perovskite("Ca", "Ti", "O"),
        "LiBaF3, inverse": perovskite("Li", "Ba", "F"),
    }
    types = StructureTypes(list(known), CrystalBatch.from_crystals(known.values()))
    assert types.of(rocksalt("Li", "F")) == ("KCl",)
    assert types.of(caesium_chloride("Li", "F")) == ("CsCl",)
    assert types.of(perovskite("Sr", "Ti", "O")) == ("CaTiO3", "LiBaF3, inverse")
    assert types.of(element("O")) == ()


def test_found_by_structure_at_the_first_rank_with_the_lowest_energy() -> None:
    """A verified crystal counts whatever it began as, whatever its volume, and whether or not it is called stable."""
    hidden = Hidden("STO", perovskite("Sr", "Ti", "O"), ("CTO",))
    tried = [
        trial(1, perovskite("Ba", "Ti", "O")),
        trial(2, perovskite("Sr", "Ti", "O", 4.1), e_above_hull=0.03),
        trial(3, perovskite("Sr", "Ti", "O", 3.8), start=perovskite("Ti", "Sr", "O"), e_above_hull=0.001),
    ]
    (back,) = returns([hidden], tried, [t.candidate for t in tried], {}, NOVELTY, pytest.fail)
    assert (back.outcome, back.rank, back.candidate_id, back.generator) == (FOUND, 2, "c2", "substitution")
    assert (back.e_above_hull_ev_per_atom, back.predicted_ev_per_atom) == (0.001, 0.02)
    assert back.found
    assert not back.stable
    (stable,) = returns([hidden], [*tried, trial(4, hidden.crystal)], [], {}, NOVELTY, pytest.fail)
    assert (stable.rank, stable.stable) == (2, True)


def test_what_is_missed_says_why() -> None:
    target, other = perovskite("Sr", "Ti", "O"), perovskite("Ti", "Sr", "O", 4.4)
    hidden = Hidden("STO", target, ("CTO",))

    def outcome(h: Hidden, tried: list[Trial], made: list[Crystal] = (), ranks: dict = {}) -> str:  # type: ignore[assignment] # noqa: B006
        candidates = [t.candidate for t in tried]
        candidates += [Candidate(f"m{i}", c, "p", "partial", "", 1) for i, c in enumerate(made)]
        (back,) = returns([h], tried, candidates, ranks, NOVELTY, lambda h: f"asked of {h.id}")
        assert not back.found
        assert not back.stable
        return back.outcome

    assert outcome(Hidden("STO", target, ()), []) == NO_PARENT
    assert outcome(hidden, [trial(1, other)]) == "asked of STO"
    assert outcome(hidden, [trial(1, other, start=target)]) == RELAXED_AWAY
    assert outcome(hidden, [trial(1, target, failure=Failure.TIMEOUT)]) == "failed: timeout"
    waits = outcome(hidden, [], [target], {"m0": (7, 40)})
    assert waits == f"{NOT_PICKED} (rank 7 of 40 in its last prediction)"
    # Made without a parent, from an ordering say, and not picked: that is no lack of parents.
    assert outcome(Hidden("STO", target, ()), [], [target]) == NOT_PICKED


def test_claims_are_compared_with_the_lowest_copy_that_dft_has() -> None:
    entries = dft()
    away = dft_distances(entries, build_hull)
    tried = [
        trial(1, perovskite("Sr", "Ti", "O", 4.0)),  # DFT: on the hull
        trial(2, perovskite("Ca", "Ti", "O", 4.0)),  # DFT: 20 meV/atom above
        trial(3, caesium_chloride("Ti", "O")),  # DFT: far above
        trial(4, perovskite("Ti", "Sr", "O", 4.4)),  # not among the entries
        trial(5, rocksalt("Sr", "O"), novel=False),  # no claim
        trial(6, rocksalt("Ca", "O"), e_above_hull=0.01),  # nor this
        trial(7, rocksalt("Ca", "O"), failure=Failure.EXPLODED),
    ]
    claims = count_claims(tried, entries, away, NOVELTY)
    assert (claims.n, claims.known_to_dft, claims.near_dft_hull) == (4, 3, 2)
