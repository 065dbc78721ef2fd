"""The ground truth of replays of who climbs: what a dearer level says of a labelled pool's finds and their hull.

A find is a novel crystal of the pool near the hull of references and pool. It and the competing phases of its system
are computed at the dearer level, each from the crystal of the level below, as `campaign.higher_levels` does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.campaign.higher_levels import competing_phases, judge_at, phases_at
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import SourceError
from gnome_lite.core.records import STABLE_EV_PER_ATOM, Phase, Verification
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.pipeline import Hull, Progress, Verifier, silent
from gnome_lite.sources.reference_files import read_references

FIND_EV_PER_ATOM, COMPETING_EV_PER_ATOM = 0.03, 0.03
"""How far above the hull of the level below a find and a competing phase may lie."""
FIND = "find of the labelled pool"
"""Source of a find in the file; competing phases have that of their level below."""


@dataclass(frozen=True, slots=True, eq=False)
class HigherTruth:
    """n finds, and their places on the hulls of two levels.

    Attributes:
        below: crystals as relaxed at the level below, [n].
        below_ev_per_atom: decomposition energy there, among references and pool, [n].
        decomposition_ev_per_atom: at the dearer level, among all that was computed there, [n].
    """

    level: str
    ids: tuple[str, ...]
    below: CrystalBatch
    below_ev_per_atom: NDArray[np.float64]
    decomposition_ev_per_atom: NDArray[np.float64]

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Which are on the hull of the dearer level, [n]."""
        return self.decomposition_ev_per_atom <= STABLE_EV_PER_ATOM


def finds(truth: GroundTruth) -> tuple[list[int], NDArray[np.float64], Hull]:
    """Return the rows of the finds in a labelled pool, their decomposition energies, eV/atom, and the hull of both."""
    outcomes = truth.labelled.outcomes
    hull = truth.build_hull(truth.references.add(outcomes))
    distance = np.abs(hull.distances(truth.start.counts, truth.e_form_ev_per_atom))
    rows = np.flatnonzero(truth.novel & (distance <= FIND_EV_PER_ATOM)).tolist()
    verdicts = hull.verdicts([outcomes[i].candidate_id for i in rows])
    return rows, np.array([v.decomposition_ev_per_atom for v in verdicts]), hull


def verify_higher(
    truth: GroundTruth, verifier: Verifier, results_log: Path, progress: Progress = silent
) -> list[Phase]:
    """Return finds and competing phases at a dearer level; a killed call goes on where it stopped."""
    rows, _, hull = finds(truth)
    outcomes = [truth.labelled.outcomes[i] for i in rows]
    systems = {v.crystal.chemical_system for v in outcomes}
    below = [Phase(v.candidate_id, v.crystal, v.energy_ev, v.level, FIND, "", "") for v in outcomes]
    below += competing_phases(truth.references, hull, systems, COMPETING_EV_PER_ATOM)
    made, failed = phases_at(verifier, below, results_log, progress)
    for cause, n in failed.items():
        progress("higher", n, len(below), f"failed: {cause}")
    return made


def read_higher_truth(path: Path, truth: GroundTruth) -> HigherTruth:
    """Read what `verify_higher` made, beside the labelled pool that it was made of.

    Raises:
        SourceError: if the file is missing or damaged, or is of another pool.
    """
    phases = read_references(path)
    rows, below, _ = finds(truth)
    outcomes = [truth.labelled.outcomes[i] for i in rows]
    there = {p.id: p for p in phases if p.source.endswith(FIND)}
    if not there.keys() <= {v.candidate_id for v in outcomes}:
        raise SourceError(f"{path} has finds of another labelled pool: make it anew")
    others = [p for p in phases if p.id not in there]
    verified = [Verification(p.id, p.crystal, p.energy_ev, 0.0, 0, True, p.level, 0.0) for p in there.values()]
    places = judge_at(others, verified, truth.build_hull)
    kept = [k for k, v in enumerate(outcomes) if v.candidate_id in places]
    ids = tuple(outcomes[k].candidate_id for k in kept)
    return HigherTruth(
        phases[0].level,
        ids,
        CrystalBatch.from_crystals(outcomes[k].crystal for k in kept),
        below[kept],
        np.array([places[i].decomposition_ev_per_atom for i in ids]),
    )
