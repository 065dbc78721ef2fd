"""SevenNet as a level: right to what on WBM, and its relaxations after CHGNet has gone first, beside its own relaxer.

Everything runs on one core and is timed in processor seconds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from benchmarks.rows import Row, data_dir, missing
from benchmarks.sizes import Effort, size
from benchmarks.verification_relaxation import FMAX_EV_PER_ANG, MAX_STEPS, substituted
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.evaluation.wbm import WbmSet
from gnome_lite.verify.calculators import in_full
from gnome_lite.verify.relax import Relaxed

BEST = "7net-l3i5"
PLUTONIUM = 94
MAE_TARGET_EV_PER_ATOM = 0.036
PRECISION, CALIBRATION = 0.75, 0.05
SPEEDUP, SPEEDUP_OF_STOCK = 3.0, 2.0
SAME_EV_PER_ATOM, SAME_SHARE = 0.002, 0.97
SAME_CALL_EV_PER_ATOM, MOVED_ANG, REPEATS = 1e-4, 0.02, 3
LEVELS = ("chgnet", "7net-0", BEST)


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    yield from _on_wbm(size("verification_levels.wbm", effort))
    yield from _on_a_system(size("verification_levels.draws", effort))
    yield from _fused(substituted(size("verification_levels.stock", effort)))
    yield from _in_two_stages(substituted(size("verification_levels.relaxed", effort)))
    yield from _beside_stock(substituted(size("verification_levels.stock", effort)))


def _on_wbm(n: int) -> Iterator[Row]:
    """Yield errors of single points of DFT's relaxed crystals, corrected as each level says."""
    from gnome_lite.core.levels import Corrections, corrections_of
    from gnome_lite.evaluation.wbm import read_wbm
    from gnome_lite.verify.relax import relax

    try:
        wbm = read_wbm(data_dir()).first(n)
    except FileNotFoundError:
        yield missing("errors on WBM", "WBM")
        return
    with_plutonium = np.array([PLUTONIUM in c.numbers for c in wbm.crystals])
    for level in LEVELS:
        calculator, held = _calculator(level), corrections_of(*in_full(level))
        started = time.process_time()
        outcomes = [relax(c, calculator, max_steps=0, corrections=held) for c in wbm.crystals]
        milliseconds = 1000 * (time.process_time() - started) / len(wbm)
        said = np.array([o.energy_ev / len(o.crystal) for o in outcomes])
        error = np.abs(said - wbm.energy_ev_per_atom)
        known = np.isfinite(error)
        best = level == BEST
        mae = float(error[known].mean())
        title = level + (" + MP2020" if held is Corrections.MP2020 else "")
        of = f"{title}: MAE on {int(known.sum())} of {len(wbm)} crystals of WBM, single points"
        target, ok = (f"<= {MAE_TARGET_EV_PER_ATOM:g}", mae <= MAE_TARGET_EV_PER_ATOM) if best else ("", None)
        yield Row(of, "eV/atom", mae, None, "", None, target, ok)
        for what, some in (("without plutonium", known & ~with_plutonium), ("plutonium alone", known & with_plutonium)):
            if some.any():
                name = f"the same, MAE of {int(some.sum())}, {what}"
                yield Row(name, "eV/atom", float(error[some].mean()), None, "", None)
        if best:
            yield from _covered(wbm, said)
        yield Row("the same, median", "eV/atom", float(np.median(error[known])), None, "", None)
        yield Row("the same, time of one", "ms", milliseconds, None, "", None)


def _covered(wbm: WbmSet, said: NDArray[np.float64]) -> Iterator[Row]:
    """Yield the shares of errors within one and two of the spread for new crystals (it was set on this half)."""
    from gnome_lite.assemble import shipped_errors
    from gnome_lite.predict.level_errors import LevelErrors
    from gnome_lite.verify.calculators import level_of
    from gnome_lite.verify.chgnet.features import CHGNetFeatures

    path = shipped_errors(level_of(BEST))
    if path is None:
        return
    crystals = CrystalBatch.from_crystals(wbm.crystals)
    errors = LevelErrors.read(path)
    chgnet = CHGNetFeatures()(crystals).energies_ev_per_atom[:, 0]
    error, difference = errors.errors(crystals, np.column_stack([said, chgnet]), wbm.e_form_ev_per_atom)
    for times, share, by in ((1, 0.68, 0.08), (2, 0.95, 0.05)):
        within = float((np.abs(error) <= times * errors.new.of(difference)).mean())
        name = f"the same, formation energies within {times} of the spread for new crystals (set on these)"
        yield Row(name, "share", within, None, "", None, f"{share:g} +- {by:g}", abs(within - share) <= by)


