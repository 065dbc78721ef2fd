"""Against the closed form where there is one, and a plain Monte Carlo with pymatgen's hulls where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z, atomic_number
from gnome_lite.core.errors import ConfigError
from gnome_lite.stability.hull import ChemicalHull
from gnome_lite.stability.uncertainty import verdict_uncertainty

DRAWS = 4000
FOUR_SIGMA = 4 * 0.5 / math.sqrt(DRAWS)

PHASES: list[tuple[dict[str, int], float]] = [
    ({"Li": 1}, 0.0),
    ({"Fe": 1}, 0.0),
    ({"O": 1}, 0.0),
    ({"Li": 2, "O": 1}, -2.0),
    ({"Li": 2, "O": 2}, -1.62),
    ({"Fe": 1, "O": 1}, -1.4),
    ({"Fe": 2, "O": 3}, -1.6),
    ({"Fe": 3, "O": 4}, -1.63),
    ({"Li": 1, "Fe": 1, "O": 2}, -1.85),
    ({"Li": 1, "Fe": 1, "O": 2}, -1.83),
    ({"Li": 5, "Fe": 1, "O": 4}, -1.98),
]
IDS = [f"e{i}" for i in range(len(PHASES))]


def hull_of(phases: list[tuple[dict[str, int], float]]) -> ChemicalHull:
    counts = np.zeros((len(phases), MAX_Z + 1), np.int64)
    for row, (composition, _) in zip(counts, phases, strict=True):
        for el, n in composition.items():
            row[atomic_number(el)] = n
    return ChemicalHull("L", [f"e{i}" for i in range(len(phases))], counts, np.array([e for _, e in phases]))


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def element_fractions(hull: ChemicalHull) -> NDArray[np.float64]:
    present = np.flatnonzero(hull.counts.any(axis=0))
    return hull.counts[:, present] / hull.counts.sum(axis=1, keepdims=True)


def test_without_errors_it_is_the_verdict() -> None:
    hull = hull_of(PHASES)
    found = verdict_uncertainty(hull, IDS, 0.0, rng(), draws=3)
    verdicts = hull.verdicts(IDS)
    np.testing.assert_allclose(
        found.decomposition_ev_per_atom, [v.decomposition_ev_per_atom for v in verdicts], atol=1e-9
    )
    assert found.p_on_hull.tolist() == [float(v.e_above_hull_ev_per_atom <= 5e-5) for v in verdicts]
    assert found.spread_ev_per_atom.max() < 1e-12


@pytest.mark.parametrize(("gap", "own", "others"), [(0.02, 0.03, 0.04), (0.0, 0.05, 0.05), (-0.05, 0.02, 0.01)])
def test_two_polymorphs_as_the_closed_form(gap: float, own: float, others: float) -> None:
    """Far below everything else, P = Phi(-gap / sqrt(s1^2 + s2^2))."""
    hull = hull_of([({"Li": 1}, 0.0), ({"O": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0), ({"Li": 4, "O": 2}, -2.0 + gap)])
    sigma = np.array([0.0, 0.0, others, own])
    found = verdict_uncertainty(hull, ["e3"], sigma, rng(), draws=DRAWS)
    scale = math.hypot(own, others)
    expected = 0.5 * math.erfc((gap - 5e-5) / scale / math.sqrt(2))
    assert found.p_on_hull[0] == pytest.approx(expected, abs=FOUR_SIGMA)
    assert found.decomposition_ev_per_atom[0] == pytest.approx(gap, abs=4 * scale / math.sqrt(DRAWS))
    assert found.spread_ev_per_atom[0] == pytest.approx(scale, rel=0.06)


def test_competing_phases_as_pymatgens_hulls_of_drawn_energies() -> None:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    n_theirs = 300
    draws = np.random.default_rng(3).normal([e for _, e in PHASES], 0.06, (n_theirs, len(PHASES)))
    on_hull = np.zeros(len(PHASES))
    for energies in draws:
        entries = [PDEntry(Composition(c), e * sum(c.values())) for (c, _), e in zip(PHASES, energies, strict=True)]
        diagram = PhaseDiagram(entries)
        on_hull += [diagram.get_e_above_hull(e) <= 5e-5 for e in entries]
    ours = verdict_uncertainty(hull_of(PHASES), IDS, 0.06, rng(), draws=DRAWS).p_on_hull
    tolerance = 4 * np.sqrt(np.maximum(ours * (1 - ours), 1e-3) / n_theirs) + FOUR_SIGMA
    compounds = slice(3, None)  # an element without another phase of itself is on the hull in either
    assert (np.abs(ours - on_hull / n_theirs)[compounds] < tolerance[compounds]).all()
    assert 0.02 < ours[8] < 0.98


def test_errors_of_elements_cancel() -> None:
    hull = hull_of(PHASES)
    shared = element_fractions(hull) * [0.5, 0.3, 0.2]
    found = verdict_uncertainty(hull, IDS, 0.0, rng(), shared, draws=50)
    assert found.spread_ev_per_atom.max() < 1e-9
    both = verdict_uncertainty(hull, IDS, 0.03, rng(), shared, draws=DRAWS)
    alone = verdict_uncertainty(hull, IDS, 0.03, rng(), draws=DRAWS)
    np.testing.assert_allclose(both.p_on_hull, alone.p_on_hull, atol=2 * FOUR_SIGMA)


def test_the_more_correlated_the_surer() -> None:
    """The same total error of two polymorphs, shared in part: the spread of their difference shrinks."""
    hull = hull_of([({"Li": 1}, 0.0), ({"O": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0), ({"Li": 4, "O": 2}, -1.98)])
    total = 0.05
    spreads = []
    for part in (0.0, 0.5, 0.9):
        shared = np.array([[0.0], [0.0], [1.0], [1.0]]) * total * math.sqrt(part)
        found = verdict_uncertainty(hull, ["e3"], total * math.sqrt(1 - part), rng(), shared, draws=DRAWS)
        spreads.append(found.spread_ev_per_atom[0])
    np.testing.assert_allclose(spreads, [total * math.sqrt(2 * (1 - p)) for p in (0.0, 0.5, 0.9)], rtol=0.06)


def test_the_same_draws_whatever_else_is_asked_for() -> None:
    hull = hull_of(PHASES)
    everything = verdict_uncertainty(hull, IDS, 0.05, rng(), draws=100).p_on_hull
    some = verdict_uncertainty(hull, ["e8", "e4"], 0.05, rng(), draws=100).p_on_hull
    assert some.tolist() == everything[[8, 4]].tolist()


def test_what_does_not_fit_is_refused() -> None:
    hull = hull_of(PHASES)
    for sigma in (-0.1, math.nan, [0.1, 0.2]):
        with pytest.raises(ConfigError):
            verdict_uncertainty(hull, IDS, sigma, rng())
    with pytest.raises(ConfigError, match=r"give \[11\] and \[11, k\]"):
        verdict_uncertainty(hull, IDS, 0.1, rng(), np.zeros(11))
    with pytest.raises(ConfigError, match="0 draws"):
        verdict_uncertainty(hull, IDS, 0.1, rng(), draws=0)
    with pytest.raises(ValueError, match="e99 is not an entry"):
        verdict_uncertainty(hull, ["e99"], 0.1, rng())
