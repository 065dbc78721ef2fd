"""Relaxations of substituted crystals with CHGNet: ours beside the stock `StructOptimizer`, one core each."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks.rows import Row, speed_row
from gnome_lite.crystals import Crystal

SHORT, FULL = 10, 100
"""Crystals relaxed; stock takes some seconds each."""
MAX_ATOMS = 20
FMAX_EV_PER_ANG, MAX_STEPS = 0.05, 500
SPEEDUP, SPEEDUP_OF_TWO = 4.0, 1.8
WORST_EV_PER_ATOM, MEDIAN_EV_PER_ATOM = 0.002, 0.0005
STOCK = "chgnet StructOptimizer (FIRE)"


def measure(long: bool = False, n: int | None = None) -> Iterator[Row]:
    n = n or (FULL if long else SHORT)
    crystals = substituted(n)
    yield from _beside_stock(crystals)
    yield _two_processes(crystals)


def substituted(n: int) -> list[Crystal]:
    """Unrelaxed candidates of 2-20 atoms, spread evenly over sizes and the stream, from the bundled seed."""
    from gnome_lite.assemble import load_references
    from gnome_lite.config import CampaignConfig
    from gnome_lite.generate.substitution import IonicSubstitution

    config = CampaignConfig()
    references = load_references()
    generator = IonicSubstitution(config.space, config.generate)
    stream = generator.generate(
        references.crystals, [e.id for e in references.entries], 1, np.random.default_rng(config.seed)
    )
    found: list[Crystal] = []
    for chunk in stream:
        found += [c for c in chunk.crystals if 2 <= len(c) <= MAX_ATOMS]
        if len(found) >= 10 * n:
            break
    found.sort(key=lambda c: (len(c), c.content_id))
    return [found[i] for i in np.linspace(0, len(found) - 1, n).astype(int)]


def _beside_stock(crystals: list[Crystal]) -> Iterator[Row]:
    import torch
    from chgnet.model import CHGNet, StructOptimizer

    from gnome_lite.verify.calculators import make_calculator
    from gnome_lite.verify.relax import relax

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    calculator = make_calculator("chgnet", {})
    stock = StructOptimizer(model=CHGNet.load(use_device="cpu", verbose=False), optimizer_class="FIRE")
    relax(crystals[0], calculator, max_steps=1)

    started = time.perf_counter()
    ours = [relax(c, calculator, FMAX_EV_PER_ANG, MAX_STEPS) for c in crystals]
    our_seconds = time.perf_counter() - started
    started = time.perf_counter()
    theirs = []
    with contextlib.redirect_stdout(io.StringIO()):
        for crystal in crystals:
            result = stock.relax(crystal.to_pymatgen(), fmax=FMAX_EV_PER_ANG, steps=MAX_STEPS, verbose=False)
            theirs.append(float(result["trajectory"].energies[-1]))
    their_seconds = time.perf_counter() - started
    name = f"relaxations of {len(crystals)} substituted crystals of 2-{MAX_ATOMS} atoms, one core"
    rates = [3600 * len(crystals) / seconds for seconds in (our_seconds, their_seconds)]
    yield speed_row(name, "1/h", *rates, STOCK, SPEEDUP)
    energies = [(o.energy_ev - t) / len(c) for o, t, c in zip(ours, theirs, crystals, strict=True) if not o.failure]
    # A lower minimum is no fault: only what lies above the stock result counts.
    excess = np.maximum(energies, 0.0)
    worst, median = float(excess.max()), float(np.median(excess))
    for name, found, limit in (("largest", worst, WORST_EV_PER_ATOM), ("median", median, MEDIAN_EV_PER_ATOM)):
        name = f"relaxed energies above stock's, {name}"
        yield Row(name, "eV/atom", found, None, STOCK, None, f"<= {limit:g}", found <= limit)
    yield Row("relaxed energies, median difference", "eV/atom", float(np.median(np.abs(energies))), None, STOCK, None)
    refused = sum(o.failure is not None for o in ours)
    yield Row("relaxations refused by a gate or not converged", "share", refused / len(crystals), None, "", None)


def _two_processes(crystals: list[Crystal]) -> Row:
    """Rate of two workers over that of one, workers started before the clock."""
    from gnome_lite.config import Verify
    from gnome_lite.records import Candidate
    from gnome_lite.verify.verifier import ProcessVerifier

    # The largest last would leave one of two idle at the end.
    ordered = sorted(crystals, key=len, reverse=True)
    candidates = [Candidate(c.content_id, c, "", "", "", 1) for c in ordered]
    rates = []
    for processes in (1, 2):
        with ProcessVerifier(Verify(processes=processes, max_steps=MAX_STEPS)) as verifier:
            list(verifier.verify(candidates[-processes:]))
            started = time.perf_counter()
            list(verifier.verify(candidates))
            rates.append(3600 * len(candidates) / (time.perf_counter() - started))
    return speed_row(
        f"relaxations of {len(crystals)} crystals in two processes",
        "1/h",
        rates[1],
        rates[0],
        "one process",
        SPEEDUP_OF_TWO,
    )
