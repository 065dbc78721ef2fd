"""Relaxations of substituted crystals with CHGNet: ours beside the stock `StructOptimizer`, one core each."""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from benchmarks.rows import Row, speed_row
from benchmarks.sizes import Effort, size
from gnome_lite.config import Symmetry, Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.verify.relax import Relaxed

if TYPE_CHECKING:
    from chgnet.model import StructOptimizer
    from chgnet.model.dynamics import TrajectoryObserver

MAX_ATOMS = 20
FMAX_EV_PER_ANG, MAX_STEPS = 0.05, 500
SPEEDUP, SPEEDUP_OF_TWO = 4.0, 1.8
WORST_EV_PER_ATOM, MEDIAN_EV_PER_ATOM = 0.002, 0.0005
ELSEWHERE_EV_PER_ATOM = 0.02
MOVED_ANG = 0.01
LOOK_ANG, LOOK_STRAIN = 0.05, 0.01
"""Standard deviations of a coordinate and of a strain."""
WHAT, UNITS = ("energy", "forces", "stress"), ("eV/atom", "eV/Å", "eV/Å^3")
SAME = (1e-5, 1e-4, 1e-5)
"""Largest differences from the stock model."""
N_LARGE = 5
STOCK = "chgnet StructOptimizer (FIRE)"


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    crystals = substituted(size("verification_relaxation.crystals", effort))
    yield from _beside_stock(crystals)
    yield from _two_processes(crystals)


def substituted(n: int) -> list[Crystal]:
    """Unrelaxed candidates of 2-20 atoms, spread evenly over sizes and the stream, from the bundled seed."""
    from gnome_lite.assemble import load_references
    from gnome_lite.config import CampaignConfig
    from gnome_lite.generate.substitution import IonicSubstitution

    config = CampaignConfig()
    references = load_references()
    generator = IonicSubstitution(config.space, config.generate)
    stream = generator.generate(references.crystals, list(references.ids), 1, np.random.default_rng(config.seed))
    found: list[Crystal] = []
    for chunk in stream:
        found += [c for c in chunk.crystals if 2 <= len(c) <= MAX_ATOMS]
        if len(found) >= 10 * n:
            break
    found.sort(key=lambda c: (len(c), c.content_id))
    return [found[i] for i in np.linspace(0, len(found) - 1, n).astype(int)]


def _beside_stock(crystals: list[Crystal]) -> Iterator[Row]:
    """Processor seconds, so that what else runs on the machine does not count."""
    import torch
    from chgnet.model import CHGNet, StructOptimizer

    from gnome_lite.verify.calculators import make_calculator
    from gnome_lite.verify.relax import relax

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    calculator = make_calculator("chgnet", {})
    stock = StructOptimizer(model=CHGNet.load(use_device="cpu", verbose=False), optimizer_class="FIRE")
    stock.calculator.model.graph_converter.set_isolated_atom_response("ignore")
    yield from _same_numbers(crystals, calculator, stock.calculator)

    ways: tuple[Symmetry, ...] = ("broken", "free", "kept")
    shipped = Verify().symmetry
    seconds = np.zeros(len(ways) + 1)
    ours: dict[str, list[Relaxed]] = {way: [] for way in ways}
    theirs = []
    for crystal in crystals:
        marks = [time.process_time()]
        for way in ways:
            ours[way].append(relax(crystal, calculator, FMAX_EV_PER_ANG, MAX_STEPS, symmetry=way))
            marks.append(time.process_time())
        theirs.append(_stock_energy(stock, crystal))
        marks.append(time.process_time())
        seconds += np.diff(marks)
    name = f"relaxations of {len(crystals)} substituted crystals of 2-{MAX_ATOMS} atoms, one core"
    rates = 3600 * len(crystals) / seconds
    for way, rate in zip(ways, rates, strict=False):
        at_least = SPEEDUP if way == shipped else None
        yield speed_row(f"{name}, symmetry {way}", "1/h", rate, rates[-1], STOCK, at_least)
        yield from _compared(crystals, ours[way], theirs, f"relaxed energies, symmetry {way}", way == shipped)
    yield from _other_minima(crystals, ours[shipped], theirs, stock)
    yield from _second_look(crystals, ours[shipped], theirs, calculator, seconds[ways.index(shipped)])
    refused = sum(o.failure is not None for o in ours[shipped])
    yield Row("relaxations refused by a gate or not converged", "share", refused / len(crystals), None, "", None)


def _stock_energy(stock: StructOptimizer, crystal: Crystal, moved_ang: float = 0.0) -> float:
    """Of the relaxed crystal, eV, from a start with its atoms moved a little."""
    atoms = crystal.to_ase()
    if moved_ang:
        atoms.rattle(moved_ang, seed=0)
    with contextlib.redirect_stdout(io.StringIO()):
        result = stock.relax(atoms, fmax=FMAX_EV_PER_ANG, steps=MAX_STEPS, verbose=False)
    return float(cast("TrajectoryObserver", result["trajectory"]).energies[-1])


