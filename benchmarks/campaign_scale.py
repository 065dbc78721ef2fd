"""A round on a store that holds 100,000 verified crystals, beside the same round on an empty one, step by step.

The verified crystals are the seed's, their elements exchanged for like ones and their cells a little larger or smaller;
they lie above the hull of the references, so that hull and elemental references are those of the seed alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row
from benchmarks.sizes import Effort, campaign_settings, size
from gnome_lite.campaign.engine import Direct
from gnome_lite.config import DEFAULT_ELEMENTS, CampaignConfig
from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch, atomic_number
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import CandidatePool, Verification
from gnome_lite.pipeline import Figures
from gnome_lite.store.database import SqlStore

AT_MOST = 1.5
ALIKE = (
    ("Li", "Na", "K"),
    ("Mg", "Ca", "Sr", "Ba", "Mn", "Fe", "Zn"),
    ("Al", "Si", "Ti"),
    ("N", "P"),
    ("O", "S"),
    ("F", "Cl"),
)
STRETCH = 0.02
"""Standard deviation of a cell's length, as a share of it."""
ABOVE_HULL_EV_PER_ATOM = 0.02, 0.4
"""Some half of the crystals are near enough to the hull to be parents."""
AT_ONCE = 5000


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    from gnome_lite.assemble import load_references

    n = size("campaign_scale.stored", effort)
    config = CampaignConfig.model_validate(
        {
            "name": "scale",
            "rounds": 1,
            "generate": {what: size(f"campaign_scale.{what}", effort) for what in ("candidates", "max_atoms")},
            **campaign_settings(effort),
            "select": {"budget": size("campaign_scale.budget", effort), "control": 1},
        }
    )
    references = load_references()
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as full:
        started = time.perf_counter()
        fill(Path(full) / "store.sqlite", references, n)
        yield Row(f"a store filled with {n:,} verified crystals", "s", time.perf_counter() - started, None, "", None)
        _warm_up(config, references)
        alone, beside = (_seconds_of_steps(config, Path(home)) for home in (empty, full))
    name = f"a round on a store of {n:,} verified crystals beside {len(references):,} references"
    total, peer = sum(beside.values()), sum(alone.values())
    yield Row(name, "s", total, peer, "on an empty store", total / peer, f"<= {AT_MOST:g}x", total <= AT_MOST * peer)
    for step, seconds in beside.items():
        yield Row(f"the same, {step}", "s", seconds, alone[step], "on an empty store", None)


def fill(path: Path, references: PhaseSet, n: int) -> None:
    """Write a store of one finished campaign that verified n made-up crystals."""
    store = SqlStore.open(path)
    name = "earlier"
    store.begin(CampaignConfig(name=name), references)
    crystals, fingerprints, energies = made_up(references, n)
    ids = [crystal.content_id for crystal in crystals]
    for round, first in enumerate(range(0, n, AT_ONCE), 1):
        some = slice(first, first + AT_ONCE)
        batch = crystals[some]
        nothing = ("",) * len(batch)
        pool = CandidatePool(
            CrystalBatch.from_crystals(batch), nothing, nothing, ("made up",) * len(batch),
            np.full(len(batch), np.nan), np.ones(len(batch), np.int64), round,
        )  # fmt: skip
        store.add_candidates(name, pool, fingerprints[some], {})
        store.add_selection(name, round, ids[some], [], {})
        outcomes = zip(ids[some], batch, energies[some].tolist(), fingerprints[some], strict=True)
        store.add_verifications(
            name,
            round,
            [Verification(i, c, e, 0.01, 20, True, references.level, 1.0, None, "", f) for i, c, e, f in outcomes],
        )


def made_up(references: PhaseSet, n: int) -> tuple[list[Crystal], list[str], NDArray[np.float64]]:
    """Return n crystals above the references' hull, their fingerprints, and their energies in eV, [n]."""
    from gnome_lite.stability.hull import build_hull

    rng = np.random.default_rng(0)
    elements = [atomic_number(element) for element in DEFAULT_ELEMENTS]
    others = np.setdiff1d(np.arange(MAX_Z + 1), elements)
    counts = references.crystals.counts
    parents = np.flatnonzero(((counts > 0).sum(axis=1) > 1) & ~(counts[:, others] > 0).any(axis=1))
    made: dict[str, tuple[Crystal, str]] = {}
    while len(made) < n:  # of 100,000 some are equal
        i = int(rng.choice(parents))
        parent = references.crystals[i]
        lattice = parent.lattice * (1 + rng.normal(0.0, STRETCH))
        crystal = Crystal.make(_exchange(rng)[parent.numbers], parent.frac_coords, lattice)
        made.setdefault(crystal.content_id, (crystal, references.fingerprints[i].partition("|")[2]))
    crystals, kinds = map(list, zip(*made.values(), strict=True))
    batch = CrystalBatch.from_crystals(crystals)
    fingerprints = [f"{formula}|{kind}" for formula, kind in zip(batch.reduced_formulas(), kinds, strict=True)]
    e_form = rng.uniform(*ABOVE_HULL_EV_PER_ATOM, n) - build_hull(references).distances(batch.counts, np.zeros(n))
    elemental = np.zeros(MAX_Z + 1)
    for element, energy in references.elemental_ev_per_atom.items():
        elemental[atomic_number(element)] = energy
    return crystals, fingerprints, e_form * batch.n_atoms + batch.counts @ elemental


def _exchange(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return what each element becomes, [MAX_Z + 1]: elements of one group change places."""
    becomes = np.arange(MAX_Z + 1)
    for group in ALIKE:
        numbers = [atomic_number(element) for element in group]
        becomes[numbers] = rng.permutation(numbers)
    return becomes


def _warm_up(config: CampaignConfig, references: PhaseSet) -> None:
    """Import and load what the first round of a process would wait for."""
    from gnome_lite.assemble import make_mix, make_novelty, make_predictor
    from gnome_lite.pipeline import silent
    from gnome_lite.settings import Settings

    predictor = make_predictor(config, Settings(), references.level)
    few = references.crystals.take([len(references) - 2, len(references) - 1])
    predictor.predict(predictor.base(references, silent).id, few, silent)
    make_novelty().fingerprints(few)
    next(iter(make_mix(config).stream(few, ["a", "b"], 1, (0,))), None)


def _seconds_of_steps(config: CampaignConfig, home: Path) -> dict[str, float]:
    """Run the campaign's only round and return how long each step took."""
    from gnome_lite.assemble import assemble
    from gnome_lite.campaign.runner import run_campaign
    from gnome_lite.settings import Settings

    engine = _Stopwatch()
    run_campaign(assemble(config, Settings(home=home, database_url=None)), engine)
    return engine.seconds


class _Stopwatch(Direct):
    """Runs everything here and now, and keeps how long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(self, name: str, round: int, step: Callable[[], Figures]) -> Figures:
        started = time.perf_counter()
        figures = step()
        self.seconds[name] = time.perf_counter() - started
        return figures