def _on_a_system(draws: int) -> Iterator[Row]:
    """Yield who is found on the hull of Fe-Li-O-P, by the level alone and by what is known of its errors."""
    from benchmarks import verification_delta as system
    from gnome_lite.analysis.dft_correction import judge_corrected
    from gnome_lite.assemble import shipped_errors
    from gnome_lite.core.levels import corrections_of
    from gnome_lite.core.metrics import calibration_error
    from gnome_lite.core.phases import formation_energies
    from gnome_lite.core.surrogate_features import SurrogateFeatures
    from gnome_lite.predict.level_errors import LevelErrors
    from gnome_lite.verify.calculators import level_of
    from gnome_lite.verify.chgnet.features import CHGNetFeatures
    from gnome_lite.verify.relax import relax

    path, calculator = shipped_errors(level_of(BEST)), _calculator(BEST)
    if not draws or path is None:
        return
    held = corrections_of(*in_full(BEST))

    def describe(crystals: CrystalBatch) -> SurrogateFeatures:
        said = [relax(c, calculator, max_steps=0, corrections=held).energy_ev / len(c) for c in crystals]
        chgnet = CHGNetFeatures()(crystals)
        return SurrogateFeatures(crystals, np.column_stack([said, chgnet.energies_ev_per_atom[:, 0]]), chgnet.atoms)

    try:
        judged = system.judged_entries(describe)
    except FileNotFoundError:
        yield missing("who is on the hull", "entries of Fe-Li-O-P")
        return
    energies, stable = judged.features.energies_ev_per_atom, judged.stable
    own = system.elemental(judged.crystals, energies[:, 0])
    raw = formation_energies(judged.crystals.counts, energies[:, 0] * judged.crystals.n_atoms, own)
    alone = -system.decomposition(judged.ids, judged.crystals, raw)
    seen = np.ones(len(stable), dtype=bool)  # the Materials Project's
    corrected = LevelErrors.read(path).correct(judged.crystals, energies, seen)
    _, p = judge_corrected(judged.ids, judged.crystals, corrected, range(len(stable)), draws)
    at, by_level = (system.precision_at(stable, score, system.RECALL) for score in (p, alone))
    name = f"{BEST}: Fe-Li-O-P, {len(stable)} entries, {int(stable.sum())} on the hull: precision at recall 0.68"
    yield Row(name, "", at, by_level, "the level alone", at - by_level, f">= {PRECISION:g}", at >= PRECISION)
    at, by_level = (system.average_precision(stable, score) for score in (p, alone))
    yield Row("the same, average precision", "", at, by_level, "the level alone", at - by_level)
    off = calibration_error(p, stable, 10)
    assert off is not None
    target = f"<= {CALIBRATION:g}"
    yield Row("the same, calibration error of P(DFT-stable)", "", off, None, "", None, target, off <= CALIBRATION)


def _fused(crystals: list[Crystal]) -> Iterator[Row]:
    """Yield the times of energy, forces and stress beside the package's own convolution, and how far they differ."""
    from sevenn.calculator import SevenNetCalculator

    for level in LEVELS[1:]:
        ways = (_calculator(level), SevenNetCalculator(level))
        seconds, differ = np.zeros((REPEATS + 1, 2)), 0.0
        for repeat, crystal in product(range(REPEATS + 1), crystals):
            energies = []
            for way, calculator in enumerate(ways):
                atoms = crystal.to_ase()
                atoms.rattle(MOVED_ANG, seed=repeat)
                atoms.calc = calculator
                started = time.process_time()
                energies.append(atoms.get_potential_energy() / len(atoms))
                seconds[repeat, way] += time.process_time() - started
            differ = max(differ, abs(energies[0] - energies[1]))
        ours, peer = 1000 * np.median(seconds[1:], axis=0) / len(crystals)  # the first is a warm-up
        name = f"energy, forces and stress of a crystal by {level}, {len(crystals)} of them"
        yield Row(name, "ms", float(ours), float(peer), "SevenNetCalculator", float(peer / ours))
        ok = differ <= SAME_CALL_EV_PER_ATOM
        target = f"<= {SAME_CALL_EV_PER_ATOM:g}"
        yield Row("the same, largest difference of energies", "eV/atom", differ, None, "", None, target, ok)