def _other_minima(
    crystals: list[Crystal], ours: list[Relaxed], theirs: list[float], stock: StructOptimizer
) -> Iterator[Row]:
    """Where ours ended higher: does stock itself end elsewhere, too, when the start is hardly another?"""
    higher = [
        (crystal, theirs[i])
        for i, crystal in enumerate(crystals)
        if not ours[i].failure and (ours[i].energy_ev - theirs[i]) / len(crystal) > WORST_EV_PER_ATOM
    ]
    moved = [abs(_stock_energy(stock, crystal, MOVED_ANG) - e) / len(crystal) for crystal, e in higher]
    name = "ends more than 2 meV/atom above stock's: share where stock's own differs by as much"
    elsewhere = float(np.mean(np.array(moved) > WORST_EV_PER_ATOM)) if moved else 0.0
    yield Row(f"{name} after atoms moved by {MOVED_ANG} Å", f"of {len(higher)}", elsewhere, None, STOCK, None)


def _second_look(
    crystals: list[Crystal], ours: list[Relaxed], theirs: list[float], calculator: Calculator, seconds: float
) -> Iterator[Row]:
    """Would it pay to move every end a little, relax it again and keep the lower? `seconds` is what the first took."""
    from gnome_lite.verify.relax import relax

    rng = np.random.default_rng(0)
    started = time.process_time()
    lower, gains = [], []
    for first in ours:
        if first.failure:
            lower.append(first)
            continue
        c = first.crystal
        strain = rng.normal(0, LOOK_STRAIN, (3, 3))
        moves = rng.normal(0, LOOK_ANG, (len(c), 3)) @ np.linalg.inv(c.lattice)
        start = Crystal(c.numbers, c.frac_coords + moves, c.lattice @ (np.eye(3) + (strain + strain.T) / 2))
        second = relax(start, calculator, FMAX_EV_PER_ANG, MAX_STEPS, symmetry="free")
        lower.append(second if not second.failure and second.energy_ev < first.energy_ev else first)
        gains.append((first.energy_ev - lower[-1].energy_ev) / len(c))
    name = f"a second look at each end (moved by {LOOK_ANG} Å, strained by {LOOK_STRAIN:.0%}, relaxed again)"
    factor = (seconds + time.process_time() - started) / seconds
    yield Row(f"{name}: processor time", "times one look", factor, 1.0, "one look", None)
    share = float(np.mean(np.array(gains) > WORST_EV_PER_ATOM))
    yield Row(f"{name}: lower by more than 2 meV/atom", "share", share, None, "one look", None)
    yield Row(f"{name}: mean gain", "eV/atom", float(np.mean(gains)), None, "one look", None)
    yield from _compared(crystals, lower, theirs, "relaxed energies after a second look", promised=False)


def _compared(
    crystals: list[Crystal], ours: list[Relaxed], theirs: list[float], what: str, promised: bool = True
) -> Iterator[Row]:
    """Where ours ended beside stock, eV/atom. Another minimum is no fault where it is lower."""
    apart = np.array(
        [(o.energy_ev - t) / len(c) for o, t, c in zip(ours, theirs, crystals, strict=True) if not o.failure]
    )
    excess = np.maximum(apart, 0.0)
    for name, found, limit in (
        ("largest", float(excess.max()), WORST_EV_PER_ATOM),
        ("median", float(np.median(excess)), MEDIAN_EV_PER_ATOM),
    ):
        target, ok = (f"<= {limit:g}", found <= limit) if promised else ("", None)
        yield Row(f"{what} above stock's, {name}", "eV/atom", found, None, STOCK, None, target, ok)
    for q in (5, 25, 50, 75, 95):
        name = f"{what} minus stock's, {q} % quantile"
        yield Row(name, "eV/atom", float(np.percentile(apart, q)), None, STOCK, None)
    for name, share in (
        ("within 2 meV/atom of stock's or lower", apart <= WORST_EV_PER_ATOM),
        ("in another minimum, 20 meV/atom or more below stock's", apart <= -ELSEWHERE_EV_PER_ATOM),
        ("in another minimum, 20 meV/atom or more above stock's", apart >= ELSEWHERE_EV_PER_ATOM),
    ):
        yield Row(f"{what}, share {name}", "share", float(share.mean()), None, STOCK, None)


