"""Survivors of one level of theory, verified and judged at the next, against that level's own hull.

GNoME did so with r2SCAN on its PBE survivors, of which 84 % stayed stable (Merchant et al., Nature 624, 80, 2023).
No energy of a lower level enters a higher hull: the competing phases are computed anew, each once. Verifications and
verdicts are ordinary rows of the store, with their level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.campaign.context import Context
from gnome_lite.campaign.reevaluate import moved
from gnome_lite.campaign.stages import HigherLevel
from gnome_lite.core.crystals import MAX_Z
from gnome_lite.core.origins import COMPUTED_HERE
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import STABLE_EV_PER_ATOM, Candidate, Phase, Verdict, Verification
from gnome_lite.pipeline import BuildHull, Hull, HullVerdict, Progress, Verifier
from gnome_lite.predict.level_difference import LevelDifference
from gnome_lite.verify.results_log import relax_all


def levels(context: Context, round: int) -> dict[str, Any]:
    """Verify and judge survivors of each level at the next, cheapest first; return figures by level."""
    store, name = context.stages.store, context.stages.config.name
    standing = {i: v for i, v in store.verdicts(name, round).items() if v.novel}
    below = context.level
    figures: dict[str, Any] = {}
    for higher in context.stages.higher_levels:
        survivors = _survivors(standing, higher)
        _verify(context, round, higher, below, standing, survivors)
        mine = store.verifications(higher.verifier.level, ids=survivors)
        good = [v for v in mine if v.ok]
        systems = {v.crystal.chemical_system for v in good}
        known = competing_phases(context.phases(), context.hull(), systems, higher.settings.competing_max)
        others = [p for p in known if p.id not in {v.candidate_id for v in good}]
        phases, failed = phases_at(higher.verifier, others, higher.results_log, context.stages.progress)
        judged = judge_at(phases, good, context.stages.build_hull)
        # Those of the rounds before: this round's own, of a step that was killed before its end, are issued again.
        before = store.verdicts(name, round - 1, level=higher.verifier.level)
        # The first verdict at a level takes novelty and prototype from the level below.
        now = {
            i: moved(before[i], place)
            if i in before
            else replace(standing[i], level=higher.verifier.level, **asdict(place))
            for i, place in judged.items()
        }
        figures[higher.name] = {
            "level": higher.verifier.level,
            "verified": len(mine),
            "failed": sum(not v.ok for v in mine),
            "phases": len(phases),
            "phases_failed": dict(failed),
            "judged": len(now),
            "stable": sum(v.stable for v in now.values()),
        }
        new = [v for i, v in now.items() if v is not before.get(i)]
        store.add_verdicts(name, round, new, figures[higher.name], level=higher.verifier.level)
        # What survives here starts from this level's crystals at the next one.
        standing, below = now, higher.verifier.level
    return {"levels": figures}


def competing_phases(phases: PhaseSet, hull: Hull, systems: Iterable[str], within_ev_per_atom: float) -> list[Phase]:
    """Return the phases of some chemical systems, elements included, near the hull of their own level.

    Args:
        phases: phases of one level.
        hull: their hull.
        systems: chemical systems such as "Al-Ni".
        within_ev_per_atom: furthest distance above that hull.
    """
    near = phases.near_hull(hull.distances(phases.counts, phases.e_form_ev_per_atom), within_ev_per_atom)
    wanted = {frozenset(system.split("-")) for system in systems}
    elements = (frozenset(p.crystal.chemical_system.split("-")) for p in near)
    return [p for p, inside in zip(near, elements, strict=True) if any(inside <= system for system in wanted)]


def phases_at(
    verifier: Verifier, phases: Sequence[Phase], results_log: Path, progress: Progress
) -> tuple[list[Phase], Mapping[str, int]]:
    """Relax phases at another level, each once: what the results log holds is not computed again.

    Returns:
        The phases at that level, with the ids of the level below; and the number of those that could not be relaxed,
        by cause. Each of these may be missing from the hull.
    """
    candidates = [Candidate(p.id, p.crystal, p.id, "ladder", "", 0) for p in phases]
    outcomes = relax_all(candidates, verifier, results_log, progress)
    made = [
        replace(p, crystal=v.crystal, energy_ev=v.energy_ev, level=v.level, source=COMPUTED_HERE + p.source)
        for p in phases
        if (v := outcomes[p.id]).ok
    ]
    return made, Counter(str(v.failure) for v in outcomes.values() if v.failure)


def of_system(phases: Sequence[Phase], system: str) -> PhaseSet | None:
    """Return the phases of one chemical system as a set; None if an element has none."""
    inside = [p for p in phases if _within(p.crystal.chemical_system, system)]
    elements = {p.crystal.chemical_system for p in inside} & set(system.split("-"))
    return PhaseSet.make([replace(p, fingerprint="") for p in inside]) if elements == set(system.split("-")) else None


def judge_at(
    phases: Sequence[Phase], verified: Sequence[Verification], build_hull: BuildHull
) -> dict[str, HullVerdict]:
    """Return places on the hulls of one level, by candidate id; a system without all its elements has none."""
    verdicts: dict[str, HullVerdict] = {}
    for system in sorted({v.crystal.chemical_system for v in verified}):
        verdicts |= judge_system(phases, verified, system, build_hull) or {}
    return verdicts


def judge_system(
    phases: Sequence[Phase], verified: Sequence[Verification], system: str, build_hull: BuildHull
) -> dict[str, HullVerdict] | None:
    """Return places on the hull of one chemical system at a level, by candidate id; None if an element is missing."""
    references = of_system(phases, system)
    if references is None:
        return None
    inside = [v for v in verified if _within(v.crystal.chemical_system, system)]
    hull = build_hull(references.add(inside))
    ids = [v.candidate_id for v in inside if v.crystal.chemical_system == system]
    return dict(zip(ids, hull.verdicts(ids), strict=True))


def most_promising(
    context: Context, level: str, below: str, standing: Mapping[str, Verdict], ids: Sequence[str]
) -> list[str]:
    """Order survivors by the probability that they are on the hull at a level, highest first.

    It is learnt from how crystals judged there so far moved against the level below, see `LevelDifference`; of equally
    likely ones the level below decides.
    """
    store, name = context.stages.store, context.stages.config.name
    judged = {i: v for i, v in store.verdicts(name, level=level).items() if i in standing}
    known = {v.candidate_id: v.crystal.counts for v in store.verifications(below, ids=[*judged, *ids])}
    before = np.array([standing[i].decomposition_ev_per_atom for i in judged])
    there = np.array([v.decomposition_ev_per_atom for v in judged.values()])
    learnt = LevelDifference.fitted(_stacked(known, judged), before, there - before)
    waiting = np.array([standing[i].decomposition_ev_per_atom for i in ids])
    p = dict(zip(ids, learnt.p_stable(_stacked(known, ids), waiting).tolist(), strict=True))
    return sorted(ids, key=lambda i: (-p[i], standing[i].decomposition_ev_per_atom, i))


def _stacked(counts: Mapping[str, NDArray[np.int64]], ids: Iterable[str]) -> NDArray[np.int64]:
    return np.array([counts[i] for i in ids], dtype=np.int64).reshape(-1, MAX_Z + 1)


def _survivors(standing: Mapping[str, Verdict], higher: HigherLevel) -> list[str]:
    """Return ids on or near the hull of the level below, of all rounds so far."""
    limit = max(higher.settings.e_above_hull_max, STABLE_EV_PER_ATOM)
    return [i for i, v in standing.items() if v.e_above_hull_ev_per_atom <= limit]


def _verify(
    context: Context,
    round: int,
    higher: HigherLevel,
    below: str,
    standing: Mapping[str, Verdict],
    survivors: Sequence[str],
) -> None:
    """Relax survivors that this level has not seen, as many as the budget allows; each is committed as it ends.

    Which they are is committed first: after a kill the same ones are finished, and the budget is not spent twice.
    """
    stages, store, name, level = context.stages, context.stages.store, context.stages.config.name, higher.verifier.level
    done = {v.candidate_id for v in store.verifications(level, ids=survivors)}
    if store.done(name, round, f"acquire {level}") is None:
        new = most_promising(context, level, below, standing, [i for i in survivors if i not in done])
        store.add_selection(name, round, new[: higher.settings.budget], [], {}, level=level)
    chosen = [c.id for c, _ in store.selected(name, round, level=level) if c.id not in done]
    crystals = {v.candidate_id: v.crystal for v in store.verifications(below, ids=chosen)}
    pending = [Candidate(i, crystals[i], i, "ladder", "", round) for i in chosen]
    for n_done, outcome in enumerate(context.relax(higher.verifier, pending, round), 1):
        stages.progress(f"verify at {higher.name}", n_done, len(pending), outcome.note)


def _within(inner: str, outer: str) -> bool:
    """Return whether a chemical system lies inside another."""
    return set(inner.split("-")) <= set(outer.split("-"))
