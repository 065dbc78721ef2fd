"""The shipped ensemble on unrelaxed crystals of unseen formulas: error by treatment of the volume, calibration."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.rows import Row
from benchmarks.sizes import Effort

SCANS = ((0, "three volumes, median (default)"), (1, "the volume it has"), (20, "20 volumes, lowest (GNoME's scan)"))
MAX_CALIBRATION_ERROR = 0.05


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    from scipy.stats import spearmanr

    from gnome_lite.assemble import load_references, shipped_model
    from gnome_lite.config import DEFAULT_ELEMENTS
    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.core.metrics import calibration_error
    from gnome_lite.core.origins import is_reported
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.ensemble import Ensemble
    from gnome_lite.predict.error_model import NEAR_EV_PER_ATOM, ErrorModel
    from gnome_lite.predict.train import in_training
    from gnome_lite.sources.bundled_seed import SeedSource
    from gnome_lite.stability.hull import build_hull

    references = load_references()
    path = shipped_model(references.level, references.elemental_ev_per_atom)
    assert path is not None
    ensemble = Ensemble(checkpoint.read(path))
    inputs = SeedSource().input_crystals()
    formulas = references.crystals.reduced_formulas()
    compound = (references.crystals.counts > 0).sum(axis=1) > 1
    held_out = ~in_training(formulas) & compound
    unseen = held_out & np.array([i in inputs for i in references.ids])
    ids = [i for i, held in zip(references.ids, unseen, strict=True) if held]
    truth = references.e_form_ev_per_atom[unseen]
    starts = CrystalBatch.from_crystals(inputs[i] for i in ids)
    mean = references.e_form_ev_per_atom[compound & ~held_out].mean()
    baseline = float(np.abs(truth - mean).mean())
    for scan, title in SCANS:
        predicted, spread = ensemble.predict(starts, scan)
        error = predicted - truth
        name = f"relaxed energy from {len(ids)} unrelaxed crystals of unseen formulas, {title}"
        mae = float(np.nanmean(np.abs(error)))  # a crystal without neighbours at some volume has no prediction there
        yield Row(f"{name}, MAE", "eV/atom", mae, baseline, "mean of the training set", baseline / mae)
        if scan == SCANS[0][0]:
            r2 = 1 - float(np.sum(error**2) / np.sum((truth - truth.mean()) ** 2))
            yield Row("the same, R2", "", r2, None, "", None)
            rank = float(spearmanr(spread, np.abs(error)).statistic)
            yield Row(
                "the same, rank correlation of spread and error", "", rank, None, "", None, ">= 0.35", rank >= 0.35
            )
            chosen = predicted, spread
            first = starts.within(DEFAULT_ELEMENTS)
            for title_of, some in (("within the default campaign's elements", first), ("with others", ~first)):
                mae_of = float(np.nanmean(np.abs(error[some])))
                yield Row(f"the same, {int(some.sum())} {title_of}, MAE", "eV/atom", mae_of, None, "", None)

    reported = held_out & np.array([is_reported(source) for source in references.sources])
    predicted, _ = ensemble.predict(references.crystals.take(reported), 1)
    mae = float(np.nanmean(np.abs(predicted - references.e_form_ev_per_atom[reported])))
    name = f"energy of {int(reported.sum())} reported compounds of unseen formulas, MAE"
    yield Row(name, "eV/atom", mae, None, "", None)

    # Distance to all other phases is what a candidate is judged by; its own formula's other entries are known phases.
    decomposition = np.array([v.decomposition_ev_per_atom for v in build_hull(references).verdicts(ids)])
    ground = truth - decomposition
    half = np.array([hash_half(f) for f in np.array(formulas, dtype=object)[unseen]])
    p = np.zeros(len(ids))
    predicted, spread = chosen
    for fitted in (half, ~half):
        near = fitted & (predicted - ground < NEAR_EV_PER_ATOM)  # as `EnsemblePredictor.error_model` does
        residuals = ErrorModel.fitted((truth - predicted)[near], spread[near])
        p[~fitted] = residuals.p_stable((predicted - ground)[~fitted], spread[~fitted])
    stable = decomposition <= 0
    error_of_p = calibration_error(p, stable)
    assert error_of_p is not None
    name = f"calibration error of P(stable), {len(ids)} crystals of unseen formulas ({int(stable.sum())} stable)"
    ok = error_of_p <= MAX_CALIBRATION_ERROR
    yield Row(name, "", error_of_p, None, "", None, f"<= {MAX_CALIBRATION_ERROR}", ok)
    said = np.full(len(ids), stable.mean())
    brier, theirs = float(np.mean((p - stable) ** 2)), float(np.mean((said - stable) ** 2))
    yield Row("the same, Brier score", "", brier, theirs, "their share for all", theirs / brier)


def hash_half(formula: str) -> bool:
    """Which half of the formulas fits the residuals that the other half is judged with."""
    from hashlib import md5

    return bool(md5(b"half " + formula.encode(), usedforsecurity=False).digest()[0] & 1)