def _same_numbers(crystals: list[Crystal], ours: Calculator, stock: Calculator) -> Iterator[Row]:
    """Energies, forces, stresses and their rate, on the unrelaxed crystals and on large cells of some.

    Single precision rounds, so that two of its results differ by more than either from the exact one, or by less: the
    stock model in double precision judges both.
    """
    from benchmarks.exact_chgnet import ExactCHGNet

    atoms = [c.to_ase() for c in crystals]
    large = [a * (2, 2, 2) for a in atoms[:: max(1, len(atoms) // N_LARGE)]]
    for a in large:
        a.rattle(0.05, seed=0)
    name = f"energy, forces and stress of {len(atoms)} substituted crystals"
    found: tuple[list[Numbers], list[Numbers]] = [], []
    for which in (atoms, large):
        seconds = []
        for calculator, numbers in zip((ours, stock), found, strict=True):
            calculator.calculate(which[0])
            started = time.process_time()
            numbers += [_numbers(calculator, a) for a in which]
            seconds.append(time.process_time() - started)
        yield speed_row(name, "1/s", len(which) / seconds[0], len(which) / seconds[1], "chgnet CHGNetCalculator")
        name = f"energy, forces and stress of {len(large)} cells of {min(map(len, large))}-{max(map(len, large))} atoms"
    every = [*atoms, *large]
    exact_model = ExactCHGNet()
    exact = [_numbers(exact_model, a) for a in every]
    worst, ours_off, stock_off = (
        np.max([_apart(*pair) for pair in zip(these, those, strict=True)], axis=0)
        for these, those in ((found[0], found[1]), (found[0], exact), (found[1], exact))
    )
    rounding = np.max([_of_another_order(a, stock) for a in every], axis=0)
    for k, (what, unit, limit) in enumerate(zip(WHAT, UNITS, SAME, strict=True)):
        name = f"{what} beside the stock model's, largest difference"
        peer_name = "chgnet CHGNetCalculator beside itself, the atoms in another order"
        yield Row(name, unit, worst[k], rounding[k], peer_name, None, f"<= {limit:g}", bool(worst[k] <= limit))
        name = f"{what} beside the stock model's in double precision, largest difference"
        peer_name = "chgnet CHGNetCalculator, in single precision as it comes"
        off, its_off = ours_off[k], stock_off[k]
        yield Row(name, unit, off, its_off, peer_name, its_off / off, f"<= {limit:g}", bool(off <= limit))


Numbers = tuple[float, NDArray[np.float64], NDArray[np.float64]]
"""Energy per atom, forces, stress in Voigt's order."""


def _numbers(calculator: Calculator, atoms: Atoms) -> Numbers:
    calculator.calculate(atoms, ["energy", "forces", "stress"], all_changes)
    energy, forces, stress = (np.array(calculator.results[key], dtype=float) for key in ("energy", "forces", "stress"))
    return float(energy) / len(atoms), forces, stress if stress.shape == (6,) else full_3x3_to_voigt_6_stress(stress)


def _apart(a: Numbers, b: Numbers) -> tuple[float, float, float]:
    """Largest differences of energy per atom, forces and stress."""
    return abs(a[0] - b[0]), float(np.abs(a[1] - b[1]).max()), float(np.abs(a[2] - b[2]).max())


def _of_another_order(atoms: Atoms, calculator: Calculator) -> tuple[float, float, float]:
    """How far a calculator's energy per atom, forces and stress change with the order of the atoms: its rounding."""
    order = np.random.default_rng(0).permutation(len(atoms))
    energy, forces, stress = _numbers(calculator, atoms)
    return _apart(_numbers(calculator, atoms[order]), (energy, forces[order], stress))


def _two_processes(crystals: list[Crystal]) -> Iterator[Row]:
    """Rate of two workers over that of one: processor seconds of the busier worker, without its start.

    Memory bandwidth, shared caches and an uneven end count, other programs do not; the wall clock is beside it.
    """
    from gnome_lite.core.records import Candidate
    from gnome_lite.verify.verifier import ProcessVerifier

    candidates = [Candidate(c.content_id, c, "", "", "", 1) for c in crystals]
    rates, wall_rates = [], []
    for processes in (1, 2):
        with ProcessVerifier(Verify(processes=processes, max_steps=MAX_STEPS)) as verifier:
            list(verifier.verify(candidates[:processes]))
            workers = [worker.process.pid for worker in verifier.workers.idle]
            before = [_processor_seconds(pid) for pid in workers]
            started = time.perf_counter()
            list(verifier.verify(candidates))
            wall_rates.append(3600 * len(candidates) / (time.perf_counter() - started))
            busiest = max(_processor_seconds(pid) - b for pid, b in zip(workers, before, strict=True))
            rates.append(3600 * len(candidates) / busiest)
    name = f"relaxations of {len(crystals)} crystals in two processes"
    yield speed_row(name, "1/h", rates[1], rates[0], "one process", SPEEDUP_OF_TWO)
    unit = f"1/h at a load of {os.getloadavg()[0]:.1f}"
    yield speed_row(f"{name}, wall clock", unit, wall_rates[1], wall_rates[0], "one process")


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
