"""Ways to choose some of an ion's sites, one of each symmetry-equivalent class.

A choice is a bit mask (bit i = site i is chosen). Its class is all masks that the permutations of a group make of it;
the smallest stands for the class, and its size is the order of the group over that of the mask's stabiliser. Choices of
k + 1 sites are found by adding one site to each representative of k sites, so that the work grows with the number
of classes and not with 2^sites; choices of more than half of the sites are the complements of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_SITES = 52
"""Masks are summed in floating point, where integers are exact up to 2^53."""


@dataclass(frozen=True, slots=True, eq=False)
class Colourings:
    """c inequivalent choices of some of m sites, neither none nor all, by size and then by mask.

    Attributes:
        masks: the sites chosen, int64 [c].
        sizes: how many they are, int64 [c].
        multiplicities: how many choices each stands for, int64 [c].
        skipped_sizes: sizes that would have needed more than the limit of trials, where only choices of
            whole orbits were made, [...].
    """

    masks: NDArray[np.int64]
    sizes: NDArray[np.int64]
    multiplicities: NDArray[np.int64]
    skipped_sizes: tuple[int, ...]


def colourings(permutations: NDArray[np.int64], translations: NDArray[np.int64], limit: int) -> Colourings:
    """Return inequivalent choices of sites, smallest and largest sizes first as far as the limit reaches.

    Args:
        permutations: a group acting on the sites, int64 [g, m] (site -> image); each element once, or each
            equally often.
        translations: those of it, without the identity, whose invariant choices belong to a smaller cell and are
            left out, int64 [t, m].
        limit: most masks to try for one size. A size that needs more, and those between it and its complement,
            is left out but for choices of whole orbits (all combinations of them, if they are not too many either).
    """
    m = permutations.shape[1]
    group = np.unique(permutations, axis=0) if m <= MAX_SITES else permutations[:0]
    everything = (1 << min(m, MAX_SITES)) - 1
    levels: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    masks, done = np.zeros(1, dtype=np.int64), 0
    while m <= MAX_SITES and done < m // 2 and len(masks) * (m - done) <= limit:
        masks, multiplicities = _classes(_grown(masks, m), group)
        done += 1
        levels.append((masks, multiplicities))
        if 2 * done < m:
            levels.append((everything ^ masks, multiplicities))
    skipped = tuple(range(done + 1, m - done)) if done < m // 2 else ()
    if skipped and m <= MAX_SITES:
        whole = _whole_orbits(group, limit)
        whole = whole[np.isin(_sizes(whole, m), skipped)]
        levels.append((whole, np.ones(len(whole), dtype=np.int64)))
    found = np.concatenate([np.empty(0, np.int64), *(level for level, _ in levels)])
    multiplicity = np.concatenate([np.empty(0, np.int64), *(count for _, count in levels)])
    keep = (_images(found, translations) != found[:, None]).all(axis=1)
    found, multiplicity = found[keep], multiplicity[keep]
    sizes = _sizes(found, m)
    order = np.lexsort((found, sizes))
    return Colourings(found[order], sizes[order], multiplicity[order], skipped)


def canonical(masks: NDArray[np.int64], permutations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the smallest mask of the class of each, int64 [n]."""
    return np.asarray(_images(masks, permutations).min(axis=1))


def _classes(masks: NDArray[np.int64], group: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return representatives of the classes of some masks, ascending, and the sizes of the classes."""
    representatives = np.unique(canonical(masks, group))
    stabilisers = (_images(representatives, group) == representatives[:, None]).sum(axis=1)
    return representatives, len(group) // stabilisers


def _grown(masks: NDArray[np.int64], m: int) -> NDArray[np.int64]:
    """Return all masks with one more of m sites than some others, each once."""
    larger = masks[:, None] | (1 << np.arange(m))
    return np.unique(larger[larger != masks[:, None]])


def _images(masks: NDArray[np.int64], permutations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the image under each permutation [g, m] of each mask [n], int64 [n, g], by BLAS."""
    weights = np.ldexp(1.0, permutations.T)
    return (_bits(masks, permutations.shape[1]).astype(np.float64) @ weights).astype(np.int64)


def _whole_orbits(group: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return the masks of all combinations of whole orbits, but none and all; none if more than the limit."""
    _, orbit = np.unique(group.min(axis=0), return_inverse=True)
    members = np.bincount(orbit.ravel(), np.ldexp(1.0, np.arange(len(orbit)))).astype(np.int64)
    if len(members) >= limit.bit_length():
        return np.empty(0, np.int64)
    combinations = np.arange(1, (1 << len(members)) - 1)
    return np.asarray(_bits(combinations, len(members)) @ members)


def _sizes(masks: NDArray[np.int64], m: int) -> NDArray[np.int64]:
    return np.asarray(_bits(masks, m).sum(axis=1))


def _bits(masks: NDArray[np.int64], m: int) -> NDArray[np.int64]:
    """Return bit i of each mask in column i, int64 [n, m]."""
    return np.asarray(masks[:, None] >> np.arange(m) & 1)
