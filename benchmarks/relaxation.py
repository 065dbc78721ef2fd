"""Relaxations of substituted crystals with CHGNet: ours beside the stock `StructOptimizer`, one core each."""

from __future__ import annotations

import contextlib
import io
import time
import warnings

import numpy as np

from benchmarks.rows import Row, speed_row

N_CRYSTALS = 20
FMAX_EV_PER_ANG, MAX_STEPS = 0.05, 500


def measure() -> list[Row]:
    import torch
    from chgnet.model import CHGNet, StructOptimizer

    from gnome_lite.assemble import load_references
    from gnome_lite.config import CampaignConfig
    from gnome_lite.generate.substitution import IonicSubstitution
    from gnome_lite.verify.calculators import make_calculator
    from gnome_lite.verify.relax import relax

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    config = CampaignConfig()
    references = load_references()
    generator = IonicSubstitution(config.space, config.generate)
    pool = next(
        generator.generate(
            references.crystals, [e.id for e in references.entries], 1, np.random.default_rng(config.seed)
        )
    )
    crystals = [pool.crystals[i] for i in range(N_CRYSTALS)]
    calculator = make_calculator("chgnet", {})
    stock = StructOptimizer(model=CHGNet.load(use_device="cpu", verbose=False), optimizer_class="FIRE")
    relax(crystals[0], calculator)

    started = time.perf_counter()
    ours = [relax(c, calculator, FMAX_EV_PER_ANG, MAX_STEPS) for c in crystals]
    our_seconds = time.perf_counter() - started
    started = time.perf_counter()
    theirs = []
    with contextlib.redirect_stdout(io.StringIO()):
        for crystal in crystals:
            result = stock.relax(crystal.to_pymatgen(), fmax=FMAX_EV_PER_ANG, steps=MAX_STEPS, verbose=False)
            theirs.append(result["trajectory"].energies[-1])
    their_seconds = time.perf_counter() - started
    differences = [
        abs(o.energy_ev - t) / len(c) for o, t, c in zip(ours, theirs, crystals, strict=True) if o.failure is None
    ]
    return [
        speed_row(
            f"relaxations of {N_CRYSTALS} substituted crystals",
            "1/h",
            3600 * N_CRYSTALS / our_seconds,
            3600 * N_CRYSTALS / their_seconds,
            "chgnet StructOptimizer (FIRE)",
        ),
        Row(
            "relaxed energies, median difference",
            "eV/atom",
            float(np.median(differences)),
            None,
            "chgnet StructOptimizer (FIRE)",
            None,
        ),
    ]
