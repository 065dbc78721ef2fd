"""Hulls beside pymatgen's `PhaseDiagram`: equal figures, and how fast, on DFT entries, seed and generated systems."""

from __future__ import annotations

import gzip
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, data_dir, speed_row
from benchmarks.sizes import Effort, size
from benchmarks.stability_entries import compounds
from gnome_lite.config import DEFAULT_ELEMENTS
from gnome_lite.core.crystals import atomic_number

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PDEntry

    from gnome_lite.stability.hull import ChemicalHull

TOLERANCE_EV_PER_ATOM = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """The same n entries twice: pymatgen's, and atom counts [n, MAX_Z + 1] with formation energies, eV/atom, [n]."""

    theirs: list[PDEntry]
    ids: list[str]
    counts: NDArray[np.int64]
    e_form: NDArray[np.float64]

    @property
    def relative(self) -> _Relative:
        """pymatgen's entries with formation energies as their energies, made when asked for."""
        return _Relative(self)

    def hull(self) -> ChemicalHull:
        from gnome_lite.stability.hull import ChemicalHull

        return ChemicalHull("benchmark", self.ids, self.counts, self.e_form)


@dataclass(frozen=True, slots=True, eq=False)
class _Relative:
    entries: Entries

    def __getitem__(self, i: int) -> PDEntry:
        from pymatgen.analysis.phase_diagram import PDEntry
        from pymatgen.core import Composition

        row = self.entries.counts[i]
        composition = Composition({_symbol(z): int(row[z]) for z in np.flatnonzero(row).tolist()})
        return PDEntry(composition, float(self.entries.e_form[i] * row.sum()))


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    yield from on_dft_entries(size("stability_hull.repeats", effort))
    yield from on_generated_systems(size("stability_hull.small_systems", effort))
    stored = size("stability_hull.stored", effort)
    generated, name = _generated_store(stored), f"{stored:,} generated entries of 19 elements"
    yield from on_many_systems(effort, generated, 4, name, 100)
    yield from on_many_systems(effort, generated, 5, name, None)
    yield from on_many_systems(effort, _seed(), 4, "the bundled seed", None)


def on_dft_entries(repeats: int) -> Iterator[Row]:
    """The entries of Fe-Li-O-P, 943 in the Materials Project."""
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    entries = mp_entries()

    def ours() -> NDArray[np.float64]:
        return np.maximum(entries.hull().distances(entries.counts, entries.e_form), 0.0)

    def theirs() -> NDArray[np.float64]:
        diagram = PhaseDiagram(entries.theirs)
        return np.array([diagram.get_e_above_hull(entry) for entry in entries.theirs])

    name = f"{len(entries.ids)} entries of Fe-Li-O-P"
    yield _equal(f"e_above_hull, largest difference on the {name}", ours() - theirs())
    rate, their_rate = (len(entries.ids) / _cpu_seconds(call, repeats) for call in (ours, theirs))
    yield speed_row(f"e_above_hull of the {name}, building included", "1/s", rate, their_rate, "pymatgen")

    diagram, hull = PhaseDiagram(entries.theirs), entries.hull()
    stable = np.array([i for i, e in enumerate(entries.theirs) if e in diagram.stable_entries and len(e.elements) > 1])

    def our_decompositions(of: ChemicalHull = hull) -> NDArray[np.float64]:
        return entries.e_form[stable] - of.decompositions(stable).energies_ev_per_atom

    def their_decompositions() -> NDArray[np.float64]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [diagram.get_decomp_and_phase_separation_energy(entries.theirs[i])[1] for i in stable]
        return np.array(found, dtype=np.float64)

    # pymatgen leaves out polymorphs of the entry's own composition, which are other phases here.
    alone = _without_polymorphs(entries, stable)
    difference = our_decompositions() - their_decompositions()
    yield _equal(f"decomposition energy, largest difference on {alone.sum()} stable of the {name}", difference[alone])
    theirs_a_second = len(stable) / _cpu_seconds(their_decompositions, 1)
    peer = "pymatgen get_decomp_and_phase_separation_energy"
    name = f"decomposition relative to all others, {len(stable)} stable of the {name}"
    rate = len(stable) / _cpu_seconds(our_decompositions, repeats)
    yield speed_row(f"{name}, hull and diagram built", "1/s", rate, theirs_a_second, peer, 100)
    rate = len(stable) / _cpu_seconds(lambda: our_decompositions(entries.hull()), repeats)
    yield speed_row(f"{name}, hull's building included, diagram's not", "1/s", rate, theirs_a_second, peer)
    verdicts = len(stable) / _cpu_seconds(lambda: hull.verdicts([entries.ids[i] for i in stable]), repeats)
    yield Row("the same as verdicts with named products, hull built", "1/s", verdicts, None, "", None)


