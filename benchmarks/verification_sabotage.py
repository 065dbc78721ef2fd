"""Ten kinds of sabotage in real child processes: each costs one candidate, with the right cause, in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.rows import Row
from benchmarks.sabotage import GOOD, KINDS
from benchmarks.sizes import Effort, size
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Candidate, Failure, Verification

DEADLINE_S = 3.0
OVERRUN_S = 1.0


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    each = size("verification_sabotage.each", effort)
    kinds = dict(list(KINDS.items())[: size("verification_sabotage.kinds", effort)])
    wanted, outcomes = play(each, kinds)
    total = len(kinds) * each
    right = sum(outcomes[i].failure == cause for i, (kind, cause) in wanted.items() if kind)
    good = [i for i, (kind, _) in wanted.items() if not kind]
    survived = sum(outcomes[i].ok for i in good)
    timeouts = [v.seconds - DEADLINE_S for v in outcomes.values() if v.failure is Failure.TIMEOUT]
    worst = max(timeouts, default=0.0)
    name = f"sabotage, {len(kinds)} kinds x {each}"
    yield Row(f"{name}: right cause", "share", right / total, None, "", None, "1", right == total)
    yield Row(
        f"{name}: innocent candidates relaxed",
        "share",
        survived / len(good),
        None,
        "",
        None,
        "1",
        survived == len(good) and len(outcomes) == len(wanted),
    )
    yield Row(
        f"{name}: worst overrun of the deadline", "s", worst, None, "", None, f"<= {OVERRUN_S:g}", worst <= OVERRUN_S
    )


def play(
    each: int, kinds: Mapping[str, tuple[str, Failure]] = KINDS, processes: int = 2
) -> tuple[dict[str, tuple[str, Failure | None]], dict[str, Verification]]:
    """Sabotaged and innocent candidates, mixed, through one verifier.

    Returns:
        Kind of sabotage ("" = none) and right cause of each candidate, and the outcomes, by id.
    """
    from gnome_lite.config import Verify
    from gnome_lite.verify.verifier import ProcessVerifier

    config = Verify(
        calculator="benchmarks.sabotage:saboteur", deadline_s=DEADLINE_S, memory_gib=0.5, processes=processes
    )
    wanted: dict[str, tuple[str, Failure | None]] = {}
    candidates = []
    for seed in range(each):
        for kind, (element, cause) in {**kinds, "": (GOOD, None)}.items():
            crystal = sabotaged_crystal(element, seed)
            candidates.append(Candidate(crystal.content_id, crystal, "", "sabotage", kind, 1))
            wanted[crystal.content_id] = (kind, cause)
    with ProcessVerifier(config) as verifier:
        return wanted, {v.candidate_id: v for v in verifier.verify(candidates)}


def sabotaged_crystal(element: str, seed: int) -> Crystal:
    from ase.build import bulk

    atoms = bulk(element, "fcc", a=5.4, cubic=True)
    atoms.rattle(0.15, seed=seed)
    return Crystal.from_ase(atoms)
