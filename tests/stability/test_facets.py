"""Facets of many systems at once against the linear programme, on phases as degenerate as hulls get."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gnome_lite.stability.decomposition import lowest_mixtures
from gnome_lite.stability.facets import lower_hull, lower_hulls

TOLERANCE_EV_PER_ATOM = 1e-8


def degenerate(rng: np.random.Generator, d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Elements and compounds of few simple ratios, most in the walls: scattered, all corners, or in a few planes."""
    amounts = rng.integers(0, rng.choice([2, 3, 5]), (int(rng.integers(1, 25 * d)), d))
    amounts = amounts[(amounts > 0).sum(axis=1) > 1]
    x = np.concatenate([np.eye(d), amounts / amounts.sum(axis=1, keepdims=True)])
    kind = rng.integers(4)
    if kind == 0:
        e = rng.normal(-0.5, 0.3, len(x))
    elif kind == 1:
        e = -(x * (1 - x)).sum(axis=1)
    elif kind == 2:
        e = rng.choice([-1.0, -0.5, -1 / 3, 0.1], len(x))
    else:
        planes = x @ rng.integers(-3, 1, (d, 4)).astype(float)
        return x, planes.max(axis=1) + rng.choice([0.0, 1e-12, 1e-10, 1e-9], len(x)) * rng.normal(size=len(x))
    e[:d] = 0.0
    return x, e


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5])
def test_many_systems_at_once_as_the_linear_programme(d: int) -> None:
    rng = np.random.default_rng(d)
    systems = [degenerate(rng, d) for _ in range(80)]
    fractions, energies = (np.concatenate(parts) for parts in zip(*systems, strict=True))
    hulls = lower_hulls(fractions, energies, [len(e) for _, e in systems])
    assert all(hulls)
    for (x, e), hull in zip(systems, hulls, strict=True):
        targets = np.concatenate([rng.dirichlet(np.ones(d), 20), x])
        assert hull is not None
        exact, _, _ = lowest_mixtures(x, e, targets)
        np.testing.assert_allclose(hull.energies(targets), exact, atol=TOLERANCE_EV_PER_ATOM)
        # Each facet rests on its corners, which are numbered within the system.
        at_corners = np.einsum("fcd,fd->fc", x[hull.corners], hull.potentials)
        np.testing.assert_allclose(at_corners, e[hull.corners], atol=TOLERANCE_EV_PER_ATOM)


def test_a_system_alone_as_among_others() -> None:
    rng = np.random.default_rng(0)
    systems = [degenerate(rng, 4) for _ in range(10)]
    fractions, energies = (np.concatenate(parts) for parts in zip(*systems, strict=True))
    for (x, e), among in zip(systems, lower_hulls(fractions, energies, [len(e) for _, e in systems]), strict=True):
        alone = lower_hull(x, e)
        assert alone is not None
        assert among is not None
        np.testing.assert_array_equal(alone.corners, among.corners)
        np.testing.assert_array_equal(alone.potentials, among.potentials)
