"""Which crystals are handed out for DFT: a campaign's best ones that the level has not answered, with competing phases.

What was asked is booked in the store as a selection of the campaign at that level, of round 0, which no round's own
step uses; the competing phases are figures of that step. So asking twice hands out other crystals. Nothing waits for
answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gnome_lite.campaign.higher_levels import competing_phases
from gnome_lite.core.errors import StoreError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.plain_text import file_name
from gnome_lite.core.records import STABLE_EV_PER_ATOM, Phase, Verification
from gnome_lite.pipeline import Hull
from gnome_lite.store.database import SqlStore
from gnome_lite.verify.files.asked_folder import require_free, write_asked
from gnome_lite.verify.files.dft_levels import Settings, asked_theory, is_theory
from gnome_lite.verify.files.manifest import Manifest, Member
from gnome_lite.verify.results_log import read_results

ASKED_ROUND = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be asked for.

    Attributes:
        level: name of the level, e.g. "vasp-mp".
        n: most candidates; competing phases come on top.
        e_above_hull_max: candidates lie at most so far above the campaign's hull, eV/atom.
        competing_max: competing phases lie at most so far above it, eV/atom.
        again: also what was asked for before and has not come back.
        pseudos: folder of pseudopotentials, for "qe".
    """

    level: str
    settings: Settings
    n: int
    e_above_hull_max: float = 0.0
    competing_max: float = 0.03
    again: bool = False
    pseudos: Path | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What was handed out.

    Attributes:
        theory: level of theory; for GPAW without the version, which a run adds.
        candidates, competing: crystals in the folder.
        left_out: (formula, why) of each that has no inputs at this level.
    """

    folder: Path
    campaign: str
    theory: str
    candidates: tuple[Member, ...]
    competing: tuple[Member, ...]
    left_out: tuple[tuple[str, str], ...]


def ask(
    store: SqlStore, campaign: str, phases: PhaseSet, hull: Hull, levels_dir: Path, request: Request, out: Path
) -> Asked:
    """Write a folder with the inputs of a campaign's best crystals, and book them as asked for.

    Args:
        store: store of the campaign.
        campaign: its name.
        phases: all phases at its level.
        hull: hull of these.
        levels_dir: folder of the results logs of the competing phases of other levels.
        request: what is to be asked for.
        out: folder to make.

    Raises:
        ConfigError: if the folder exists, or no crystal has inputs at this level.
        StoreError: if there is nothing to ask for.
    """
    require_free(out)
    theory = asked_theory(request.level, request.settings)
    asked_phases = set((store.done(campaign, ASKED_ROUND, f"acquire {theory}") or {}).get("phases", ()))
    asked_before = [c.id for c, _ in store.selected(campaign, ASKED_ROUND, theory)]
    passed_over = set() if request.again else {*asked_before, *asked_phases}
    answered = {v.candidate_id for level in levels_like(store, request) for v in store.verifications(level)}
    crystals = _best(store, campaign, phases, answered | passed_over, request)
    if not crystals:
        raise StoreError(
            f"campaign {campaign!r} has no stable crystal left that {request.level} was not asked for: run more "
            "rounds, or ask with --again, or a higher --above-hull"
        )
    systems = {v.crystal.chemical_system for v in crystals}
    done = answered | {v.candidate_id for v in logged(levels_dir, request.level, request.settings)} | passed_over
    ours = {v.candidate_id for v in crystals}
    others = [p for p in competing_phases(phases, hull, systems, request.competing_max) if p.id not in done | ours]
    competing, unnamed = _competing(others)
    members = [*map(_candidate, crystals), *competing]
    of = {v.candidate_id: v.crystal for v in crystals} | {p.id: p.crystal for p in others}
    manifest = Manifest(
        version=1,
        written_by="gnome-lite",
        campaign=campaign,
        level=request.level,
        theory=theory,
        below=phases.level,
        hull=hull.id,
        settings=request.settings.model_dump(),
        members=tuple(members),
    )
    written = write_asked(out, manifest, [of[m.id] for m in members], request.pseudos)
    candidates = tuple(m for m in written.members if m.role == "candidate")
    with_inputs = tuple(m for m in written.members if m.role != "candidate")
    booked = list(dict.fromkeys([*asked_before, *(m.id for m in candidates)]))
    figures = {"asked": len(booked), "phases": sorted({*asked_phases, *(m.id for m in with_inputs)})}
    store.add_selection(campaign, ASKED_ROUND, booked, [], figures, theory)
    return Asked(out, campaign, theory, candidates, with_inputs, (*unnamed, *written.left_out))


def levels_like(store: SqlStore, request: Request) -> list[str]:
    """Return the levels of theory in the store that results of a request are of: for GPAW one a version."""
    known = {level.level for c in store.status().campaigns for level in c.levels}
    known.add(asked_theory(request.level, request.settings))
    return sorted(level for level in known if is_theory(level, request.level, request.settings))


def logged(levels_dir: Path, name: str, settings: Settings) -> Iterator[Verification]:
    """Yield the competing phases that a level has answered, from its results logs."""
    pattern = "gpaw-*.jsonl" if name == "gpaw" else f"{file_name(asked_theory(name, settings))}.jsonl"
    for path in sorted(levels_dir.glob(pattern)):
        yield from (v for v in read_results(path) if is_theory(v.level, name, settings))


def _best(store: SqlStore, campaign: str, phases: PhaseSet, but: set[str], request: Request) -> list[Verification]:
    """Return verified novel crystals on or near the hull, those that push it down most first."""
    limit = max(request.e_above_hull_max, STABLE_EV_PER_ATOM)
    standing = [
        v
        for i, v in store.verdicts(campaign).items()
        if v.novel and v.e_above_hull_ev_per_atom <= limit and i not in but and v.level == phases.level
    ]
    ranked = sorted(standing, key=lambda v: (v.decomposition_ev_per_atom, v.candidate_id))[: request.n]
    found = {v.candidate_id: v for v in store.verifications(phases.level, ids=[v.candidate_id for v in ranked])}
    return [found[v.candidate_id] for v in ranked]


def _candidate(v: Verification) -> Member:
    crystal = v.crystal
    return Member(
        folder=v.candidate_id,
        id=v.candidate_id,
        role="candidate",
        formula=crystal.reduced_formula,
        content_hash=crystal.content_id,
    )


def _competing(phases: Sequence[Phase]) -> tuple[list[Member], list[tuple[str, str]]]:
    """Return a member for each crystal, and (formula, why) of those whose id can stand in no manifest."""
    members: dict[str, Member] = {}
    unnamed = []
    for phase in phases:
        content, formula = phase.crystal.content_id, phase.crystal.reduced_formula
        try:
            member = Member(folder=content, id=phase.id, role="competing phase", formula=formula, content_hash=content)
        except ValidationError:
            unnamed.append((formula, f"the reference phase's id {phase.id[:80]!r} has parts of a path: rename it"))
        else:
            members.setdefault(content, member)
    return list(members.values()), unnamed
