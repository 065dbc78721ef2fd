"""Distributions of atoms over Wyckoff positions: counted, and drawn at random, by dynamic programming.

The positions of a space group fall into kinds: positions of as many atoms that have free parameters (any number of
orbits may use each of them), or as many that have none (each holds one orbit at most, of one element). A *pattern*
says how many orbits of each kind each element takes; all patterns of a composition are equally likely here, then the
letters within a kind. Were all choices of letters equally likely instead, the many fixed positions of a group such as
P-1 would crowd out its general one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import prod
from operator import or_

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.space_groups import N_GROUPS
from gnome_lite.generate.wyckoff import n_primitive_cells, wyckoff_table

UNLIMITED = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """Positions alike in what they hold.

    Attributes:
        atoms: atoms of one orbit in a primitive cell.
        orbits: how many orbits it holds, UNLIMITED where there are free parameters.
        letters: indices of its positions in the table.
    """

    atoms: int
    orbits: int
    letters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ways:
    """The number of ways to place what is left, from each stage on: a stage is one kind for one element.

    A state is one number: (orbits used of the kind) * n_states + (atoms left of each element, as mixed digits).

    Attributes:
        stages: (atoms, orbits, stride of the element's digit, its base, whether the kind ends here).
        tables: ways by state, before each stage and after the last.
        n_states: number of states of atoms left.
    """

    stages: tuple[tuple[int, int, int, int, bool], ...]
    tables: tuple[array[float], ...]
    n_states: int


@lru_cache(maxsize=N_GROUPS)
def kinds(number: int) -> tuple[Kind, ...]:
    """Return the kinds of positions of a space group, those of most atoms first."""
    found: dict[tuple[int, int], list[int]] = {}
    for index, site in enumerate(wyckoff_table()[number]):
        found.setdefault((site.multiplicity // n_primitive_cells(number), min(site.dof, 1)), []).append(index)
    return tuple(
        Kind(atoms, UNLIMITED if free else len(letters), tuple(letters))
        for (atoms, free), letters in sorted(found.items(), reverse=True)
    )


@lru_cache(maxsize=4096)
def admits(counts: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which space groups can hold these atoms of each element in a primitive cell, bool [231] (by number)."""
    limits = [_limits(counts, number) for number in range(1, N_GROUPS + 1)]
    known = {these: _can_hold(counts, these) for these in set(limits)}
    return np.array([False, *(known[these] for these in limits)])


def random_assignment(counts: tuple[int, ...], number: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return a random pattern with random letters: (index of the position, index of the element) of each orbit.

    Args:
        counts: atoms of each element in a primitive cell.
        number: space group.
        rng: source of randomness.

    Raises:
        ValueError: if the group does not admit the counts.
    """
    ways = _ways(counts, _limits(counts, number))
    if not ways.tables[0][ways.n_states - 1]:
        raise ValueError(f"space group {number} cannot hold {counts} atoms: ask `admits` first")
    draws = rng.random(len(ways.stages) + sum(counts)).tolist()
    taken = iter(_pattern(ways, draws))
    orbits: list[tuple[int, int]] = []
    for kind in _fitting(counts, number):
        letters = list(kind.letters)
        for element in range(len(counts)):
            for _ in range(next(taken)):
                pick = int(draws.pop() * len(letters))
                orbits.append((letters[pick] if kind.orbits == UNLIMITED else letters.pop(pick), element))
    return orbits


def _pattern(ways: Ways, draws: Sequence[float]) -> list[int]:
    """Return the orbits taken at each stage, drawn with chances proportional to the ways that each number leaves."""
    state = ways.n_states - 1
    taken = []
    for (atoms, orbits, stride, base, last), after, draw in zip(ways.stages, ways.tables[1:], draws, strict=False):
        used, left = divmod(state, ways.n_states)
        most = left // stride % base // atoms
        if orbits:
            most = min(most, orbits - used)
        # The next kind has its own count of orbits used, from zero.
        state, step = (left, 0) if last else (state, ways.n_states if orbits else 0)
        step -= atoms * stride
        weights = [after[state + n * step] for n in range(most + 1)]
        rest, n = draw * sum(weights), 0
        while n < most and rest >= weights[n]:
            rest -= weights[n]
            n += 1
        taken.append(n)
        state += n * step
    return taken


def _fitting(counts: tuple[int, ...], number: int) -> list[Kind]:
    """Return the kinds of a space group that are not too large."""
    return [kind for kind in kinds(number) if kind.atoms <= max(counts)]


def _limits(counts: tuple[int, ...], number: int) -> tuple[tuple[int, int], ...]:
    """Return (atoms, orbits) of the kinds that fit: many groups are alike in these."""
    return tuple((kind.atoms, kind.orbits) for kind in _fitting(counts, number))


def _can_hold(counts: tuple[int, ...], limits: tuple[tuple[int, int], ...]) -> bool:
    """Return whether kinds can hold the counts; sets of reachable states are the bits of whole numbers."""
    strides, n_states = _strides(counts)
    reached = 1
    for atoms, orbits in limits:
        by_orbits = [reached] + [0] * orbits
        for count, stride in zip(counts, strides, strict=True):
            period = stride * (count + 1)
            # States with room for one more orbit of this element.
            room = ((1 << n_states) - 1) // ((1 << period) - 1) * ((1 << stride * max(count + 1 - atoms, 0)) - 1)
            if orbits:
                for used in range(orbits):
                    by_orbits[used + 1] |= (by_orbits[used] & room) << atoms * stride
            else:
                for _ in range(count // atoms):
                    by_orbits[0] |= (by_orbits[0] & room) << atoms * stride
        reached = reduce(or_, by_orbits)
    return bool(reached >> (n_states - 1))


@lru_cache(maxsize=256)
def _ways(counts: tuple[int, ...], limits: tuple[tuple[int, int], ...]) -> Ways:
    """Return the ways, worked out from the last stage back: at each, take any number of orbits."""
    strides, n_states = _strides(counts)
    after = np.zeros(n_states)
    after[0] = 1.0
    tables, stages = [array("d", after.tobytes())], []
    for atoms, orbits in reversed(limits):
        # Axis 0: orbits of this kind used so far. Whatever they are, what follows does not care.
        ways = np.repeat(after[None], orbits + 1, axis=0)
        for e in reversed(range(len(counts))):
            before = ways.reshape(orbits + 1, -1, counts[e] + 1, strides[e])
            along = before.copy()
            for n in range(1, min(counts[e] // atoms, orbits or counts[e]) + 1):
                if orbits:
                    along[:-n, :, n * atoms :] += before[n:, :, : -n * atoms]
                else:
                    along[:, :, n * atoms :] += before[:, :, : -n * atoms]
            ways = along.reshape(orbits + 1, n_states)
            tables.append(array("d", ways.tobytes()))
            stages.append((atoms, orbits, strides[e], counts[e] + 1, e == len(counts) - 1))
        after = ways[0]
    return Ways(tuple(reversed(stages)), tuple(reversed(tables)), n_states)


def _strides(counts: tuple[int, ...]) -> tuple[list[int], int]:
    """Return the weight of each digit, and the number of states, with the atoms of each element as mixed digits."""
    bases = [c + 1 for c in counts]
    return [prod(bases[e + 1 :]) for e in range(len(bases))], prod(bases)
