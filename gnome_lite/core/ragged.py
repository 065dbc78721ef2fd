"""Rows of unequal length in flat arrays, for numpy operations on very many small crystals at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_indices(which: ArrayLike) -> NDArray[np.int64]:
    """Return integer indices as they are, and those where a boolean mask is true."""
    index = np.asarray(which)
    return np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)


def ranges(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, ... length - 1 for each length, one after another."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(starts, lengths)


def spread(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row of each element of rows of these lengths, and its row's start + 0, 1, ... length - 1."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    return row, ranges(lengths) + np.repeat(starts, lengths)


def rows_at(index: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of the elements of the rows at `index`, of rows of these lengths laid end to end."""
    return spread((np.cumsum(lengths) - lengths)[index], lengths[index])[1]


def join(left: NDArray[np.int64], right: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all combinations of an element on the left with one on the right that have the same key.

    Args:
        left: key of each element, any order.
        right: key of each element, ascending.
        n: keys are 0..n - 1.

    Returns:
        Index into `left` (ascending) and into `right` of each combination.
    """
    count = np.bincount(right, minlength=n)
    starts = np.cumsum(count) - count
    return spread(starts[left], count[left])