def on_generated_systems(n: int) -> Iterator[Row]:
    """Systems of 1-6 elements with polymorphs, ties and coplanar phases."""
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    rng = np.random.default_rng(6)
    worst = 0.0
    for _ in range(n):
        entries = _generated(rng, int(rng.integers(1, 7)), int(rng.integers(0, 25)))
        diagram = PhaseDiagram(entries.theirs)
        theirs = np.array([diagram.get_e_above_hull(e) for e in entries.theirs])
        ours = [v.e_above_hull_ev_per_atom for v in entries.hull().verdicts(entries.ids)]
        worst = max(worst, float(np.abs(theirs - ours).max()))
    yield _equal(f"e_above_hull, largest difference on {n} generated systems of 1-6 elements", np.array([worst]))


def on_many_systems(effort: Effort, entries: Entries, most: int, name: str, at_least: float | None) -> Iterator[Row]:
    """Compositions, 200 in each of 500 systems of 3 to `most` elements (the default campaign: 4).

    pymatgen is timed on the first of the systems, each with its diagram.
    """
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    from gnome_lite.core.crystals import MAX_Z

    n_systems, n_queries, peer_systems = (
        size(f"stability_hull.{what}", effort) for what in ("systems", "queries", "peer_systems")
    )
    systems = _systems(entries, n_systems, most)
    rng = np.random.default_rng(1)
    counts = np.zeros((n_systems, n_queries, MAX_Z + 1), dtype=np.int64)
    for block, elements in zip(counts, systems, strict=True):
        block[:, elements] = rng.integers(1, 7, (n_queries, len(elements)))
    e_form = rng.uniform(-2.0, 0.5, (n_systems, n_queries))
    flat = counts.reshape(-1, MAX_Z + 1)

    def ours() -> NDArray[np.float64]:
        return entries.hull().distances(flat, e_form.ravel())

    seconds = _cpu_seconds(ours, size("stability_hull.repeats", effort))
    found = ours().reshape(n_systems, n_queries)
    theirs = np.empty((peer_systems, n_queries))
    their_seconds = 0.0
    for k, elements in enumerate(systems[:peer_systems]):
        queries = [
            PDEntry(Composition({_symbol(z): int(row[z]) for z in elements}), e * row.sum())
            for row, e in zip(counts[k], e_form[k], strict=True)
        ]
        outside = np.setdiff1d(np.arange(MAX_Z + 1), elements)
        inside = np.flatnonzero(~(entries.counts[:, outside] > 0).any(axis=1))
        of_elements = [entries.relative[i] for i in inside.tolist()]
        started = time.process_time()
        diagram = PhaseDiagram(of_elements)
        theirs[k] = [diagram.get_e_above_hull(q, allow_negative=True) for q in queries]
        their_seconds += time.process_time() - started
    name = f"{flat.shape[0]} compositions in {n_systems} systems of 3-{most} elements, {name}"
    yield _equal(f"distance to hull, largest difference on {theirs.size} of the {name}", found[:peer_systems] - theirs)
    yield speed_row(
        f"e_above_hull of {name}, building included", "1/s", flat.shape[0] / seconds, theirs.size / their_seconds,
        f"pymatgen get_e_above_hull, {peer_systems} of the systems", at_least,
    )  # fmt: skip


