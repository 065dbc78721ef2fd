"""The bundled seed from verified elements, prototypes as found in nature, and compounds of every generator.

All are relaxed by one verifier, so that all energies are of one level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.licences import LICENCE
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Phase, Verification
from gnome_lite.pipeline import Novelty, Progress

E_FORM_MAX_EV_PER_ATOM = 2.0
"""Compounds further above their elements than this are artefacts of a bad start, not phases."""
ELEMENT_GROWTH_MAX = 2.0
"""An element that grows by more than this factor is not the reported crystal any longer: fluorine comes apart into
molecules far from each other, whose energy CHGNet extrapolates 0.12 eV/atom below everything known."""


def collect(
    candidates: Sequence[Candidate],
    outcomes: dict[str, Verification],
    novelty: Novelty,
    progress: Progress,
    beside: PhaseSet | None = None,
) -> tuple[list[Phase], list[Phase]]:
    """Drop failures, duplicates and artefacts.

    Args:
        candidates: what was relaxed.
        outcomes: by id of the candidate.
        novelty: tells structures apart.
        progress: told of each that is kept.
        beside: phases that are there already: their elements are the references, and what one of them is, is dropped.

    Returns:
        The entries, and the same ones with their *unrelaxed* crystals, whose `source` tells the parent and the change.
    """
    good = [(c, outcomes[c.id]) for c in candidates if outcomes[c.id].ok and not _came_apart(c, outcomes[c.id])]
    elemental: dict[str, float] = {} if beside is None else dict(beside.elemental_ev_per_atom)
    for _, v in good:
        if np.ptp(v.crystal.numbers) == 0:
            name = v.crystal.chemical_system
            elemental[name] = min(elemental.get(name, np.inf), v.energy_ev_per_atom)
    good = [(c, v) for c, v in good if set(v.crystal.chemical_system.split("-")) <= elemental.keys()]
    relaxed = CrystalBatch.from_crystals(v.crystal for _, v in good)
    e_form = formation_energies(relaxed.counts, [v.energy_ev for _, v in good], elemental)
    keys = novelty.fingerprints(relaxed)
    index = novelty.index()
    if beside is not None:
        formulas = set(relaxed.reduced_formulas())
        shared = [i for i, formula in enumerate(beside.formulas) if formula in formulas]
        index.extend([beside.ids[i] for i in shared], beside.crystals.take(shared))
    entries: list[Phase] = []
    inputs: list[Phase] = []
    for i in np.argsort(e_form, kind="stable"):  # the lower of two equals is kept
        candidate, v = good[i]
        progress("collect", len(entries), len(good), v.crystal.reduced_formula)
        if e_form[i] > E_FORM_MAX_EV_PER_ATOM or index.find(v.crystal) is not None:
            continue
        index.add(candidate.id, v.crystal)
        entry_id = f"seed-{v.crystal.content_id.removeprefix('gl-')}"
        source = f"gnome_lite seed, {candidate.generator}"
        entry = Phase(entry_id, v.crystal, v.energy_ev, v.level, source, LICENCE, keys[i])
        entries.append(entry)
        origin = f"{source}: {candidate.parent_id} {candidate.change}".strip()
        inputs.append(replace(entry, crystal=candidate.crystal, source=origin, fingerprint=""))
    return entries, inputs


def _came_apart(candidate: Candidate, v: Verification) -> bool:
    grown = v.crystal.volume > ELEMENT_GROWTH_MAX * candidate.crystal.volume
    return bool(grown and np.ptp(candidate.crystal.numbers) == 0)


def summary(candidates: Sequence[Candidate], outcomes: dict[str, Verification]) -> dict[str, Any]:
    """Return counts for the seed's README: tried and failed by kind and cause."""
    tried = Counter(c.generator for c in candidates)
    failed = Counter(str(outcomes[c.id].failure) for c in candidates if not outcomes[c.id].ok)
    seconds = sum(v.seconds for v in outcomes.values())
    return {"tried": dict(tried), "failed": dict(failed), "seconds": round(seconds, 1)}
