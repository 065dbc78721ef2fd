"""A store of 50,000 verified crystals that grows by 1,000, one by one, with all verdicts that each of them moves."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.rows import Row
from benchmarks.sizes import Effort, size
from benchmarks.stability_entries import compounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnome_lite.core.crystals import Crystal
    from gnome_lite.core.phases import PhaseSet
    from gnome_lite.core.records import CandidatePool, Credibility, Verdict, Verification
    from gnome_lite.store.database import SqlStore

LIMIT_S = 60.0
CAMPAIGN, LEVEL = "benchmark", "benchmark-1"
VOLUME_PER_ATOM_ANG3 = 15.0


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    from gnome_lite.assemble import make_novelty
    from gnome_lite.campaign.reevaluate import reevaluate
    from gnome_lite.stability.hull import build_hull

    n_stored, n_added, n_checked = (size(f"stability_store.{what}", effort) for what in ("stored", "added", "checked"))
    counts, e_form = compounds(n_stored + n_added, seed=2)
    crystals = [made_crystal(row, seed) for seed, row in enumerate(counts)]
    outcomes = [outcome_of(c, float(e * len(c))) for c, e in zip(crystals, e_form, strict=True)]
    references = pure_elements()
    with tempfile.TemporaryDirectory() as directory:
        store = _fill(Path(directory) / "store.sqlite", references, crystals, outcomes, n_stored)
        hull = build_hull(references.add(outcomes[:n_stored]))
        new, seconds, again = outcomes[n_stored:], [], set()
        e_form_of = dict(zip((o.candidate_id for o in outcomes), e_form.tolist(), strict=True))
        rows = dict(zip((o.candidate_id for o in outcomes), counts, strict=True))
        for one in (o.candidate_id for o in new):
            started = time.perf_counter()
            affected = hull.add(one, rows[one], e_form_of[one])
            hull.verdicts(affected)
            seconds.append(time.perf_counter() - started)
            again.update(affected)
        total = sum(seconds)
        yield Row(
            f"{n_added} crystals added one by one to a hull of {n_stored}, all affected verdicts looked up again",
            "s", total, None, "", None, f"<= {LIMIT_S:g}", total <= LIMIT_S,
        )  # fmt: skip
        yield Row("of these, the slowest", "s", max(seconds), None, "", None)
        store.add_verifications(CAMPAIGN, 2, new)
        before = store.verdicts(CAMPAIGN)
        started = time.perf_counter()
        made = reevaluate(store, CAMPAIGN, references.id, references, build_hull, make_novelty())
        yield Row(
            f"verdicts of a store of {n_stored} re-issued after {n_added} more are verified", "s",
            time.perf_counter() - started, None, "", None,
        )  # fmt: skip
        moved = {verdict.candidate_id for verdict, _ in made.moved}
        missed = len(moved - again)
        yield Row("of these, verdicts that moved", "verdicts", len(moved), len(before), "of all", None)
        yield Row(
            "of these, moved though adding one by one had not looked them up", "verdicts", missed, None, "", None,
            "<= 0", not missed,
        )  # fmt: skip
        largest = _difference(store.verdicts(CAMPAIGN), references, outcomes, n_checked)
        yield Row(
            f"e_above_hull of {n_checked} standing verdicts afterwards, largest difference", "eV/atom", largest, None,
            "pymatgen", None, "<= 1e-6", largest <= 1e-6,
        )  # fmt: skip


def _fill(
    path: Path, references: PhaseSet, crystals: Sequence[Crystal], outcomes: Sequence[Verification], n_stored: int
) -> SqlStore:
    """A store of which the first outcomes are verified and judged, and the others chosen."""
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.records import Verdict
    from gnome_lite.stability.hull import build_hull
    from gnome_lite.store.database import SqlStore

    store = SqlStore.open(path)
    store.begin(CampaignConfig(name=CAMPAIGN), references)
    ids = [o.candidate_id for o in outcomes]
    for round, part in ((1, slice(0, n_stored)), (2, slice(n_stored, None))):
        pool = pool_of(crystals[part], round)
        store.add_candidates(CAMPAIGN, pool, pool.crystals.reduced_formulas(), {})
        store.add_selection(CAMPAIGN, round, ids[part], [], {})
    stored = outcomes[:n_stored]
    store.add_verifications(CAMPAIGN, 1, stored)
    hull = build_hull(references.add(stored))
    verdicts = [
        Verdict(
            i, v.e_form_ev_per_atom, v.e_above_hull_ev_per_atom, v.decomposition_ev_per_atom, v.products, v.hull_id,
            LEVEL, *unseen(),
        )
        for i, v in zip(ids, hull.verdicts(ids[:n_stored]), strict=False)
    ]  # fmt: skip
    store.add_verdicts(CAMPAIGN, 1, verdicts, {"hull": hull.id})
    return store


def _difference(standing: dict[str, Verdict], references: PhaseSet, outcomes: Sequence[Verification], n: int) -> float:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    from gnome_lite.core.crystals import CrystalBatch, symbol

    crystals = [*references.crystals, *(o.crystal for o in outcomes)]
    counts = CrystalBatch.from_crystals(crystals).counts
    energies = [*references.energies_ev, *(o.energy_ev for o in outcomes)]

    def entry(i: int) -> PDEntry:
        return PDEntry(Composition({symbol(z): int(counts[i, z]) for z in np.flatnonzero(counts[i])}), energies[i])

    worst = 0.0
    for k in np.random.default_rng(0).choice(len(standing), n, replace=False).tolist():
        row = len(references) + k
        inside = np.flatnonzero(~(counts[:, counts[row] == 0] > 0).any(axis=1)).tolist()
        above = PhaseDiagram([entry(i) for i in inside]).get_e_above_hull(entry(row))
        assert above is not None
        worst = max(worst, abs(above - standing[outcomes[k].candidate_id].e_above_hull_ev_per_atom))
    return float(worst)


def pure_elements() -> PhaseSet:
    from gnome_lite.config import DEFAULT_ELEMENTS
    from gnome_lite.core.crystals import Crystal, atomic_number
    from gnome_lite.core.phases import Phase, PhaseSet

    cell = 3.0 * np.eye(3)
    return PhaseSet.make(
        [
            Phase(f"pure-{el}", Crystal.make([atomic_number(el)], [[0, 0, 0]], cell), 0.0, LEVEL, "made", "CC0")
            for el in DEFAULT_ELEMENTS
        ]
    )


def made_crystal(counts: NDArray[np.int64], seed: int) -> Crystal:
    from gnome_lite.core.crystals import Crystal

    numbers = np.repeat(np.arange(len(counts)), counts)
    positions = np.random.default_rng(seed).random((len(numbers), 3))
    return Crystal.make(numbers, positions, np.cbrt(VOLUME_PER_ATOM_ANG3 * len(numbers)) * np.eye(3))


def outcome_of(crystal: Crystal, energy_ev: float) -> Verification:
    from gnome_lite.core.records import Verification

    return Verification(crystal.content_id, crystal, energy_ev, 0.01, 20, True, LEVEL, 1.0)


def pool_of(crystals: Sequence[Crystal], round: int) -> CandidatePool:
    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.core.records import CandidatePool

    n = len(crystals)
    nothing = ("",) * n
    return CandidatePool(
        CrystalBatch.from_crystals(crystals), nothing, nothing, ("made",) * n, np.full(n, np.nan),
        np.ones(n, np.int64), round,
    )  # fmt: skip


def unseen() -> tuple[bool, str | None, str, Credibility]:
    """Novelty and credibility are not what is measured."""
    from gnome_lite.core.records import Credibility

    return True, None, "", Credibility(False, (), None, False)
