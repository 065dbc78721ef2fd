"""Phases for the tests of analyses: the bundled seed with molecules, DFT entries, and made-up ones."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from gnome_lite.core.crystals import Crystal, atomic_number
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase, Verification

DATA = Path(os.environ.get("GNOME_LITE_BENCHMARK_DATA", Path(__file__).parents[3] / "shared" / "data"))


def phases_of(compounds: Sequence[tuple[dict[str, int], float]], known: Sequence[bool] | None = None) -> PhaseSet:
    """From (atoms of each element, formation energy in eV/atom); ids are e000, e001 and so on in this order.

    Args:
        known: which are reference phases; they come first. Default: all.
    """
    phases, verified = [], []
    for i, (composition, e_form) in enumerate(compounds):
        numbers = [atomic_number(element) for element, n in composition.items() for _ in range(n)]
        x = np.random.default_rng(i).random((len(numbers), 3))
        crystal = Crystal.make(numbers, x, 5 * np.eye(3))
        if known is None or known[i]:
            phases.append(Phase(f"e{i:03d}", crystal, e_form * len(numbers), "L", "test", "CC0", "-"))
        else:
            verified.append(Verification(f"e{i:03d}", crystal, e_form * len(numbers), 0.01, 1, True, "L", 1.0))
    elements = {element for composition, _ in compounds for element in composition}
    return PhaseSet.make(phases, dict.fromkeys(elements, 0.0)).add(verified)


def entries_of(phases: PhaseSet, elements: str | None = None, by_id: bool = True) -> list[PDEntry]:
    """The same for pymatgen, named by id or formula; only those within some elements, if they are named ("Li-Fe-O")."""
    wanted = None if elements is None else {atomic_number(e) for e in elements.split("-")}
    entries = []
    for i, (name, counts) in enumerate(zip(phases.ids, phases.counts, strict=True)):
        kinds = {int(z) for z in np.flatnonzero(counts)}
        if wanted is None or kinds <= wanted:
            formula = Composition({z: int(counts[z]) for z in kinds})
            entries.append(
                PDEntry(formula, float(phases.e_form_ev_per_atom[i]) * formula.num_atoms, name=name if by_id else None)
            )
    return entries


@cache
def seed_phases() -> PhaseSet:
    from gnome_lite.assemble import load_molecules, load_references
    from gnome_lite.settings import Settings

    references = load_references()
    return references.with_molecules(load_molecules(Settings(home=Path("/none")), references.level))


@cache
def dft_phases() -> PhaseSet:
    """The 943 DFT entries of Fe-Li-O-P."""
    path = DATA / "mp_entries_Fe-Li-O-P.json.gz"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with gzip.open(path, "rt") as file:
        docs = json.load(file)
    entries = [PDEntry(Composition(d["composition"]), d["energy"] + d["correction"]) for d in docs]
    elemental = {e.symbol: entry.energy_per_atom for e, entry in PhaseDiagram(entries).el_refs.items()}
    compounds = []
    for d, entry in zip(docs, entries, strict=True):
        atoms = {el: round(n) for el, n in d["composition"].items()}
        e_form = (entry.energy - sum(n * elemental[el] for el, n in atoms.items())) / sum(atoms.values())
        compounds.append((atoms, e_form))
    return phases_of(compounds)
