"""Energies above hull: equal to pymatgen's, and how fast, on the 943 DFT entries of Fe-Li-O-P."""

from __future__ import annotations

import gzip
import json

import numpy as np

from benchmarks.rows import Row, data_dir, median_seconds, speed_row


def measure() -> list[Row]:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition, Element

    from gnome_lite.crystals import MAX_Z
    from gnome_lite.references import formation_energies
    from gnome_lite.stability.hull import ChemicalHull

    with gzip.open(data_dir() / "mp_entries_Fe-Li-O-P.json.gz", "rt") as file:
        documents = json.load(file)
    entries = [
        PDEntry(Composition(d["composition"]), d["energy"] + (d.get("correction") or 0.0), name=str(i))
        for i, d in enumerate(documents)
    ]
    counts = np.zeros((len(entries), MAX_Z + 1), dtype=np.int64)
    for row, entry in zip(counts, entries, strict=True):
        for element, amount in entry.composition.items():
            row[Element(element).Z] = round(amount)
    elemental: dict[str, float] = {}
    for entry in entries:
        if len(entry.composition) == 1:
            name = entry.composition.elements[0].symbol
            elemental[name] = min(elemental.get(name, np.inf), entry.energy_per_atom)
    e_form = formation_energies(counts, [e.energy for e in entries], elemental)
    ids = [e.name for e in entries]

    def ours() -> np.ndarray:
        hull = ChemicalHull("MP2020", ids, counts, e_form)
        return np.maximum(hull.distances(counts, e_form), 0.0)

    def theirs() -> np.ndarray:
        diagram = PhaseDiagram(entries)
        return np.array([diagram.get_e_above_hull(entry) for entry in entries])

    largest = float(np.abs(ours() - theirs()).max())
    speed = [len(entries) / median_seconds(call) for call in (ours, theirs)]
    return [
        Row(
            "e_above_hull, largest difference on 943 entries of Fe-Li-O-P",
            "eV/atom",
            largest,
            None,
            "pymatgen",
            None,
            "<= 1e-6",
            largest <= 1e-6,
        ),
        speed_row("e_above_hull of 943 entries, building included", "1/s", speed[0], speed[1], "pymatgen"),
    ]
