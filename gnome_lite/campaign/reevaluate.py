"""Verdicts issued again when what they rest on has changed: other references, or crystals verified since.

A verdict rests on the hull of its chemical system, whose id it carries. So what is affected needs no bookkeeping: those
whose system's hull has another id now are looked up again, and those that moved are re-issued; the old ones stay in
the store. Energies in eV/atom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from gnome_lite.campaign.context import Seen
from gnome_lite.core.errors import LevelMismatchError, StoreError
from gnome_lite.core.novelty_kinds import novelty_kind
from gnome_lite.core.origins import Origin, origins
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Verdict, Verification
from gnome_lite.pipeline import BuildHull, Hull, HullVerdict, Novelty, Progress, silent
from gnome_lite.stability.reference_coverage import coverage_figures
from gnome_lite.store.database import SqlStore

MOVED_EV_PER_ATOM = 1e-8
"""Less than this is the rounding of sums in another order."""

REFERENCES, VERIFICATIONS = "other references", "crystals verified since"


@dataclass(frozen=True, slots=True)
class Reevaluation:
    """The changes that a re-evaluation made.

    Attributes:
        standing: number of verdicts of the campaign.
        affected: number of those whose system's hull has changed, or whose novelty may have.
        moved: (before, now) of each that was re-issued.
    """

    campaign: str
    level: str
    cause: str
    reference_set_id: str
    hull_id: str
    standing: int
    affected: int
    moved: tuple[tuple[Verdict, Verdict], ...]

    @property
    def gained(self) -> int:
        """Number of crystals that are on the hull now and were not before."""
        return sum(now.stable and not before.stable for before, now in self.moved)

    @property
    def lost(self) -> int:
        """Number of crystals that were on the hull before and are not now."""
        return sum(before.stable and not now.stable for before, now in self.moved)


def affected(hull: Hull, standing: Mapping[str, Verdict], candidate_ids: Sequence[str]) -> list[str]:
    """Return the hull's entries without a verdict, or whose system's hull is another one now."""
    now = dict(zip(candidate_ids, hull.hull_ids(candidate_ids), strict=True))
    return [i for i in candidate_ids if i not in standing or standing[i].hull_id != now[i]]


def first_verdict(candidate_id: str, place: HullVerdict, level: str, seen: Seen) -> Verdict:
    """Return the verdict of a crystal that had none, from its place on the hull and its novelty."""
    return Verdict(candidate_id, **asdict(place), level=level, **seen._asdict())


def moved(before: Verdict, now: HullVerdict) -> Verdict:
    """Return the verdict with its new place on the hull; `before` itself where neither energies nor products moved."""
    energies = (
        (before.e_form_ev_per_atom, now.e_form_ev_per_atom),
        (before.e_above_hull_ev_per_atom, now.e_above_hull_ev_per_atom),
        (before.decomposition_ev_per_atom, now.decomposition_ev_per_atom),
    )
    same_products = {entry for entry, _, _ in before.products} == {entry for entry, _, _ in now.products}
    if same_products and all(abs(a - b) <= MOVED_EV_PER_ATOM for a, b in energies):
        return before
    return replace(before, **asdict(now))


def reevaluate(
    store: SqlStore,
    campaign: str,
    known_as: str,
    references: PhaseSet,
    build_hull: BuildHull,
    novelty: Novelty,
    progress: Progress = silent,
) -> Reevaluation:
    """Issue a campaign's verdicts again where they have moved.

    Args:
        store: store of the campaign.
        campaign: its name.
        known_as: id of the reference set of its verdicts so far.
        references: reference phases of its sources as they are now.
        build_hull: builds the hull of the references and all verified crystals.
        novelty: tells which crystals are the same.
        progress: told how many verdicts are affected and moved.

    Raises:
        LevelMismatchError: if the references are of another level than the campaign's verdicts.
        MissingReferenceError: if a crystal's element has no reference any more.
        StoreError: if the campaign has no verdicts, or runs in another process.
    """
    with store.exclusive(campaign):
        standing = store.verdicts(campaign)
        if not standing:
            raise StoreError(f"campaign {campaign!r} has no verdicts to re-issue: `gnome-lite run` issues the first")
        _require_one_level(campaign, standing, references)
        verified = {v.candidate_id: v for v in store.verifications(references.level) if v.ok}
        hull = build_hull(references.add(list(verified.values())))
        ids = sorted(standing)
        again = affected(hull, standing, ids)
        progress("re-evaluate", 0, len(again), f"{len(again)} of {len(ids)} affected")
        places = zip(again, hull.verdicts(again), strict=True)
        now = standing | {i: moved(standing[i], place) for i, place in places}
        other_references = references.id != known_as
        if other_references:
            now = _seen_again(novelty, references, verified, now)
        changed = tuple((standing[i], now[i]) for i in ids if now[i] != standing[i])
        cause = REFERENCES if other_references else VERIFICATIONS
        figures = {"standing": len(ids), "affected": len(again), "moved": len(changed), "hull": hull.id}
        figures |= {"entries": dict(hull.census), "licences": references.licence_counts}
        systems = {verified[verdict.candidate_id].crystal.chemical_system for _, verdict in changed}
        figures["coverage"] = coverage_figures(references, systems)
        new, new_references = [verdict for _, verdict in changed], references if other_references else None
        store.reissue_verdicts(campaign, new, cause, hull.id, figures, new_references)
        progress("re-evaluate", len(again), len(again), f"{len(changed)} moved")
    return Reevaluation(campaign, references.level, cause, references.id, hull.id, len(ids), len(again), changed)


def contradicted(store: SqlStore, campaign: str, references: PhaseSet, build_hull: BuildHull) -> list[Verdict]:
    """Return the standing verdicts that their hull contradicts: it has the id they carry, and gives other energies.

    Verdicts that rest on another hull than today's are passed over: `reevaluate` is for these.

    Raises:
        LevelMismatchError: if the references are of another level than what the campaign verified.
        MissingReferenceError: if a crystal's element has no reference any more.
    """
    standing = store.verdicts(campaign)
    _require_one_level(campaign, standing, references)
    hull = build_hull(references.add([v for v in store.verifications(references.level) if v.ok]))
    ids = sorted(standing)
    same = [i for i, hull_id in zip(ids, hull.hull_ids(ids), strict=True) if standing[i].hull_id == hull_id]
    places = zip(same, hull.verdicts(same), strict=True)
    return [standing[i] for i, place in places if moved(standing[i], place) is not standing[i]]


def _require_one_level(campaign: str, standing: Mapping[str, Verdict], references: PhaseSet) -> None:
    others = {v.level for v in standing.values()} - {references.level}
    if others:
        raise LevelMismatchError(
            f"campaign {campaign!r} has verdicts of level {', '.join(sorted(others))}, its sources now hold "
            f"{references.level}: one hull holds one level"
        )


def _seen_again(
    novelty: Novelty, references: PhaseSet, verified: Mapping[str, Verification], verdicts: Mapping[str, Verdict]
) -> dict[str, Verdict]:
    """Return verdicts with their novelty beside other references: a crystal that is among them now is not novel."""
    formulas = {i: verified[i].crystal.reduced_formula for i in verdicts}
    index, wanted = novelty.index(), set(formulas.values())
    of_formula: dict[str, list[tuple[str, float]]] = {}
    origin: dict[str, Origin] = {}
    for formula, phase, its_origin in zip(references.formulas, references, origins(references), strict=True):
        if formula in wanted:
            index.add(phase.id, phase.crystal)
            of_formula.setdefault(formula, []).append((phase.id, phase.energy_ev_per_atom))
            origin[phase.id] = its_origin
    still_there = set(references.ids) | verified.keys()
    out: dict[str, Verdict] = {}
    for i, v in verdicts.items():
        of_same_formula = of_formula.get(formulas[i], [])
        matches = index.matches(verified[i].crystal)
        kind = novelty_kind((origin[m] for m in matches), (origin[name] for name, _ in of_same_formula))
        if matches:
            out[i] = replace(v, novel=False, nearest_known=matches[0], novelty=kind)
        elif v.nearest_known in still_there and (v.novel or v.nearest_known in verified):
            # Not among the references: the same as an earlier crystal of the store, or as novel as before.
            out[i] = replace(v, novelty=kind)
        else:
            energy = verified[i].energy_ev_per_atom
            closest = min(of_same_formula, key=lambda k: abs(k[1] - energy), default=(None, 0.0))[0]
            out[i] = replace(v, novel=True, nearest_known=closest, novelty=kind)
    return out
