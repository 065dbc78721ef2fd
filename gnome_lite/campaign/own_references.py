"""References that a user brings along, computed at the campaign's level: what is known there already is not relaxed.

A set is whole in itself: a crystal that equals a reference known before is stood for by that reference, so that the
set serves a campaign without the bundled seed, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import MissingReferenceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Phase, Verification
from gnome_lite.pipeline import Novelty, Progress, Verifier
from gnome_lite.verify.results_log import relax_all

PREFIX = "added"


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A crystal that is to be a reference.

    Attributes:
        name: as messages name it.
        energy_ev: energy of the cell where it comes from, None where there is none.
        level: level of theory of that energy, "" where it is not stated.
        source, licence: as in `Phase`.
        id: id of the phase; "" for one made from its crystal.
    """

    name: str
    crystal: Crystal
    energy_ev: float | None
    level: str
    source: str
    licence: str
    id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class OwnReferences:
    """Given crystals at a level.

    Attributes:
        phases: in the order of ids; references known before, which stand for equal ones, among them.
        same: (name, id of the phase that it equals) of each that was known, or given twice.
        failed: (name, why) of each that has no energy at this level.
        relaxed: how many were relaxed, in this call or one before.
        as_given: how many had an energy of this level.
    """

    phases: tuple[Phase, ...]
    same: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    relaxed: int
    as_given: int


def own_references(
    given: Sequence[Given],
    known: PhaseSet | None,
    verifier: Verifier,
    novelty: Novelty,
    results_log: Path,
    progress: Progress,
) -> OwnReferences:
    """Return given crystals as phases of the verifier's level.

    A crystal that comes with an energy of this level keeps it; the others are relaxed, each once: what the results log
    holds is not relaxed again. Of equal crystals the lowest in energy is kept.

    Args:
        given: crystals with or without energies, elements included unless `known` has them.
        known: references of this level that the campaign has already, None where it has none.
        verifier: of the campaign.
        novelty: tells which crystals are the same.
        results_log: of relaxations at this level.
        progress: told of each relaxation.

    Raises:
        MissingReferenceError: if an element has no reference; nothing has been relaxed then, unless the relaxation of
            an element itself failed.
    """
    level = verifier.level
    _require_elements({g.crystal.chemical_system for g in given}, known, level)
    index = novelty.index()
    if known is not None:
        index.extend(known.ids, known.crystals)
    # Energies of this level first: of equal crystals the one that need not be relaxed stays.
    ordered = sorted(given, key=lambda g: not _has_energy(g, level))
    names = [f"given {i}" for i in range(len(ordered))]
    equal = index.fork().admit(names, CrystalBatch.from_crystals(g.crystal for g in ordered))
    new = [g for g, other in zip(ordered, equal, strict=True) if other is None]
    waiting = {g.crystal.content_id: g for g in new if not _has_energy(g, level)}
    candidates = [Candidate(i, g.crystal, "", "reference", g.name, 0) for i, g in waiting.items()]
    outcomes = relax_all(candidates, verifier, results_log, progress)
    found = [
        (g, _phase(g, g.crystal, g.energy_ev, level, g.source))
        for g in new
        if g.energy_ev is not None and g.level == level
    ]
    found += [(waiting[i], _relaxed(waiting[i], v)) for i, v in outcomes.items() if v.ok]
    found.sort(key=lambda pair: (pair[1].energy_ev_per_atom, pair[1].id))
    phases = [p for _, p in found]
    settled = index.admit([p.id for p in phases], CrystalBatch.from_crystals(p.crystal for p in phases))
    kept = {p.id: p for p, other in zip(phases, settled, strict=True) if other is None}
    same = [(g.name, other) for (g, _), other in zip(found, settled, strict=True) if other is not None]
    leader = dict(zip(names, ordered, strict=True))
    same += [
        (g.name, leader[other].name if other in leader else other)
        for g, other in zip(ordered, equal, strict=True)
        if other is not None
    ]
    if known is not None:
        kept |= {i: known[known.index(i)] for _, i in same if i in known}
    failed = [(waiting[i].name, f"{v.failure}: {v.detail}") for i, v in outcomes.items() if not v.ok]
    _require_elements({p.crystal.chemical_system for p in kept.values()}, known, level, failed)
    return OwnReferences(
        tuple(kept[i] for i in sorted(kept)), tuple(same), tuple(failed), len(candidates), len(new) - len(candidates)
    )


def _has_energy(given: Given, level: str) -> bool:
    return given.energy_ev is not None and given.level == level


def _phase(given: Given, crystal: Crystal, energy_ev: float, level: str, source: str) -> Phase:
    own_id = f"{PREFIX}-{crystal.content_id.removeprefix('gl-')}"
    return Phase(given.id or own_id, crystal, energy_ev, level, source, given.licence)


def _relaxed(given: Given, outcome: Verification) -> Phase:
    """Return a relaxed crystal as a phase, whose source tells the energy that it came with."""
    source = f"{given.source}; computed here"
    if given.energy_ev is not None:
        there = f"at level {given.level}" if given.level else "at a level not stated"
        source += f", there {given.energy_ev / len(given.crystal):.4f} eV/atom {there}"
    return _phase(given, outcome.crystal, outcome.energy_ev, outcome.level, source)


def _require_elements(
    systems: Collection[str], known: PhaseSet | None, level: str, failed: Sequence[tuple[str, str]] = ()
) -> None:
    """Raise MissingReferenceError for elements of chemical systems of which there is no elemental crystal."""
    have = {s for s in systems if "-" not in s} | set(known.elemental_ev_per_atom if known is not None else ())
    missing = sorted({e for s in systems for e in s.split("-")} - have)
    if missing:
        why = f" ({failed[0][0]}: {failed[0][1]})" if failed else ""
        raise MissingReferenceError(
            f"no elemental reference for {', '.join(missing)} at level {level}{why}: add a crystal of the pure element "
            "beside its compounds, or leave these out"
        )
