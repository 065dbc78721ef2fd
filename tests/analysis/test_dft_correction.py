"""Outlooks by DFT: hulls of corrected energies, their elements at zero, and probabilities by draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gnome_lite.analysis.dft_correction import anchored, judge_corrected
from gnome_lite.assemble import dft_correction, load_references, shipped_delta
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.predict.delta import Corrected

SHIPPED = shipped_delta("chgnet-0.3.0")
BY_DRAWS = 0.04  # four standard errors of 2,000 draws


def phases(*formulas: tuple[int, ...]) -> CrystalBatch:
    return CrystalBatch.from_crystals(
        Crystal.make(f, np.random.default_rng(0).random((len(f), 3)), 4 * np.eye(3)) for f in formulas
    )


def of(e_form: list[float], own: float, shared: NDArray[np.float64] | None = None) -> Corrected:
    e = np.array(e_form)
    return Corrected(e, e, np.full(len(e), own), np.zeros((len(e), 1)) if shared is None else shared)


THREE = phases((11,), (17,), (11, 17), (11, 17))
IDS = ("Na", "Cl", "low", "high")


def test_elements_lie_at_zero() -> None:
    batch = phases((11,), (11,), (17,), (11, 17))
    e = anchored(batch.counts, np.array([0.10, 0.03, -0.02, -1.0]))
    assert e == pytest.approx([0.07, 0.0, 0.0, -1.0])


def test_probability_is_the_normal_distributions() -> None:
    """Two polymorphs 20 meV/atom apart, each off by 20: the lower is it with Phi(1 / sqrt 2)."""
    away, p = judge_corrected(IDS, THREE, of([0.0, 0.0, -1.0, -0.98], 0.02), [2, 3], draws=2000)
    assert away == pytest.approx([-0.02, 0.02], abs=1e-9)
    assert p == pytest.approx([0.7602, 0.2398], abs=BY_DRAWS)


def test_an_error_that_phases_share_cancels() -> None:
    shared = np.array([[0.0], [0.0], [0.3], [0.3]])
    _, p = judge_corrected(IDS, THREE, of([0.0, 0.0, -1.0, -0.98], 0.002, shared), [2, 3])
    assert p.tolist() == [1.0, 0.0]


def test_what_cannot_be_judged_is_nan_and_takes_no_part() -> None:
    away, p = judge_corrected(IDS, THREE, of([0.0, 0.0, np.nan, -0.98], 0.02), [2, 3])
    assert np.isnan([away[0], p[0]]).all()
    assert p[1] == 1.0
    _, p = judge_corrected(IDS, THREE, of([0.0, np.nan, -1.0, -0.98], 0.02), [2, 3])
    assert np.isnan(p).all()


@pytest.mark.skipif(SHIPPED is None, reason="no Δ-model is shipped")
def test_outlook_of_seed_crystals() -> None:
    """Rock salt is stable and its formation energy known: -2.05 eV/atom by PBE."""
    references = load_references()
    salt = min((e for e in references if e.crystal.reduced_formula == "NaCl"), key=lambda e: e.energy_ev_per_atom)
    high = max((e for e in references if e.crystal.reduced_formula == "NaCl"), key=lambda e: e.energy_ev_per_atom)
    low, other = dft_correction(references, [salt.id, high.id])
    assert low is not None
    assert low.target == "mp-GGA_GGA+U-MP2020"
    assert low.e_form_ev_per_atom == pytest.approx(-2.1, abs=0.1)
    assert 0.001 < low.spread_ev_per_atom < 0.05
    assert low.p_stable > 0.5
    assert salt.id == high.id or (other is not None and other.p_stable < low.p_stable)


def test_no_model_no_outlook() -> None:
    from dataclasses import replace

    references = load_references()
    assert dft_correction(replace(references, level="another"), [references[0].id]) == [None]
