"""What DFT would say of crystals at a surrogate's level: corrected energies, their spread, P(DFT-stable).

A crystal is judged among all phases known within its elements, each with its corrected energy. Elements' lowest phases
are the zero of the formation energy, so they lie at zero exactly. Errors that phases share stay shared in the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.surrogate_features import SurrogateFeatures
from gnome_lite.pipeline import Progress, silent
from gnome_lite.predict.delta import Corrected
from gnome_lite.stability.hull import ChemicalHull
from gnome_lite.stability.uncertainty import verdict_uncertainty


class Describe(Protocol):
    """Function that makes the features of crystals that a Δ-model reads."""

    def __call__(self, crystals: CrystalBatch, progress: Progress = silent) -> SurrogateFeatures: ...


DRAWS = 400


@dataclass(frozen=True, slots=True)
class DftCorrection:
    """Standing of one crystal by DFT.

    Attributes:
        target: level of DFT that the correction leads to.
        e_form_ev_per_atom: corrected formation energy.
        spread_ev_per_atom: standard deviation of its error.
        decomposition_ev_per_atom: decomposition energy relative to the other phases with their corrected energies.
        p_stable: probability of being on the hull of the known phases by DFT.
        model_id: id of the Δ-model.
    """

    target: str
    e_form_ev_per_atom: float
    spread_ev_per_atom: float
    decomposition_ev_per_atom: float
    p_stable: float
    model_id: str


def dft_corrections(
    phases: PhaseSet, ids: Sequence[str], correct: Callable[[PhaseSet], Corrected], target: str, model_id: str
) -> list[DftCorrection | None]:
    """Return how some phases of a set would stand; None where one, or an element of it, cannot be corrected.

    Args:
        correct: gives the corrected energies of the phases that compete.
        target: level of DFT that it leads to.
        model_id: what corrects.
    """
    present = phases.counts > 0
    within = np.zeros(len(phases), dtype=bool)
    for i in map(phases.index, ids):
        within |= ~present[:, ~present[i]].any(axis=1)
    inside = phases.take(within)
    corrected = correct(inside)
    asked = [inside.index(i) for i in ids]
    judged = judge_corrected(inside.ids, inside.crystals, corrected, asked)
    e_form, spread = corrected.e_form_ev_per_atom, corrected.spread_ev_per_atom
    return [
        None
        if np.isnan(p)
        else DftCorrection(target, float(e_form[k]), float(spread[k]), float(away), float(p), model_id)
        for k, away, p in zip(asked, *judged, strict=True)
    ]


def judge_corrected(
    ids: Sequence[str], crystals: CrystalBatch, corrected: Corrected, asked: Sequence[int], draws: int = DRAWS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return decomposition energies, eV/atom, and probabilities of being on the hull, [q] each (NaN: unknown)."""
    counts = crystals.counts
    e_form = anchored(counts, corrected.e_form_ev_per_atom)
    usable = np.flatnonzero(np.isfinite(e_form))
    hull = ChemicalHull("corrected", [ids[int(i)] for i in usable], counts[usable], e_form[usable])
    lonely = np.isfinite(e_form) & ((counts > 0).sum(axis=1) == 1)
    elements = (counts[lonely] > 0).any(axis=0)
    good = [k for k, i in enumerate(asked) if np.isfinite(e_form[i]) and not (counts[i] > 0)[~elements].any()]
    away, p = np.full(len(asked), np.nan), np.full(len(asked), np.nan)
    if good:
        names = [ids[asked[k]] for k in good]
        own, shared = corrected.own_ev_per_atom[usable], corrected.shared_ev_per_atom[usable]
        away[good] = [v.decomposition_ev_per_atom for v in hull.verdicts(names)]
        p[good] = verdict_uncertainty(hull, names, own, np.random.default_rng(0), shared, draws).p_on_hull
    return away, p


def anchored(counts: NDArray[np.int64], e_form_ev_per_atom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return formation energies with the lowest phase of each element at zero, eV/atom, [n]."""
    out = e_form_ev_per_atom.copy()
    alone = (counts > 0).sum(axis=1) == 1
    for z in np.flatnonzero(counts[alone].any(axis=0)):
        phases = alone & (counts[:, z] > 0) & np.isfinite(out)
        if phases.any():
            out[phases] -= out[phases].min()
    return out
