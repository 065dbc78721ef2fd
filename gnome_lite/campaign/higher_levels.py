"""Up the ladder: what survives at one level of theory is relaxed at the next, against that level's own hull.

GNoME did so with r2SCAN on its PBE survivors, of which 84 % stayed stable (Merchant et al., Nature 624, 80, 2023).
Nothing computed at a level below enters a hull above: the competing phases are computed anew, each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnome_lite.campaign.history import all_verified
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.phases import Phase, PhaseSet, formation_energies
from gnome_lite.core.records import STABLE_EV_PER_ATOM, Candidate, Verification
from gnome_lite.pipeline import BuildHull, HigherLevel, HullVerdict, Progress, Stages, Verifier
from gnome_lite.verify.results_log import relax_all

COMPUTED_HERE = "computed here"


@dataclass(frozen=True, slots=True, eq=False)
class Phases:
    """Known phases of some chemical systems at one level.

    Attributes:
        entries: relaxed there; ids are those of the level below.
        failed: those that could not be, by cause. Each may be missing from the hull.
    """

    entries: tuple[Phase, ...]
    failed: Mapping[str, int]

    def of(self, system: str) -> PhaseSet | None:
        """Those of one chemical system, as its reference set; None if an element has none."""
        inside = [e for e in self.entries if _within(e.crystal.chemical_system, system)]
        elements = {e.crystal.chemical_system for e in inside} & set(system.split("-"))
        return PhaseSet.make(inside) if elements == set(system.split("-")) else None


def competing_phases(
    below: PhaseSet,
    verified: Sequence[Verification],
    systems: Iterable[str],
    within_ev_per_atom: float,
    build_hull: BuildHull,
) -> list[Phase]:
    """Known phases of some chemical systems, elements included, near the hull of their own level.

    Args:
        below: references of the level that the phases are known at.
        verified: crystals verified at that level.
        systems: chemical systems such as "Al-Ni".
        within_ev_per_atom: furthest distance above that hull.
    """
    found = [v for v in verified if v.ok]
    hull = build_hull(below, found)
    known = [*below.entries]
    known += [Phase(v.candidate_id, v.crystal, v.energy_ev, v.level, "verified", "") for v in found]
    batch = CrystalBatch.from_crystals(e.crystal for e in known)
    e_form = formation_energies(batch.counts, [e.energy_ev for e in known], below.elemental_ev_per_atom)
    near = hull.distances(batch.counts, e_form) <= within_ev_per_atom
    wanted = sorted(set(systems))
    return [
        e
        for e, is_near in zip(known, near, strict=True)
        if is_near and any(_within(e.crystal.chemical_system, system) for system in wanted)
    ]


def phases_at(verifier: Verifier, known: Sequence[Phase], results_log: Path, progress: Progress) -> Phases:
    """Relax known phases at another level, each once: what the results log holds is not computed again."""
    candidates = [Candidate(e.id, e.crystal, e.id, "ladder", "", 0) for e in known]
    outcomes = relax_all(candidates, verifier, results_log, progress)
    entries = tuple(
        Phase(e.id, v.crystal, v.energy_ev, v.level, f"{COMPUTED_HERE}, from {e.source}", e.licence)
        for e in known
        if (v := outcomes[e.id]).ok
    )
    return Phases(entries, Counter(str(v.failure) for v in outcomes.values() if v.failure))


def climb(stages: Stages, round: int) -> dict[str, Any]:
    """Survivors of each level, verified and judged at the next; figures by level, with the standing of each crystal."""
    store, name = stages.store, stages.config.name
    references = stages.source.load()
    below = all_verified(stages)
    crystals = {v.candidate_id: v for v in below}
    standing = {
        i: (v.e_above_hull_ev_per_atom, v.decomposition_ev_per_atom)
        for i, v in store.verdicts(name, round).items()
        if v.novel
    }
    figures: dict[str, Any] = {}
    for higher in stages.higher_levels:
        wanted = [i for i in _survivors(standing, higher) if i in crystals]
        _verify(stages, round, higher, [crystals[i] for i in wanted])
        mine = [v for v in store.verifications(higher.verifier.level) if v.candidate_id in wanted]
        good = {v.candidate_id: v for v in mine if v.ok}
        systems = sorted({v.crystal.chemical_system for v in good.values()})
        known = competing_phases(references, below, systems, higher.settings.competing_max, stages.build_hull)
        phases = phases_at(higher.verifier, [e for e in known if e.id not in good], higher.results_log, stages.progress)
        judged = judge_at(phases, list(good.values()), stages.build_hull)
        figures[higher.name] = _figures(higher, mine, phases, judged, [i for i in wanted if i in good])
        # What climbs on starts from this level's crystals; the competing phases keep those of the first level.
        crystals = good
        standing = {i: (v.e_above_hull_ev_per_atom, v.decomposition_ev_per_atom) for i, v in judged.items()}
    return {"levels": figures}


def judge_at(phases: Phases, verified: Sequence[Verification], build_hull: BuildHull) -> dict[str, HullVerdict]:
    """Distances and products at one level, by candidate id; of a system without all its elements there is none."""
    verdicts: dict[str, HullVerdict] = {}
    for system in sorted({v.crystal.chemical_system for v in verified}):
        references = phases.of(system)
        if references is None:
            continue
        inside = [v for v in verified if _within(v.crystal.chemical_system, system)]
        hull = build_hull(references, inside)
        ids = [v.candidate_id for v in inside if v.crystal.chemical_system == system]
        verdicts |= zip(ids, hull.verdicts(ids), strict=True)
    return verdicts


def _survivors(standing: Mapping[str, tuple[float, float]], higher: HigherLevel) -> list[str]:
    """Ids on or near the hull of the level below, the one that pushes it down furthest first, of all rounds so far."""
    limit = max(higher.settings.e_above_hull_max, STABLE_EV_PER_ATOM)
    near = [i for i, (above, _) in standing.items() if above <= limit]
    return sorted(near, key=lambda i: (standing[i][1], i))


def _verify(stages: Stages, round: int, higher: HigherLevel, survivors: Sequence[Verification]) -> None:
    """Relax survivors that this level has not seen, as many as the budget allows; each is committed as it ends.

    Which they are is committed first: after a kill the same ones are finished, and the budget is not spent twice.
    """
    store, name, key = stages.store, stages.config.name, f"to {higher.name}"[:32]
    done = {v.candidate_id for v in store.verifications(higher.verifier.level)}
    plan = store.done(name, round, key)
    if plan is None:
        fresh = [v.candidate_id for v in survivors if v.candidate_id not in done]
        plan = {"ids": fresh[: higher.settings.budget]}
        store.finish(name, round, key, plan)
    chosen = set(plan["ids"]) - done
    pending = [
        Candidate(v.candidate_id, v.crystal, v.candidate_id, "ladder", "", round)
        for v in survivors
        if v.candidate_id in chosen
    ]
    for n_done, outcome in enumerate(higher.verifier.verify(pending), 1):
        store.add_verification(name, round, outcome)
        note = str(outcome.failure) if outcome.failure else outcome.crystal.reduced_formula
        stages.progress(f"climb to {higher.name}", n_done, len(pending), note)


def _figures(
    higher: HigherLevel,
    mine: Sequence[Verification],
    phases: Phases,
    judged: Mapping[str, HullVerdict],
    order: Sequence[str],
) -> dict[str, Any]:
    stable = [i for i, v in judged.items() if v.e_above_hull_ev_per_atom <= STABLE_EV_PER_ATOM]
    formulas = {v.candidate_id: v.crystal.reduced_formula for v in mine}
    return {
        "level": higher.verifier.level,
        "verified": len(mine),
        "failed": sum(not v.ok for v in mine),
        "phases": len(phases.entries),
        "phases_failed": dict(phases.failed),
        "judged": len(judged),
        "stable": len(stable),
        "standing": [
            {
                "id": i,
                "formula": formulas[i],
                "e_form_ev_per_atom": judged[i].e_form_ev_per_atom,
                "e_above_hull_ev_per_atom": judged[i].e_above_hull_ev_per_atom,
                "decomposition_ev_per_atom": judged[i].decomposition_ev_per_atom,
            }
            for i in order
            if i in judged
        ],
    }


def _within(inner: str, outer: str) -> bool:
    """Whether a chemical system lies inside another."""
    return set(inner.split("-")) <= set(outer.split("-"))
