"""The lower hull of all phases at one level: reference phases and verified crystals together.

Conventions. *Other phases* of an entry are all entries but itself, polymorphs of its own composition
included. So with d the energy of an entry relative to the best mixture of its other phases:
decomposition energy = d (negative: it pushes the hull down by -d), energy above hull = max(d, 0), and
the products are that mixture. Of pymatgen's figures, d is `get_decomp_and_e_above_hull(entry,
allow_negative=True)` on a diagram without the entry; `get_phase_separation_energy`, which leaves out
polymorphs too, is equal where there are none.

A system rests on the corners of its subsystems and on the entries of all its elements (see `growing`), and its id is
their hash. Up to FACETS_MAX_ELEMENTS elements its facets are enumerated, and only the phases at their corners need a
linear programme, because without any other the hull is the same; beyond, the number of facets explodes and every
distance is a linear programme.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import atomic_number, reduced_formula
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import STABLE_EV_PER_ATOM
from gnome_lite.pipeline import HullVerdict
from gnome_lite.stability.decomposition import Floats, Indices
from gnome_lite.stability.facets import lower_hull
from gnome_lite.stability.growing import GrowingSystems
from gnome_lite.stability.system_index import NONE, Elements, SystemIndex, by_system, fractions_of, key_of
from gnome_lite.stability.systems import Decompositions, HullSystem, System, mixtures_without_themselves

__all__ = ["ChemicalHull", "Decompositions", "HullSystem", "build_hull"]

_TRACE = 1e-8


class ChemicalHull:
    """`pipeline.Hull` of entries of one level. Build with `build_hull`."""

    def __init__(self, level: str, ids: Sequence[str], counts: Indices, e_form_ev_per_atom: Floats) -> None:
        """Take entries with atom counts [n, MAX_Z + 1] and formation energies [n] of one level.

        Raises:
            ValueError: if ids repeat.
        """
        self._entries = SystemIndex(level, ids, counts, e_form_ev_per_atom)
        self._systems = GrowingSystems(self._entries)
        self._left_out: dict[str, int] = {}
        self._formulas: dict[int, str] = {}

    @property
    def level(self) -> str:
        return self._entries.level

    @property
    def ids(self) -> Sequence[str]:
        """Entries in the order they came in."""
        return self._entries.ids

    @property
    def e_form_ev_per_atom(self) -> Floats:
        """Formation energies of all entries, eV/atom, [n]."""
        return self._entries.e_form

    @property
    def counts(self) -> NDArray[np.int32]:
        """Atoms of all entries by atomic number, [n, MAX_Z + 1]."""
        return self._entries.counts

    @property
    def id(self) -> str:
        """Hash of level, entry ids and formation energies."""
        return self._entries.digest_of_all()

    @property
    def census(self) -> Mapping[str, int]:
        """Entries that came and that were let in, and those that were not, by cause."""
        left_out = {**self._left_out, **self._entries.refused}
        return {"in": len(self.ids) + sum(self._left_out.values()), "let in": len(self), **left_out}

    def __len__(self) -> int:
        return int(self._entries.let_in.sum())

    def hull_id(self, elements: Elements) -> str:
        """Return the hash of the entries that the hull of some atomic numbers rests on: level, ids, formation energies.

        While it is the same, so are all verdicts there.

        Raises:
            MissingReferenceError: if one of them has no entry of its own.
        """
        system = self._systems.system(elements)
        own = self._entries.systems.get(key_of(elements), np.empty(0, np.int64))
        return self._entries.digest([*system.entries[: system.n_others].tolist(), *own.tolist()])

    def add(self, entry_id: str, counts: Indices, e_form_ev_per_atom: float) -> list[str]:
        """Add an entry with atom counts [MAX_Z + 1]; only systems that it changes are built again when asked for.

        Returns:
            Entries whose verdict may have changed, the new one with them: those of the same elements, and if their
            hull has other corners now, those with more elements, too.

        Raises:
            MissingReferenceError: if one of its elements has no entry.
            ValueError: if the id is an entry's already.
        """
        changed = self._systems.append(entry_id, counts, e_form_ev_per_atom)
        return [self.ids[i] for key in changed for i in self._entries.systems[key].tolist()] or [entry_id]

    def distances(self, counts: NDArray[np.integer], e_form_ev_per_atom: Floats) -> Floats:
        """Return signed distances to the hull of known phases, eV/atom, [n] (NaN where the energy is).

        Args:
            counts: atoms by atomic number, [n, MAX_Z + 1].
            e_form_ev_per_atom: formation energies, [n].

        Raises:
            MissingReferenceError: if an element has no entry of its own.
        """
        return np.asarray(e_form_ev_per_atom, dtype=np.float64) - self._systems.hull_energies(counts, by_system(counts))

    def mixtures(self, counts: Indices) -> Decompositions:
        """Return the equilibrium mixtures at compositions [n, MAX_Z + 1].

        Raises:
            MissingReferenceError: if an element has no entry of its own.
        """
        groups = by_system(counts)
        out = Decompositions.blank(len(counts), groups)
        for elements, rows, system in self._systems.each(groups):
            energies, products, weights = system.mixtures(fractions_of(counts, rows, elements))
            out.put(rows, energies, system.entries[products], weights)
        return out

    def decompositions(self, entries: Indices) -> Decompositions:
        """Decompose entries [q], by index, into all other phases, as if they did not exist."""
        groups = by_system(self._entries.counts[entries])
        out = Decompositions.blank(len(entries), groups)
        at_corners: dict[int, list[tuple[System, Indices]]] = {}
        for elements, rows, system in self._systems.each(groups):
            if len(elements) == 1:
                lowest, second = (found[0] for found in self._entries.lowest([key_of(elements)])[0])
                other = np.where(entries[rows] == lowest, second, lowest)
                energies = np.where(other == NONE, np.inf, self._entries.e_form[other])
                out.put(rows, energies, other[:, None], (other != NONE)[:, None].astype(np.float64))
                continue
            corner = np.isin(entries[rows], system.corners)  # without these the hull is another one
            rest, corners = rows[~corner], rows[corner]
            if len(rest):
                energies, products, weights = system.mixtures(self._entries.fractions(entries[rest], elements))
                out.put(rest, energies, system.entries[products], weights)
            if len(corners):
                at_corners.setdefault(len(elements), []).append((system, corners))
        for found in at_corners.values():
            jobs = [(system, int(row)) for system, rows in found for row in rows]
            where = np.array([row for _, row in jobs])
            of_entries = [(system, int(entries[row])) for system, row in jobs]
            for which, energies, products, weights in mixtures_without_themselves(of_entries, self._entries.e_form):
                out.put(where[which], energies, products, weights)
        return out

    def verdicts(self, entry_ids: Sequence[str]) -> list[HullVerdict]:
        """Judge entries of this hull relative to all their other phases (see the module's conventions).

        An entry refused for its energy stands as far *above* the hull as its energy is off it, so that
        nothing absurd is ever called stable. An element without another phase of itself has
        nothing to decompose into: decomposition energy 0, no products.

        Raises:
            ValueError: if an id is not an entry, or is one without a finite energy.
        """
        entries = self.indices(entry_ids)
        e_form = self._entries.e_form[entries]
        if not np.isfinite(e_form).all():
            bad = entries[~np.isfinite(e_form)][0]
            raise ValueError(f"{self.ids[bad]} has no finite energy: it cannot be judged")
        found = self.decompositions(entries)
        away = np.where(np.isinf(found.energies_ev_per_atom), 0.0, e_form - found.energies_ev_per_atom)
        away = np.where(self._entries.let_in[entries], away, np.abs(away))
        return [
            HullVerdict(e, max(d, 0.0), d, self._named(products, weights), hull_id)
            for e, d, products, weights, hull_id in zip(
                e_form.tolist(),
                away.tolist(),
                found.products,
                found.atom_fractions,
                self.hull_ids(entry_ids),
                strict=True,
            )
        ]

    def hull_ids(self, entry_ids: Sequence[str]) -> list[str]:
        """Return `hull_id` of each entry's system.

        Raises:
            ValueError: if an id is not an entry.
        """
        counts = self._entries.counts[self.indices(entry_ids)]
        groups = [(self.hull_id(elements), rows.tolist()) for elements, rows in by_system(counts)]
        ids = {row: hull_id for hull_id, rows in groups for row in rows}
        return [ids[row] for row in range(len(entry_ids))]

    def indices(self, entry_ids: Sequence[str]) -> Indices:
        """Return the places of entries by id, [q].

        Raises:
            ValueError: if one is not an entry.
        """
        unknown = [i for i in entry_ids if i not in self._entries.index]
        if unknown:
            raise ValueError(f"{unknown[0]} is not an entry of hull {self.id}")
        return np.array([self._entries.index[i] for i in entry_ids], dtype=np.int64)

    def inside(self, elements: Elements) -> Indices:
        """Return entries let in that hold no other atomic numbers, by index, ascending, [n]."""
        systems = [self._entries.systems[key] for key in self._entries.within(elements)]
        return np.sort(np.concatenate([np.empty(0, np.int64), *systems]))

    def system(self, elements: Iterable[str]) -> HullSystem:
        """Return all entries within some elements, e.g. ("Li", "Fe", "O"), for plots.

        Raises:
            ConfigError: if there are none.
            MissingReferenceError: if one of them has no entry of its own.
            ValueError: if there is no such element.
        """
        symbols = tuple(dict.fromkeys(elements))
        if not symbols:
            raise ConfigError("a hull of no elements was asked for: name a chemical system, e.g. Li-Fe-O")
        z = tuple(atomic_number(s) for s in symbols)
        ascending = tuple(sorted(z))
        system = self._systems.system(ascending)
        facets = system.facets or lower_hull(system.fractions, system.energies)
        inside = self.inside(ascending)
        e_form = self._entries.e_form[inside]
        counts = self._entries.counts[inside]
        above = np.maximum(self.distances(counts, e_form), 0.0)
        place = np.full(len(self.ids), NONE)
        place[inside] = np.arange(len(inside))
        order = [ascending.index(k) for k in z]
        return HullSystem(
            symbols,
            tuple(self.ids[i] for i in inside),
            tuple(self._formula(i) for i in inside.tolist()),
            self._entries.fractions(inside, z),
            e_form,
            above,
            above <= STABLE_EV_PER_ATOM,
            np.sort(place[system.entries[facets.corners]], axis=1) if facets else np.empty((0, len(z)), np.int64),
            facets.potentials[:, order] if facets else np.empty((0, len(z))),
        )

    def _named(self, products: Indices, weights: Floats) -> tuple[tuple[str, str, float], ...]:
        """Return (id, formula, fraction of atoms) of products, the most first."""
        named = [
            (self.ids[p], self._formula(p), w)
            for p, w in zip(products.tolist(), weights.tolist(), strict=True)
            if p != NONE and w > _TRACE
        ]
        return tuple(sorted(named, key=lambda p: (-round(p[2], 9), p[0])))

    def _formula(self, entry: int) -> str:
        if entry not in self._formulas:
            self._formulas[entry] = reduced_formula(self._entries.counts[entry])
        return self._formulas[entry]


def build_hull(phases: PhaseSet) -> ChemicalHull:
    """Build the hull of a set of phases (`pipeline.BuildHull`).

    Raises:
        MissingReferenceError: if an element has no reference energy.
    """
    hull = ChemicalHull(phases.level, phases.ids, phases.counts, phases.e_form_ev_per_atom)
    hull._left_out = dict(phases.left_out)
    return hull
