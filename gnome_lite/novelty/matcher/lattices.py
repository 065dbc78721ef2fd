"""Cells of many crystals at once, in closed form: many times faster than by LAPACK for so small matrices."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.int64, np.float64)


def lengths_and_angles(lattices: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return lengths a, b, c and angles alpha, beta, gamma in degrees of lattices [n, 3, 3]; [n, 3] each."""
    lengths = np.sqrt((lattices**2).sum(axis=2))
    unit = lattices / lengths[:, :, None]
    cosines = (unit[:, [1, 0, 0]] * unit[:, [2, 2, 1]]).sum(axis=2)
    return lengths, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def metric(lengths: NDArray[np.float64], angles_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return metric tensors [n, 3, 3] of lengths and angles, [n, 3] each."""
    cosines = np.cos(np.radians(angles_deg))
    tensor = lengths[:, :, None] * lengths[:, None, :]
    for angle, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        tensor[:, i, j] *= cosines[:, angle]
        tensor[:, j, i] = tensor[:, i, j]
    return tensor


def leading_sign(vectors: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64] | NDArray[np.int64]:
    """Return the sign of the first component that is not zero, of vectors [n, 3]; [n]."""
    return np.sign(np.take_along_axis(vectors, (vectors != 0).argmax(axis=1)[:, None], axis=1)[:, 0])


def unimodular_inverse(matrices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the inverses of integer matrices of determinant +-1, [n, 3, 3]."""
    return np.asarray(cofactors(matrices).transpose(0, 2, 1) * determinants(matrices)[:, None, None])


def determinants(matrices: NDArray[Number]) -> NDArray[Number]:
    """Return the determinants of matrices [n, 3, 3]; [n]."""
    return np.asarray((matrices[:, 0] * cofactors(matrices)[:, 0]).sum(axis=1))


def inverse_heights(lattices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one over the height of the cell along each vector, [n, 3]."""
    reciprocal = cofactors(lattices)
    volumes = np.abs((lattices[:, 0] * reciprocal[:, 0]).sum(axis=1))
    return np.asarray(np.sqrt((reciprocal**2).sum(axis=2)) / volumes[:, None])


def triangular(metrics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lattices [n, 3, 3], lower triangles, of positive metric tensors [n, 3, 3] (Cholesky's decomposition)."""
    lower = np.zeros_like(metrics)
    lower[:, 0, 0] = np.sqrt(metrics[:, 0, 0])
    lower[:, 1:, 0] = metrics[:, 1:, 0] / lower[:, :1, 0]
    lower[:, 1, 1] = np.sqrt(metrics[:, 1, 1] - lower[:, 1, 0] ** 2)
    lower[:, 2, 1] = (metrics[:, 2, 1] - lower[:, 2, 0] * lower[:, 1, 0]) / lower[:, 1, 1]
    lower[:, 2, 2] = np.sqrt(metrics[:, 2, 2] - lower[:, 2, 0] ** 2 - lower[:, 2, 1] ** 2)
    return lower


def cofactors(m: NDArray[Number]) -> NDArray[Number]:
    """Return the cofactors of matrices [n, 3, 3]; rows are the cross products of the two other rows."""
    i, j = np.array([[1], [2], [0]]), np.array([[2], [0], [1]])
    return np.asarray(m[:, i, i.T] * m[:, j, j.T] - m[:, i, j.T] * m[:, j, i.T])