def _in_two_stages(crystals: list[Crystal]) -> Iterator[Row]:
    """Yield times and ends of SevenNet alone and after CHGNet, from the same starts."""
    from gnome_lite.verify.relax import relax

    dear, cheap = _calculator(BEST), _calculator("chgnet")
    seconds, steps = np.zeros(2), np.zeros(2)
    alone: list[Relaxed] = []
    after: list[Relaxed] = []
    for crystal in crystals:
        for way, (found, first) in enumerate(((alone, None), (after, cheap))):
            started = time.process_time()
            found.append(relax(crystal, dear, FMAX_EV_PER_ANG, MAX_STEPS, symmetry="broken", cheap=first))
            seconds[way] += time.process_time() - started
            steps[way] += found[-1].n_steps
    gain = seconds[0] / seconds[1]
    what = f"relaxations of {len(crystals)} substituted crystals with {BEST}, CHGNet first"
    rates = 3600 * len(crystals) / seconds
    yield Row(what, "1/h", rates[1], rates[0], "the same relaxer without", gain, f">= {SPEEDUP:g} x", gain >= SPEEDUP)
    yield Row(f"the same, steps of {BEST}", "1", steps[1] / len(crystals), steps[0] / len(crystals), "without", None)
    both = [(a, b) for a, b in zip(alone, after, strict=True) if a.failure is None and b.failure is None]
    higher = np.array([(b.energy_ev - a.energy_ev) / len(a.crystal) for a, b in both])
    share = float((higher <= SAME_EV_PER_ATOM).mean())
    name = f"the same, share that ends within {1000 * SAME_EV_PER_ATOM:g} meV/atom or lower"
    yield Row(name, "share", share, None, "", None, f">= {SAME_SHARE:g}", share >= SAME_SHARE)
    failed = [sum(o.failure is not None for o in found) / len(crystals) for found in (after, alone)]
    yield Row("the same, refused or unconverged", "share", failed[0], failed[1], "without", None)


def _beside_stock(crystals: list[Crystal]) -> Iterator[Row]:
    """Yield times beside ASE's FIRE on atoms and cell with the package's own calculator, as its users relax."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE
    from sevenn.calculator import SevenNetCalculator

    from gnome_lite.verify.relax import relax

    dear, cheap = _calculator(BEST), _calculator("chgnet")
    stock = SevenNetCalculator(BEST)
    seconds, higher = np.zeros(2), []
    for crystal in crystals:
        started = time.process_time()
        ours = relax(crystal, dear, FMAX_EV_PER_ANG, MAX_STEPS, symmetry="broken", cheap=cheap)
        between = time.process_time()
        atoms = crystal.to_ase()
        atoms.calc = stock
        FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=FMAX_EV_PER_ANG, steps=MAX_STEPS)
        seconds += between - started, time.process_time() - between
        if ours.failure is None:
            higher.append((ours.energy_ev - atoms.get_potential_energy()) / len(crystal))
    gain = seconds[1] / seconds[0]
    rates = 3600 * len(crystals) / seconds
    name = f"relaxations of {len(crystals)} substituted crystals with {BEST}, CHGNet first"
    peer, target = "SevenNetCalculator (FIRE)", f">= {SPEEDUP_OF_STOCK:g} x"
    yield Row(name, "1/h", rates[0], rates[1], peer, gain, target, gain >= SPEEDUP_OF_STOCK)
    low = float((np.array(higher) <= SAME_EV_PER_ATOM).mean()) if higher else 0.0
    yield Row(f"the same, share within {1000 * SAME_EV_PER_ATOM:g} meV/atom or lower", "share", low, None, "", None)


@cache
def _calculator(level: str) -> Calculator:
    """Return a calculator of this process: a campaign has SevenNet in a child, whose time would not count here."""
    from gnome_lite.verify.calculators import make_calculator
    from gnome_lite.verify.factories import PACKAGES

    name, kwargs = in_full(level)
    made: Calculator = PACKAGES[name].make(**kwargs)[0] if name in PACKAGES else make_calculator(name, kwargs)
    return made
