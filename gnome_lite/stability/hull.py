"""The lower hull of all phases known at one level: references and verified crystals together.

Conventions. *Other phases* of an entry are all entries but itself, polymorphs of its own composition
included. So with d the energy of an entry relative to the best mixture of its other phases:
decomposition energy = d (negative: it pushes the hull down by -d), energy above hull = max(d, 0), and
the products are that mixture. Of pymatgen's figures, d is `get_decomp_and_e_above_hull(entry,
allow_negative=True)` on a diagram without the entry; `get_phase_separation_energy`, which leaves out
polymorphs too, is equal where there are none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from gnome_lite.crystals import MAX_Z, CrystalBatch, atomic_number, reduced_formula, symbol
from gnome_lite.errors import LevelMismatchError, MissingReferenceError
from gnome_lite.pipeline import HullVerdict
from gnome_lite.records import STABLE_EV_PER_ATOM, Verification
from gnome_lite.references import ReferenceSet, formation_energies
from gnome_lite.stability.decomposition import lowest_mixtures

E_FORM_LIMIT_EV_PER_ATOM = 10.0
"""No compound of physics lies further from its elements; what does is refused, never a corner of the hull."""

_TRACE = 1e-8


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
    """

    elements: tuple[str, ...]
    ids: tuple[str, ...]
    formulas: tuple[str, ...]
    fractions: NDArray[np.float64]
    e_form_ev_per_atom: NDArray[np.float64]
    e_above_hull_ev_per_atom: NDArray[np.float64]
    on_hull: NDArray[np.bool_]
    facets: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The lowest entry of each composition within one chemical system, pure elements first."""

    entries: NDArray[np.int64]
    runners_up: NDArray[np.int64]
    fractions: NDArray[np.float64]
    energies: NDArray[np.float64]


class ChemicalHull:
    """`pipeline.Hull` of entries of one level. Build with `build_hull`.

    Attributes:
        id: hash of level, entry ids and formation energies.
        refused: entries that were not let in, by cause.
    """

    def __init__(
        self,
        level: str,
        ids: Sequence[str],
        counts: NDArray[np.int64],
        e_form_ev_per_atom: NDArray[np.float64],
    ) -> None:
        """From entries with atom counts [n, MAX_Z + 1] and formation energies [n] of one level.

        Raises:
            ValueError: if ids repeat.
        """
        if len(set(ids)) != len(ids):
            raise ValueError(f"entry {Counter(ids).most_common(1)[0][0]} is twice in one hull")
        self.level = level
        self._ids = tuple(ids)
        self._index = {entry_id: i for i, entry_id in enumerate(ids)}
        self._counts = counts
        self._e_form = np.asarray(e_form_ev_per_atom, dtype=np.float64)
        self._in_hull = np.abs(self._e_form) <= E_FORM_LIMIT_EV_PER_ATOM  # False for NaN
        causes = dict.fromkeys(np.flatnonzero(~self._in_hull), "formation energy out of range")
        causes |= dict.fromkeys(np.flatnonzero(~np.isfinite(self._e_form)), "energy not finite")
        self.refused: Mapping[str, int] = dict(Counter(causes.values()))
        self.id = self._hash()
        self._present = counts > 0
        self._n_kinds = self._present.sum(axis=1)
        self._lowest, self._runner_up = self._lowest_of_each_composition()
        self._systems: dict[tuple[int, ...], _Columns] = {}

    def __len__(self) -> int:
        return int(self._in_hull.sum())

    def distances(self, counts: NDArray[np.int64], e_form_ev_per_atom: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed distance to the hull of known phases, eV/atom, [n] (NaN where the energy is).

        Args:
            counts: atoms by atomic number, [n, MAX_Z + 1].
            e_form_ev_per_atom: formation energies, [n].

        Raises:
            MissingReferenceError: if an element has no entry of its own.
        """
        out = np.empty(len(counts))
        for elements, rows in _by_system(counts):
            # Polymorphs and predictions share compositions: each is worked out once.
            targets, inverse = np.unique(_fractions(counts[rows], elements), axis=0, return_inverse=True)
            columns = self._columns(elements)
            energy, _, _ = lowest_mixtures(columns.fractions, columns.energies, targets)
            out[rows] = np.asarray(e_form_ev_per_atom, dtype=np.float64)[rows] - energy[inverse.ravel()]
        return out

    def verdicts(self, entry_ids: Sequence[str]) -> list[HullVerdict]:
        """Where entries of this hull stand relative to all their other phases (see the module's conventions).

        An entry refused for its energy stands as far *above* the hull as its energy is off it, so that
        nothing absurd is ever called stable. An element without another phase of itself has
        nothing to decompose into: decomposition energy 0, no products.

        Raises:
            ValueError: if an id is not an entry, or is one without a finite energy.
        """
        unknown = [i for i in entry_ids if i not in self._index]
        if unknown:
            raise ValueError(f"{unknown[0]} is not an entry of hull {self.id}")
        entries = np.array([self._index[i] for i in entry_ids], dtype=np.int64)
        if not np.isfinite(self._e_form[entries]).all():
            bad = entries[~np.isfinite(self._e_form[entries])][0]
            raise ValueError(f"{self._ids[bad]} has no finite energy: it cannot be judged")
        out: list[HullVerdict | None] = [None] * len(entries)
        for elements, rows in _by_system(self._counts[entries]):
            for row, verdict in zip(rows, self._judge(elements, entries[rows]), strict=True):
                out[row] = verdict
        return [v for v in out if v is not None]

    def system(self, elements: Iterable[str]) -> HullSystem:
        """All entries within some elements, e.g. ("Li", "Fe", "O"), for plots.

        Raises:
            MissingReferenceError: if one of them has no entry of its own.
            ValueError: if there is no such element.
        """
        symbols = tuple(dict.fromkeys(elements))
        z = tuple(atomic_number(s) for s in symbols)
        columns = self._columns(tuple(sorted(z)))
        inside = np.flatnonzero(self._inside(z) & self._in_hull)
        e_form = self._e_form[inside]
        above = np.maximum(self.distances(self._counts[inside], e_form), 0.0)
        place = np.full(len(self._ids), -1)
        place[inside] = np.arange(len(inside))
        corners = columns.entries[np.isin(columns.entries, inside[above <= STABLE_EV_PER_ATOM])]
        facets = _facets(_fractions(self._counts[corners], z), self._e_form[corners])
        return HullSystem(
            symbols,
            tuple(self._ids[i] for i in inside),
            tuple(reduced_formula(self._counts[i]) for i in inside),
            _fractions(self._counts[inside], z),
            e_form,
            above,
            above <= STABLE_EV_PER_ATOM,
            place[corners][facets],
        )

    def _hash(self) -> str:
        digest = sha256(self.level.encode())
        for i in sorted(np.flatnonzero(self._in_hull), key=lambda i: self._ids[i]):
            digest.update(f"{self._ids[i]} {self._e_form[i]:.9f};".encode())
        return digest.hexdigest()[:16]

    def _lowest_of_each_composition(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Entry of lowest energy of each composition, [m], and the second lowest (-1 = none), [m]."""
        entries = np.flatnonzero(self._in_hull)
        reduced = self._counts[entries] // np.gcd.reduce(self._counts[entries], axis=1, keepdims=True)
        _, composition = np.unique(reduced, axis=0, return_inverse=True)
        composition = composition.ravel()
        ids = np.array(self._ids)[entries]
        order = np.lexsort((ids, self._e_form[entries], composition))  # ties go to the first id
        first = np.flatnonzero(np.diff(composition[order], prepend=-1))
        second = np.minimum(first + 1, len(order) - 1)
        has_second = (second > first) & (composition[order][second] == composition[order][first])
        return entries[order[first]], np.where(has_second, entries[order[second]], -1)

    def _inside(self, elements: Sequence[int]) -> NDArray[np.bool_]:
        """Which entries hold no other elements, [n]."""
        return self._present[:, list(elements)].sum(axis=1) == self._n_kinds

    def _columns(self, elements: tuple[int, ...]) -> _Columns:
        if elements not in self._systems:
            within = self._inside(elements)[self._lowest]
            entries, runners_up = self._lowest[within], self._runner_up[within]
            fractions = _fractions(self._counts[entries], elements)
            pure = [np.flatnonzero(fractions[:, k] == 1.0) for k in range(len(elements))]
            for z, found in zip(elements, pure, strict=True):
                if not len(found):
                    raise MissingReferenceError(
                        f"no phase of pure {symbol(z)} in the hull at level {self.level}: "
                        f"add a crystal of {symbol(z)} at this level to the sources"
                    )
            first = np.concatenate(pure)
            order = np.concatenate([first, np.setdiff1d(np.arange(len(entries)), first)])
            entries, runners_up = entries[order], runners_up[order]
            self._systems[elements] = _Columns(entries, runners_up, fractions[order], self._e_form[entries])
        return self._systems[elements]

    def _judge(self, elements: tuple[int, ...], entries: NDArray[np.int64]) -> list[HullVerdict]:
        """Verdicts of entries [q] that all consist of just these elements."""
        columns = self._columns(elements)
        phases = np.broadcast_to(columns.entries, (len(entries), len(columns.entries)))
        others = np.where(phases == entries[:, None], columns.runners_up, phases)
        energies = np.where(others >= 0, self._e_form[others], np.inf)
        targets = _fractions(self._counts[entries], elements)
        if len(elements) == 1:
            energy, basis, weights = energies[:, 0], np.zeros((len(entries), 1), np.int64), np.ones((len(entries), 1))
        else:
            energy, basis, weights = lowest_mixtures(columns.fractions, energies, targets)
        out: list[HullVerdict] = []
        for row, entry in enumerate(entries):
            e_form = float(self._e_form[entry])
            if np.isinf(energy[row]):
                out.append(HullVerdict(e_form, 0.0, 0.0, ()))
                continue
            away = e_form - float(energy[row])
            if not self._in_hull[entry]:
                away = abs(away)
            mixture = zip(others[row, basis[row]], weights[row], strict=True)
            products = [(self._ids[p], reduced_formula(self._counts[p]), float(w)) for p, w in mixture if w > _TRACE]
            products.sort(key=lambda p: (-round(p[2], 9), p[0]))
            out.append(HullVerdict(e_form, max(away, 0.0), away, tuple(products)))
        return out


def build_hull(references: ReferenceSet, verified: Sequence[Verification]) -> ChemicalHull:
    """The hull of references and verified crystals (`pipeline.BuildHull`); failed verifications are left out.

    A verified crystal whose id is a reference's is that reference, and is not entered again.

    Raises:
        LevelMismatchError: if a verification is of another level than the references.
        MissingReferenceError: if an element has no reference energy.
    """
    for v in verified:
        if v.level != references.level:
            raise LevelMismatchError(
                f"{v.candidate_id} is verified at level {v.level}, the references are of {references.level}: "
                "one hull holds one level"
            )
    known = {e.id for e in references.entries}
    new = {v.candidate_id: v for v in verified if v.ok and v.candidate_id not in known}
    relaxed = CrystalBatch.from_crystals(v.crystal for v in new.values()).counts
    energies = np.array([v.energy_ev for v in new.values()], dtype=np.float64)
    return ChemicalHull(
        references.level,
        [e.id for e in references.entries] + list(new),
        np.concatenate([references.crystals.counts, relaxed]),
        np.concatenate(
            [
                references.e_form_ev_per_atom,
                formation_energies(relaxed, energies, references.elemental_ev_per_atom),
            ]
        ),
    )


def _by_system(counts: NDArray[np.int64]) -> list[tuple[tuple[int, ...], NDArray[np.int64]]]:
    """(atomic numbers, rows) of each chemical system among compositions [n, MAX_Z + 1]."""
    if counts.ndim != 2 or counts.shape[1] != MAX_Z + 1 or (len(counts) and not (counts.sum(axis=1) > 0).all()):
        raise ValueError(f"compositions must be atom counts of shape [n, {MAX_Z + 1}], each of at least one atom")
    if not len(counts):
        return []
    present, which = np.unique(counts > 0, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(which.ravel()))[:-1])
    return [(tuple(int(z) for z in np.flatnonzero(row)), rows) for row, rows in zip(present, groups, strict=True)]


def _fractions(counts: NDArray[np.int64], elements: Sequence[int]) -> NDArray[np.float64]:
    """Atomic fractions of some elements, [n, d]."""
    return counts[:, list(elements)] / counts.sum(axis=1, keepdims=True)


def _facets(fractions: NDArray[np.float64], energies: NDArray[np.float64]) -> NDArray[np.int64]:
    """Corners of the facets of the lower hull of points that are all on it, [k, d] (simplices)."""
    from scipy.spatial import ConvexHull

    n_points, n_elements = fractions.shape
    if n_points == n_elements:
        return np.arange(n_elements)[None]
    # A point far above the middle gives the hull a body even where all energies lie in one plane.
    roof = np.append(np.full(n_elements - 1, 1 / n_elements), energies.max() + 1.0)
    points = np.vstack([np.column_stack([fractions[:, 1:], energies]), roof])
    simplices = ConvexHull(points).simplices
    lower = simplices[(simplices < n_points).all(axis=1)]
    # Facets of zero width stand upright over an edge of the composition simplex.
    widths = np.abs(np.linalg.det(fractions[lower]))
    return np.sort(lower[widths > 1e-9], axis=1).astype(np.int64)
