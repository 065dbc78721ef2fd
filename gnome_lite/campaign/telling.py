"""DFT results taken back: checked, written as verifications of their level, and judged on that level's own hull.

Candidates go to the store; competing phases to the results log of the level, where a campaign's higher levels keep
theirs. Whatever is told already is passed over, so telling can be repeated at any time. What is wrong with one folder
keeps nothing else from being told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from gnome_lite.campaign.asking import ASKED_ROUND, Request, levels_like, logged
from gnome_lite.campaign.higher_levels import judge_system, phases_at
from gnome_lite.campaign.reevaluate import moved
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import ConfigError, SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.plain_text import file_name
from gnome_lite.core.records import Candidate, Phase, Verdict, Verification
from gnome_lite.pipeline import BuildHull, Novelty, Progress, silent
from gnome_lite.store.database import SqlStore
from gnome_lite.verify.files.answers import Answer, ReadFiles, read_answers
from gnome_lite.verify.files.dft_levels import asked_theory
from gnome_lite.verify.files.manifest import Manifest, Member, read_manifest
from gnome_lite.verify.results_log import LoggedVerifier, read_results
from gnome_lite.verify.sanity import bad_formation_energy

TOLD = "DFT results told"


class Wrong(NamedTuple):
    """One folder, or chemical system, of which nothing was written, and why."""

    where: str
    formula: str
    why: str


@dataclass(frozen=True, slots=True)
class Told:
    """What came of telling.

    Attributes:
        candidates, competing: crystals whose results were new.
        before: number that had been told before.
        open: crystals without a result yet.
        wrong: folders that were passed over, and systems that could not be judged.
        verdicts: new verdicts of the level, or moved ones.
    """

    folder: Path
    manifest: Manifest
    candidates: tuple[Verification, ...]
    competing: tuple[Verification, ...]
    before: int
    open: tuple[Member, ...]
    wrong: tuple[Wrong, ...]
    verdicts: tuple[Verdict, ...]


class _TableVerifier:
    """A `pipeline.Verifier` whose outcomes are known."""

    def __init__(self, level: str, outcomes: Mapping[str, Verification]) -> None:
        self.level, self._outcomes = level, outcomes

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        return (self._outcomes[c.id] for c in candidates)


def tell(
    store: SqlStore,
    folder: Path,
    phases_of: Callable[[str], PhaseSet],
    build_hull: BuildHull,
    novelty: Novelty,
    levels_dir: Path,
    progress: Progress = silent,
    read: ReadFiles | None = None,
) -> Told:
    """Take back what is finished in a folder that `ask` wrote.

    Args:
        store: store of the campaign that asked.
        folder: folder of the manifest.
        phases_of: all phases at the level of a campaign of the store, by its name.
        build_hull: builds hulls.
        novelty: tells which crystals are the same, and their fingerprints.
        levels_dir: folder of the results logs of competing phases.
        progress: told how many folders are read.
        read: reads files of results; default: children that are limited.

    Raises:
        ConfigError: if the manifest is not as `ask` writes it, or of another store.
    """
    manifest = read_manifest(folder)
    request = Request(manifest.level, manifest.checked_settings, 0)
    if manifest.theory != asked_theory(request.level, request.settings):
        raise ConfigError(
            f"the manifest of {folder} names level {manifest.theory!r}, not that of its settings: ask again"
        )
    phases = _phases(store, folder, manifest, phases_of)
    levels = levels_like(store, request)
    done = {v.candidate_id for level in levels for v in store.verifications(level)}
    done |= {v.candidate_id for v in logged(levels_dir, request.level, request.settings)}
    asked, wrong = _asked(store, phases, [m for m in manifest.members if m.id not in done])
    waiting, outcomes = list[Member](), list[tuple[Member, Verification]]()
    for answer in read_answers(folder, manifest, asked, _same_by(novelty), progress, read):
        _sort(answer, waiting, wrong, outcomes)
    told = _write(store, manifest, phases, outcomes, levels_dir, novelty, wrong)
    verdicts = [
        verdict
        for level in sorted({*levels, *(v.level for v in (*told.candidates, *told.competing))})
        for verdict in _judge(store, manifest, phases, level, levels_dir, build_hull, wrong)
    ]
    return replace(
        told,
        folder=folder,
        before=sum(m.id in done for m in manifest.members),
        open=tuple(waiting),
        wrong=tuple(wrong),
        verdicts=tuple(verdicts),
    )


def _phases(store: SqlStore, folder: Path, manifest: Manifest, phases_of: Callable[[str], PhaseSet]) -> PhaseSet:
    campaigns = {c.name: c.level for c in store.status().campaigns}
    if campaigns.get(manifest.campaign) != manifest.below:
        raise ConfigError(
            f"{folder} was asked by campaign {manifest.campaign!r} of level {manifest.below}, which store {store.name} "
            "does not hold: name its home with --home"
        )
    return phases_of(manifest.campaign)


def _asked(
    store: SqlStore, phases: PhaseSet, members: Sequence[Member]
) -> tuple[list[tuple[Member, Crystal]], list[Wrong]]:
    """Return members with the crystals that were handed out, as store and references still have them."""
    stored = {v.candidate_id: v.crystal for v in store.verifications(phases.level, ids=[m.id for m in members])}
    found, wrong = [], []
    for member in members:
        crystal = stored.get(member.id)
        if crystal is None and member.role == "competing phase" and member.id in phases:
            crystal = phases.crystals[phases.index(member.id)]
        if crystal is None:
            wrong.append(Wrong(member.folder, member.formula, f"{member.id} is not in this store: ask again"))
        elif crystal.content_id != member.content_hash:
            why = f"{member.id} is another crystal than the one handed out: ask again"
            wrong.append(Wrong(member.folder, member.formula, why))
        else:
            found.append((member, crystal))
    return found, wrong


def _same_by(novelty: Novelty) -> Callable[[Crystal, Crystal], bool]:
    def same(a: Crystal, b: Crystal) -> bool:
        index = novelty.index()
        index.add("a", a)
        return index.find(b) is not None

    return same


def _sort(
    answer: Answer, waiting: list[Member], wrong: list[Wrong], outcomes: list[tuple[Member, Verification]]
) -> None:
    member = answer.member
    if answer.wrong:
        wrong.append(Wrong(member.folder, member.formula, answer.wrong))
    elif answer.outcome is None:
        waiting.append(member)
    else:
        outcomes.append((member, answer.outcome))


def _write(
    store: SqlStore,
    manifest: Manifest,
    phases: PhaseSet,
    outcomes: Sequence[tuple[Member, Verification]],
    levels_dir: Path,
    novelty: Novelty,
    wrong: list[Wrong],
) -> Told:
    """Write competing phases, then candidates of an energy that the elements of the level allow."""
    of_references = [(m, v) for m, v in outcomes if m.id in phases and phases.is_reference[phases.index(m.id)]]
    names = {m.id for m, _ in of_references}
    competing = tuple(v for _, v in of_references)
    for level in sorted({v.level for v in competing}):
        of = {v.candidate_id: v for v in competing if v.level == level}
        places = [Candidate(i, v.crystal, i, "ladder", "", 0) for i, v in of.items()]
        log = LoggedVerifier(_TableVerifier(level, of), log_of(levels_dir, level))
        for _ in log.verify(places):  # each is on disk before the next
            pass
    good = []
    elements = {level: _elements(levels_dir, level) for level in {v.level for _, v in outcomes}}
    for member, v in outcomes:
        if member.id in names:
            continue
        if refusal := bad_formation_energy(v.crystal.counts, v.energy_ev, elements[v.level]):
            wrong.append(Wrong(member.folder, member.formula, f"{refusal[1]} at level {v.level}: look at the run"))
        else:
            good.append(v)
    prints = novelty.fingerprints(CrystalBatch.from_crystals(v.crystal for v in good)) if good else []
    good = [replace(v, fingerprint=f) for v, f in zip(good, prints, strict=True)]
    store.add_verifications(manifest.campaign, _last_round(store, manifest.campaign), good)
    for level in sorted({v.level for v in good} - {manifest.theory}):  # GPAW's, which no one knew when it was asked
        booked = [c.id for c, _ in store.selected(manifest.campaign, ASKED_ROUND, level)]
        booked += [v.candidate_id for v in good if v.level == level]
        store.add_selection(manifest.campaign, ASKED_ROUND, list(dict.fromkeys(booked)), [], {}, level)
    return Told(Path(), manifest, tuple(good), competing, 0, (), (), ())


def log_of(levels_dir: Path, level: str) -> Path:
    """Return the results log of the competing phases of a level."""
    return levels_dir / f"{file_name(level)}.jsonl"


def _elements(levels_dir: Path, level: str) -> dict[str, float]:
    """Return the lowest energy of each pure element that a level has answered, eV/atom, by symbol."""
    lowest: dict[str, float] = {}
    for v in read_results(log_of(levels_dir, level)):
        system = v.crystal.chemical_system
        if v.ok and v.level == level and "-" not in system:
            lowest[system] = min(lowest.get(system, v.energy_ev_per_atom), v.energy_ev_per_atom)
    return lowest


def _last_round(store: SqlStore, campaign: str) -> int:
    (status,) = (c for c in store.status().campaigns if c.name == campaign)
    return max((r.round for r in status.rounds if r.judged), default=1)


def _judge(
    store: SqlStore,
    manifest: Manifest,
    phases: PhaseSet,
    level: str,
    levels_dir: Path,
    build_hull: BuildHull,
    wrong: list[Wrong],
) -> list[Verdict]:
    """Issue the verdicts of a level that are new or have moved; a system without all its elements has none yet."""
    name = manifest.campaign
    standing = store.verdicts(name)
    verified = [v for v in store.verifications(level) if v.ok]
    answered = _answered(phases, level, levels_dir, {v.candidate_id for v in verified})
    before = store.verdicts(name, level=level)
    new, judged = list[Verdict](), 0
    # Worked out once: a thousand crystals lie in hundreds of systems.
    known_in = [(p, frozenset(p.crystal.chemical_system.split("-"))) for p in answered]
    made_in = [(v, frozenset(v.crystal.chemical_system.split("-"))) for v in verified]
    pure = {element for _, elements in known_in if len(elements) == 1 for element in elements}
    for elements in sorted({e for v, e in made_in if v.candidate_id in standing}, key=sorted):
        system = "-".join(sorted(elements))
        mine = [v for v, e in made_in if e == elements and v.candidate_id in standing]
        if lacking := sorted(elements - pure):
            why = f"the hull of {system} lacks {', '.join(lacking)} at level {level}: tell again when it is computed"
            wrong.extend(Wrong(v.candidate_id, v.crystal.reduced_formula, why) for v in mine)
            continue
        try:
            known, made = [p for p, e in known_in if e <= elements], [v for v, e in made_in if e <= elements]
            places = judge_system(known, made, system, build_hull) or {}
        except SourceError as error:
            wrong.append(Wrong(mine[0].candidate_id, system, f"its hull cannot be built at level {level}: {error}"))
            continue
        for i, place in places.items():
            if i not in standing:
                continue
            judged += 1
            first = replace(standing[i], level=level, **asdict(place))
            now = moved(before[i], place) if i in before else first
            if now is not before.get(i):
                new.append(now)
    if new:
        figures = {"level": level, "judged": judged, "moved": len(new), "phases": len(answered)}
        store.reissue_verdicts(name, new, TOLD, new[0].hull_id, figures, level=level)
    return new


def _answered(phases: PhaseSet, level: str, levels_dir: Path, but: set[str]) -> list[Phase]:
    """Return the competing phases that a level has answered, with their energies there."""
    log = log_of(levels_dir, level)
    known = {v.candidate_id for v in read_results(log) if v.level == level}
    inside = [phases[phases.index(i)] for i in sorted(known - but) if i in phases]
    return phases_at(_TableVerifier(level, {}), inside, log, silent)[0]
