"""Random lattices of each crystal system, for many crystals at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_LOG_STRETCH = 0.6
"""Edges of a conventional cell are exp(-0.6) to exp(0.6) of a common length: ratios up to 3.3."""
ANGLES_DEG = (60.0, 120.0)
MIN_VOLUME_SHAPE = 0.3
"""Least volume of a cell over that of a brick with the same edges: no flat triclinic cells."""
EQUAL_EDGES = {"tetragonal": (0, 0, 2), "hexagonal": (0, 0, 2), "cubic": (0, 0, 0)}


def random_lattices(
    systems: NDArray[np.str_], volumes_ang3: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return conventional cells of some volumes, rows in Å, [n, 3, 3].

    Edges are log-uniform about each other, angles uniform, wherever the crystal system leaves them free.

    Args:
        systems: crystal system of each, as `SpaceGroup.system` names them, [n].
        volumes_ang3: volumes of the conventional cells, [n].
        rng: source of randomness.
    """
    n = len(systems)
    edges = np.exp(rng.uniform(-MAX_LOG_STRETCH, MAX_LOG_STRETCH, (n, 3)))
    for system, which in EQUAL_EDGES.items():
        rows = systems == system
        edges[rows] = edges[rows][:, which]
    cosines = np.zeros((n, 3))
    cosines[systems == "hexagonal", 2] = -0.5
    for system, free in (("triclinic", [0, 1, 2]), ("monoclinic", [1])):
        rows = np.flatnonzero(systems == system)
        while len(rows):
            angles = np.radians(rng.uniform(*ANGLES_DEG, (len(rows), len(free))))
            cosines[rows[:, None], free] = np.cos(angles)
            rows = rows[_volume_shape(cosines[rows]) < MIN_VOLUME_SHAPE]
    lattices = _from_cosines(edges, cosines)
    return lattices * np.cbrt(volumes_ang3 / np.linalg.det(lattices))[:, None, None]


def _volume_shape(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c = cosines.T
    return np.sqrt(np.maximum(1.0 - a * a - b * b - c * c + 2.0 * a * b * c, 0.0))


def _from_cosines(edges: NDArray[np.float64], cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cells from edges [n, 3] and cosines of alpha, beta, gamma [n, 3]: a along x, b in the xy plane."""
    alpha, beta, gamma = cosines.T
    sine = np.sqrt(1.0 - gamma**2)
    cells = np.zeros((len(edges), 3, 3))
    cells[:, 0, 0] = 1.0
    cells[:, 1, 0], cells[:, 1, 1] = gamma, sine
    cells[:, 2, 0], cells[:, 2, 1] = beta, (alpha - beta * gamma) / sine
    cells[:, 2, 2] = np.sqrt(1.0 - cells[:, 2, 0] ** 2 - cells[:, 2, 1] ** 2)
    return cells * edges[:, :, None]
