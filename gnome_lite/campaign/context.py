"""Everything known before a round, and what a newly verified crystal is beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from gnome_lite.config import Generate
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.phases import PhaseSet, formation_energies
from gnome_lite.core.records import Credibility, Verification
from gnome_lite.pipeline import BuildHull, CrystalIndex, FurtherParents, Novelty


def index_of_known(novelty: Novelty, references: PhaseSet, verified: Sequence[Verification]) -> CrystalIndex:
    """References and verified crystals, to be found by sameness."""
    index = novelty.index()
    for e in references.entries:
        index.add(e.id, e.crystal)
    for v in verified:
        index.add(v.candidate_id, v.crystal)
    return index


def near_hull(
    generate: Generate,
    build_hull: BuildHull,
    references: PhaseSet,
    verified: Sequence[Verification] = (),
    further: FurtherParents | None = None,
) -> tuple[CrystalBatch, list[str]]:
    """Parents of candidates, with their ids: known and verified crystals near the hull and those further ones whose
    energies nobody knows, as far as they are small enough."""
    crystals = CrystalBatch.concatenate([references.crystals, CrystalBatch.from_crystals(v.crystal for v in verified)])
    energies = np.concatenate([references.energies_ev, [v.energy_ev for v in verified]])
    ids = [e.id for e in references.entries] + [v.candidate_id for v in verified]
    e_form = formation_energies(crystals.counts, energies, references.elemental_ev_per_atom)
    distances = build_hull(references, verified).distances(crystals.counts, e_form)
    fit = (distances <= generate.parents_e_above_hull_max) & (crystals.n_atoms <= generate.max_atoms)
    found, names = crystals.take(fit), [ids[i] for i in np.flatnonzero(fit)]
    if further is None:
        return found, names
    small = further.crystals.n_atoms <= generate.max_atoms
    return (
        CrystalBatch.concatenate([found, further.crystals.take(small)]),
        names + [further.ids[i] for i in np.flatnonzero(small)],
    )


class Surroundings:
    """Known crystals, against which those of one round are judged one after another."""

    def __init__(self, novelty: Novelty, references: PhaseSet, verified: Sequence[Verification]) -> None:
        self._novelty = novelty
        self._index = index_of_known(novelty, references, verified)
        fingerprints = _fingerprints(novelty, references)
        fingerprints += novelty.fingerprints(CrystalBatch.from_crystals(v.crystal for v in verified))
        crystals = [(e.id, e.crystal) for e in references.entries] + [(v.candidate_id, v.crystal) for v in verified]
        self._prototype_database = novelty.prototype_database(
            (i, crystal, key) for (i, crystal), key in zip(crystals, fingerprints, strict=True)
        )
        self._by_formula: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for formula, e in zip(references.crystals.reduced_formulas(), references.entries, strict=True):
            self._by_formula[formula].append((e.id, e.energy_ev_per_atom))
        for v in verified:
            self._by_formula[v.crystal.reduced_formula].append((v.candidate_id, v.energy_ev_per_atom))

    def judge(self, v: Verification) -> tuple[bool, str | None, str, Credibility]:
        """Whether a relaxed crystal is novel, the known one it equals or comes closest to in energy, its prototype and
        its credibility.

        The crystal is known from then on; its prototype counts as new until the round is over.
        """
        (fingerprint,) = self._novelty.fingerprints(CrystalBatch.from_crystals([v.crystal]))
        equal = self._index.find(v.crystal)
        of_formula = self._by_formula[v.crystal.reduced_formula]
        closest = min(of_formula, key=lambda known: abs(known[1] - v.energy_ev_per_atom), default=(None, 0.0))[0]
        self._index.add(v.candidate_id, v.crystal)
        of_formula.append((v.candidate_id, v.energy_ev_per_atom))
        credibility = self._prototype_database.credibility(v.crystal, fingerprint)
        return equal is None, equal or closest, self._novelty.prototype(fingerprint), credibility


def _fingerprints(novelty: Novelty, references: PhaseSet) -> list[str]:
    """Of all references; worked out only where the source does not carry them."""
    missing = [i for i, e in enumerate(references.entries) if not e.fingerprint]
    computed = dict(zip(missing, novelty.fingerprints(references.crystals.take(missing)), strict=True))
    return [e.fingerprint or computed[i] for i, e in enumerate(references.entries)]
