"""One chemical system of a hull, and the equilibrium mixtures at compositions in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.stability.decomposition import Floats, Indices, Mixtures, lowest_mixtures
from gnome_lite.stability.facets import LowerHull
from gnome_lite.stability.system_index import NONE, Elements

_CHUNK_NUMBERS = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class HullSystem:
    """All entries within some elements, for plots; n entries, d elements.

    Attributes:
        elements: symbols in the order of the columns of `fractions`.
        fractions: atomic fractions, [n, d].
        e_form_ev_per_atom: formation energies, [n].
        e_above_hull_ev_per_atom: distances to the hull, >= 0, [n].
        on_hull: within STABLE_EV_PER_ATOM of the hull, [n].
        facets: indices of the entries at the corners of each facet of the lower hull, [k, d].
        potentials_ev_per_atom: chemical potentials of the elements on each facet, relative to the pure elements'
            formation energies (zero), [k, d].
    """

    elements: tuple[str, ...]
    ids: tuple[str, ...]
    formulas: tuple[str, ...]
    fractions: Floats
    e_form_ev_per_atom: Floats
    e_above_hull_ev_per_atom: Floats
    on_hull: NDArray[np.bool_]
    facets: Indices
    potentials_ev_per_atom: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Decompositions:
    """q compositions as mixtures of phases, as many of them as the largest system has elements (w).

    Attributes:
        energies_ev_per_atom: of the mixture, [q] (inf where nothing else has the composition).
        products: index of each phase in `ChemicalHull.ids`, [q, w], NONE where there are fewer.
        atom_fractions: how much of each, [q, w], zero for NONE.
    """

    energies_ev_per_atom: Floats
    products: Indices
    atom_fractions: Floats

    @classmethod
    def blank(cls, n: int, groups: Sequence[tuple[Elements, Indices]]) -> Decompositions:
        """Return room for n compositions, as wide as the widest of the groups of `by_system`."""
        width = max((len(elements) for elements, _ in groups), default=0)
        return cls(np.full(n, np.inf), np.full((n, width), NONE), np.zeros((n, width)))

    def put(self, rows: Indices, energies: Floats, products: Indices, weights: Floats) -> None:
        """Fill in some rows [r]: energies [r], products and weights [r, d], d being no more than the width."""
        self.energies_ev_per_atom[rows] = energies
        self.products[rows, : products.shape[1]] = products
        self.atom_fractions[rows, : products.shape[1]] = weights


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """The phases of one chemical system that can matter to its hull: n of d elements.

    Attributes:
        elements: atomic numbers, ascending.
        entries: index of each phase, [n]: the pure elements, the corners of subsystems, then from `n_others` on the
            lowest entry of each composition of all elements.
        runners_up: the second lowest entry of each of those compositions, [n - n_others], NONE where there is no other.
        fractions: atomic fractions, [n, d].
        energies: formation energies, eV/atom, [n].
        facets: of the lower hull, None where they are not enumerated.
    """

    elements: Elements
    entries: Indices
    n_others: int
    runners_up: Indices
    fractions: Floats
    energies: Floats
    facets: LowerHull | None

    @property
    def corners(self) -> Indices:
        """Entries with all elements of the system that can be corners of the hull, [m]."""
        own = self.entries[self.n_others :]
        if self.facets is None:
            return own
        used = np.zeros(len(self.entries), dtype=bool)
        used[self.facets.corners] = True
        return own[used[self.n_others :]]

    def hull_energies(self, targets: Floats) -> Floats:
        """Return the energy of the hull at atomic fractions [q, d], eV/atom, [q]."""
        if self.facets is not None:
            return self.facets.energies(targets)
        # Polymorphs and predictions share compositions: each is worked out once.
        unique, inverse = np.unique(targets, axis=0, return_inverse=True)
        energies, _, _ = lowest_mixtures(self.fractions, self.energies, unique)
        return energies[inverse.ravel()]

    def mixtures(self, targets: Floats) -> Mixtures:
        """Return the lowest mixtures of the system's phases at atomic fractions [q, d]."""
        if self.facets is None:
            return lowest_mixtures(self.fractions, self.energies, targets)
        energies, products, weights = self.facets.mixtures(targets)
        hidden = np.isnan(weights).any(axis=1)
        if hidden.any():
            energies[hidden], products[hidden], weights[hidden] = lowest_mixtures(
                self.fractions, self.energies, targets[hidden]
            )
        return energies, products, weights


def mixtures_without_themselves(
    jobs: Sequence[tuple[System, int]], e_form_ev_per_atom: Floats
) -> Iterator[tuple[Indices, Floats, Indices, Floats]]:
    """Decompose entries at corners of their systems into all other phases, many at once.

    Args:
        jobs: systems of d elements each, and an entry of each.
        e_form_ev_per_atom: formation energies of all entries by index, [n].

    Yields:
        Which jobs, [r]; energies, [r]; entries, [r, d], and atom fractions, [r, d], of the lowest mixtures.
    """
    order = sorted(range(len(jobs)), key=lambda job: len(jobs[job][0].entries))
    start = 0
    while start < len(order):
        d = len(jobs[order[start]][0].elements)
        stop = start + 1
        while stop < len(order) and (stop - start + 1) * len(jobs[order[stop]][0].entries) * d <= _CHUNK_NUMBERS:
            stop += 1
        some, start = order[start:stop], stop
        widest = len(jobs[some[-1]][0].entries)
        fractions = np.zeros((len(some), widest, d))
        energies = np.full((len(some), widest), np.inf)
        phases = np.full((len(some), widest), NONE)
        targets = np.empty((len(some), d))
        for k, (system, entry) in enumerate(jobs[job] for job in some):
            n = len(system.entries)
            fractions[k, :n], energies[k, :n], phases[k, :n] = system.fractions, system.energies, system.entries
            itself = int(np.flatnonzero(system.entries == entry)[0])
            targets[k] = system.fractions[itself]
            other = system.runners_up[itself - system.n_others]
            phases[k, itself] = other
            energies[k, itself] = np.inf if other == NONE else e_form_ev_per_atom[other]
        lowest, basis, weights = lowest_mixtures(fractions, energies, targets)
        yield np.array(some), lowest, np.take_along_axis(phases, basis, axis=1), weights
