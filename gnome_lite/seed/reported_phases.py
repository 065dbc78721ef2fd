"""Reported compounds at a level of theory: relaxed within their space groups, each held against what is reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.licences import LICENCE
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Phase, Verification
from gnome_lite.pipeline import Novelty
from gnome_lite.sources.reported_table import TableEntry

MAX_ATOMS = 44
VOLUME_WITHIN = 0.08
"""Relaxed volumes lie this near the reported ones, or the row says so."""
SYMPREC_ANG = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """A reported compound, relaxed.

    Attributes:
        space_group_number: of the relaxed crystal; None where none was found.
        volume_ratio: relaxed over reported; None where none is reported.
        remark: what is wrong with it, "" where nothing is.
    """

    entry: TableEntry
    outcome: Verification
    space_group_number: int | None
    volume_ratio: float | None
    remark: str

    @property
    def kept(self) -> bool:
        """Whether it goes into the reference set."""
        return self.outcome.ok


def candidates_of(entries: Iterable[TableEntry], max_atoms: int = MAX_ATOMS) -> list[tuple[TableEntry, Candidate]]:
    """Return what to relax: minerals and other named forms, then small cells; cells of more atoms are left out."""
    small = sorted((e for e in entries if len(e.crystal) <= max_atoms), key=lambda e: (not e.name, len(e.crystal)))
    made = [
        (e, Candidate(e.crystal.content_id, e.crystal, e.structure_type.name, "reported", e.name, 0)) for e in small
    ]
    return list({candidate.id: (entry, candidate) for entry, candidate in made}.values())


def check(entry: TableEntry, outcome: Verification) -> Checked:
    """Hold a relaxed compound against what is reported of it."""
    if not outcome.ok:
        return Checked(entry, outcome, None, None, f"{outcome.failure}: {outcome.detail}")
    found = symmetry(outcome.crystal, SYMPREC_ANG)
    number = None if found is None else int(found.number)
    units = len(outcome.crystal) // len(entry.structure_type.crystal) * entry.structure_type.n_formula_units
    ratio = outcome.crystal.volume / units / entry.volume_ang3 if entry.volume_ang3 else None
    remarks = []
    if number != entry.structure_type.space_group_number:
        remarks.append(f"space group {number}, reported {entry.structure_type.space_group_number}")
    if ratio is not None and abs(ratio - 1) > VOLUME_WITHIN:
        remarks.append(f"volume {ratio:.2f} of the reported")
    return Checked(entry, outcome, number, ratio, "; ".join(remarks))


def phases_of(checked: Sequence[Checked], novelty: Novelty) -> list[Phase]:
    """Return the phases that are kept, of equal crystals the lowest in energy."""
    good = sorted((c for c in checked if c.kept), key=lambda c: c.outcome.energy_ev_per_atom)
    keys = novelty.fingerprints(CrystalBatch.from_crystals(c.outcome.crystal for c in good))
    index = novelty.index()
    phases: list[Phase] = []
    for c, key in zip(good, keys, strict=True):
        v = c.outcome
        id = f"reported-{v.crystal.content_id.removeprefix('gl-')}"
        if index.find(v.crystal) is None:
            index.add(id, v.crystal)
            phases.append(Phase(id, v.crystal, v.energy_ev, v.level, c.entry.source, LICENCE, key))
    return phases


def same_as_reported(phases: Sequence[Phase], others: PhaseSet, novelty: Novelty) -> list[str]:
    """Return the ids of the other phases, elements left out, that are the same crystal as a reported one."""
    index = novelty.index()
    for p in phases:
        index.add(p.id, p.crystal)
    compounds = np.flatnonzero((others.counts > 0).sum(axis=1) > 1).tolist()
    return [others.ids[i] for i in compounds if index.find(others.crystals[i]) is not None]


def as_csv(checked: Iterable[Checked]) -> str:
    """Return one line a compound: what was found, and what is wrong with it."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["formula", "structure_type", "name", "e_ev_per_atom", "space_group", "volume_ratio", "remark"])
    for c in sorted(checked, key=lambda c: c.entry.where):
        e, v = c.entry, c.outcome
        energy = f"{v.energy_ev_per_atom:.4f}" if v.ok and np.isfinite(v.energy_ev) else ""
        ratio = "" if c.volume_ratio is None else f"{c.volume_ratio:.3f}"
        table.writerow([e.formula, e.structure_type.name, e.name, energy, c.space_group_number or "", ratio, c.remark])
    return text.getvalue()