def _systems(entries: Entries, n: int, most: int) -> list[list[int]]:
    """Chemical systems of the entries with three elements or more, each drawn once, and with one element more."""
    rng = np.random.default_rng(0)
    present = np.unique(entries.counts > 0, axis=0)
    wide = [np.flatnonzero(row).tolist() for row in present if row.sum() >= 3]
    common = np.flatnonzero((entries.counts > 0).mean(axis=0) > 0.01)
    chosen: dict[tuple[int, ...], None] = {}
    while len(chosen) < n:
        elements = set(wide[rng.integers(len(wide))])
        if rng.random() < 0.3:
            elements.add(int(rng.choice(common)))
        if len(elements) <= most:
            chosen[tuple(sorted(elements))] = None
    return [list(elements) for elements in chosen]


def mp_entries() -> Entries:
    with gzip.open(data_dir() / "mp_entries_Fe-Li-O-P.json.gz", "rt") as file:
        documents = json.load(file)
    return _entries(
        [d["composition"] for d in documents], [d["energy"] + (d.get("correction") or 0.0) for d in documents]
    )


def _generated(rng: np.random.Generator, n_elements: int, n_compounds: int) -> Entries:
    elements = ["Li", "O", "Fe", "P", "Na", "Cl"][:n_elements]
    compositions: list[dict[str, float]] = [{el: 1.0} for el in elements]
    energies = [0.0] * n_elements
    for row in rng.integers(0, 5, (n_compounds, n_elements)):
        kinds = int((row > 0).sum())
        if kinds:
            compositions.append({el: float(k) for el, k in zip(elements, row, strict=True) if k})
            e = rng.choice([rng.uniform(-3, 1), 0.0, -1.0, -1.0])
            energies.append(float(row.sum() * (abs(e) if kinds == 1 else e)))
    return _entries(compositions, energies)


def _seed() -> Entries:
    from gnome_lite.assemble import load_references

    references = load_references()
    return Entries([], list(references.ids), references.crystals.counts, references.e_form_ev_per_atom)


def _generated_store(n: int) -> Entries:
    counts, e_form = compounds(n - len(DEFAULT_ELEMENTS))
    elements = np.zeros((len(DEFAULT_ELEMENTS), counts.shape[1]), dtype=np.int64)
    elements[np.arange(len(elements)), [atomic_number(el) for el in DEFAULT_ELEMENTS]] = 1
    energies = np.concatenate([np.zeros(len(elements)), e_form])
    return Entries([], [f"e{i}" for i in range(n)], np.concatenate([elements, counts]), energies)


def _entries(compositions: list[dict[str, float]], energies_ev: list[float]) -> Entries:
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core import Composition

    from gnome_lite.core.crystals import MAX_Z
    from gnome_lite.core.phases import formation_energies

    counts = np.zeros((len(compositions), MAX_Z + 1), dtype=np.int64)
    for row, composition in zip(counts, compositions, strict=True):
        for element, amount in composition.items():
            row[atomic_number(element)] = round(amount)
    elemental: dict[str, float] = {}
    for composition, e in zip(compositions, energies_ev, strict=True):
        if len(composition) == 1:
            ((name, amount),) = composition.items()
            elemental[name] = min(elemental.get(name, np.inf), e / amount)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [PDEntry(Composition(c), e) for c, e in zip(compositions, energies_ev, strict=True)]
    ids = [f"e{i}" for i in range(len(theirs))]
    return Entries(theirs, ids, counts, formation_energies(counts, energies_ev, elemental))


def _without_polymorphs(entries: Entries, which: NDArray[np.int64]) -> NDArray[np.bool_]:
    reduced = entries.counts // np.gcd.reduce(entries.counts, axis=1, keepdims=True)
    _, composition, n = np.unique(reduced, axis=0, return_inverse=True, return_counts=True)
    return n[composition.ravel()[which]] == 1


def _cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    """Median processor time of one core, which a busy machine stretches less than wall time."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return statistics.median(times)


def _equal(name: str, difference: NDArray[np.float64]) -> Row:
    largest = float(np.abs(difference).max())
    target = f"<= {TOLERANCE_EV_PER_ATOM:g}"
    return Row(name, "eV/atom", largest, None, "pymatgen", None, target, largest <= TOLERANCE_EV_PER_ATOM)


def _symbol(z: int) -> str:
    from gnome_lite.core.crystals import symbol

    return symbol(z)
