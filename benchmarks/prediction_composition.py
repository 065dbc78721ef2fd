"""Composition networks on formulas they never saw, beside the mean and two linear models of the same training set.

The formulas are those of the Materials Project crystals in the benchmark data, each with the lowest formation energy
known of it; judged are those of the MP-20 part that the md5 rule keeps from training. The networks are the shipped
ones, the peers are fitted here to the same training formulas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, data_dir, median_seconds
from benchmarks.sizes import Effort, size
from gnome_lite.core.crystals import MAX_Z

LEVEL = "mp-GGA_GGA+U-MP2020"
TARGET_EV_PER_ATOM = 0.090
RIDGE = 0.1

Array = NDArray[np.float64]


def measure(effort: Effort = Effort.DEFAULT) -> list[Row]:
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.build import join, split
    from gnome_lite.predict.composition import lowest_of_formulas
    from gnome_lite.predict.composition_ensemble import CompositionEnsemble
    from gnome_lite.settings import bundled
    from gnome_lite.sources.labelled import read_labelled

    mp20, mpts52 = (read_labelled(data_dir() / f"{name}.csv.gz") for name in ("mp20_val", "mpts52_val"))
    training, unseen = split(join([mp20, mpts52]))
    # A lower energy of the same formula in the other part counts: hence the whole, of the formulas of this part.
    judged = np.isin(unseen.crystals.reduced_formulas(), mp20.crystals.reduced_formulas())
    unseen = unseen.take(judged)
    ensemble = CompositionEnsemble(checkpoint.read(bundled("models", f"composition-{LEVEL}")))
    members = len(ensemble.networks)

    (known, targets), (formulas, truth) = lowest_of_formulas(training), lowest_of_formulas(unseen)
    each = ensemble.members(formulas)
    predicted = np.median(each, axis=0)
    known_x, x = _fractions(known.numbers, known.fractions), _fractions(formulas.numbers, formulas.fractions)
    peers = {
        "mean of the training set": np.full(len(truth), targets.mean()),
        "ridge regression on fractions of elements": _ridge(known_x, targets, x),
        "ridge regression on statistics of element properties": _ridge(_statistics(known_x), targets, _statistics(x)),
    }
    name = f"lowest formation energy of {len(truth)} unseen formulas, {members} composition networks"
    error, goal = _mae(predicted, truth), f"<= {TARGET_EV_PER_ATOM} eV/atom"
    rows = [
        Row(
            f"{name}, MAE", "eV/atom", error, _mae(values, truth), peer, _mae(values, truth) / error, goal,
            error <= TARGET_EV_PER_ATOM,
        )
        for peer, values in peers.items()
    ]  # fmt: skip
    best = list(peers)[-1]
    rows.append(Row(f"{name}, R2", "", _r2(predicted, truth), _r2(peers[best], truth), best, None))
    one = float(np.median([_mae(member, truth) for member in each]))
    rows.append(Row("the same, MAE beside one member's", "eV/atom", error, one, "median member", one / error))
    spread = np.subtract(*np.quantile(each, [0.75, 0.25], axis=0))
    rows.append(
        Row("rank correlation of spread and error", "", _spearman(spread, np.abs(predicted - truth)), None, "", None)
    )
    n_timed = size("prediction_composition.timed", effort)
    counts = np.resize(unseen.crystals.counts, (n_timed, MAX_Z + 1))
    seconds = median_seconds(lambda: ensemble.predict(counts))
    rows.append(Row(f"formulas screened, {members} members", "1/s", n_timed / seconds, None, "", None))
    return rows


def _fractions(numbers: NDArray[np.int64], fractions: NDArray[np.float32]) -> Array:
    """Share of each element, [n, MAX_Z + 1]; what is padded has number and fraction 0."""
    table = np.zeros((len(numbers), MAX_Z + 1))
    np.put_along_axis(table, numbers, fractions, axis=1)
    return table


def _statistics(fractions: Array) -> Array:
    """Fractions, and mean, deviation, lowest and highest of each property over a formula's elements."""
    from gnome_lite.predict.descriptors import element_descriptors

    table = element_descriptors().astype(np.float64)
    table = np.pad(table, ((0, fractions.shape[1] - len(table)), (0, 0)))
    mean = fractions @ table
    deviation = np.sqrt(np.maximum(fractions @ table**2 - mean**2, 0.0))
    present = [table[row > 0] for row in fractions]
    lowest, highest = np.array([p.min(axis=0) for p in present]), np.array([p.max(axis=0) for p in present])
    return np.hstack([fractions, mean, deviation, lowest, highest])


def _ridge(x: Array, y: Array, x_unseen: Array) -> Array:
    """Predictions of a linear model with an intercept, its weights held small."""
    x, x_unseen = (np.hstack([some, np.ones((len(some), 1))]) for some in (x, x_unseen))
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    return np.asarray(x_unseen @ weights)


def _mae(predicted: Array, truth: Array) -> float:
    return float(np.abs(predicted - truth).mean())


def _r2(predicted: Array, truth: Array) -> float:
    return 1.0 - float(((predicted - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def _spearman(a: Array, b: Array) -> float:
    return float(np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1])
