"""Random structures that pass the distance gate, per second, beside PyXtal's: same compositions, same choice of groups.

Both draw the formula units that fit into 20 atoms of a primitive cell, and one of the space groups that admit them,
uniformly. What either fails to make counts against it, as does, for ours, a structure whose symmetry turns out to be
another than asked; PyXtal does not look. One try of PyXtal's is many attempts at placing atoms, one of ours a single
one, so that their shares say how often each delivers, not which draws better. Seconds are of processor time, one core.
"""

from __future__ import annotations

import cProfile
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, missing, speed_row
from benchmarks.sizes import Effort, size
from gnome_lite.chemistry.distances import min_distance_ratios
from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch, symbol
from gnome_lite.generate.random_search import TOO_FEW, random_structures
from gnome_lite.generate.random_tries import SYMPREC_ANG, Formula
from gnome_lite.generate.wyckoff import space_group

FORMULAS = ("NaCl", "TiO2", "MgAl2O4", "LiFePO4")
BUDGET_S = 15.0
"""PyXtal is given no more tries at a formula after this long..."""
PATIENCE_S = 3.0
"""... and each try is cut short after this long: some would take minutes."""
MAX_ATOMS = 20
RATIO = 0.6
"""The campaign's default gate, in sums of covalent radii."""
PYXTAL_RATIO = 0.5
"""PyXtal's own default, likewise."""
AT_LEAST = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of making structures: tries, those that pass the gate, those of them with the group asked for, time."""

    tries: int
    passed: int
    true: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.passed / self.seconds

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.tries + other.tries, self.passed + other.passed, self.true + other.true, self.seconds + other.seconds
        )


Make = Callable[[Formula, np.random.Generator], Outcome]
NONE = Outcome(0, 0, 0, 0.0)


def measure(effort: Effort = Effort.DEFAULT) -> list[Row]:
    found = (Formula.of(counts(name), MAX_ATOMS) for name in FORMULAS)
    formulas = [f for f in found if isinstance(f, Formula)]
    n_ours, n_pyxtal = (size(f"candidates_random.{what}", effort) for what in ("structures", "pyxtal"))
    ours = run(formulas, partial(make_ours, n=n_ours))
    split = time_split(formulas, n_ours)
    if find_spec("pyxtal") is None:
        names = [f"random {formula} past the distance gate" for formula in FORMULAS]
        return [missing(name, "PyXtal", "1/s", a.rate) for name, a in zip(names, ours, strict=True)] + split
    return beside_pyxtal(formulas, ours, n_pyxtal) + split


def beside_pyxtal(formulas: list[Formula], ours: list[Outcome], n: int) -> list[Row]:
    """Rates, and how often either delivers what was asked for; PyXtal by its own volumes and by ours."""
    default, same_volumes = (run(formulas, partial(make_pyxtal, n=n, our_volumes=own)) for own in (False, True))
    rows = [
        speed_row(
            f"random {formula} past the distance gate, {volumes} volumes", "1/s", a.rate, b.rate, "PyXtal", AT_LEAST
        )
        for volumes, theirs in (("default", default), ("our", same_volumes))
        for formula, a, b in zip(FORMULAS, ours, theirs, strict=True)
    ]
    all_ours, all_default, all_same = (sum(outcomes, NONE) for outcomes in (ours, default, same_volumes))
    for volumes, peer in (("default", all_default), ("our", all_same)):
        name = f"random structures, share of tries that pass, {volumes} volumes"
        rows.append(Row(name, "1", all_ours.passed / all_ours.tries, peer.passed / peer.tries, "PyXtal", None))
    name = "random structures, share of those with the group asked for"
    share, theirs = (outcome.true / max(outcome.passed, 1) for outcome in (all_ours, all_default))
    rows.append(Row(name, "1", share, theirs, "PyXtal", None))
    return rows


def run(formulas: list[Formula], make: Make) -> list[Outcome]:
    """One outcome a formula, after one that pays for imports and tables."""
    make(formulas[0], np.random.default_rng(99))
    return [make(formula, np.random.default_rng(i)) for i, formula in enumerate(formulas)]


def make_ours(formula: Formula, rng: np.random.Generator, n: int) -> Outcome:
    started = time.process_time()
    pool, failures = random_structures(of_formula(formula), n, rng)
    seconds = time.process_time() - started
    failed = failures.total() - failures[TOO_FEW]
    asked = [change.split(",")[0] for change in pool.changes]
    passed = np.isinf(min_distance_ratios(pool.crystals, RATIO))
    true = [has_group(c, symbol) for c, symbol in zip(pool.crystals, asked, strict=True)]
    return Outcome(len(pool) + failed, int(passed.sum()), int((passed & true).sum()), seconds)


def make_pyxtal(formula: Formula, rng: np.random.Generator, n: int, our_volumes: bool) -> Outcome:
    """PyXtal with its own volumes and distances; or, given a lattice of our volume, with the gate as its distances."""
    from pyxtal import pyxtal
    from pyxtal.lattice import Lattice
    from pyxtal.symmetry import Group
    from pyxtal.tolerance import Tol_matrix

    signal.signal(signal.SIGVTALRM, give_up)
    limits = Tol_matrix(prototype="atomic", factor=RATIO / PYXTAL_RATIO)
    elements = [symbol(z) for z in formula.elements]
    crystals, asked, seconds = [], [], 0.0
    tries = 0
    while tries < n and seconds < BUDGET_S:
        tries += 1
        units, groups = formula.choices[rng.integers(len(formula.choices))]
        number, seed, factor = int(rng.choice(groups)), int(rng.integers(2**31)), rng.uniform(0.4, 1.2)
        made = pyxtal()
        started = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_S)
        try:
            more = {}
            if our_volumes:
                volume = factor * units * formula.volume_ang3 * space_group(number).n_centring
                more = {"lattice": Lattice(Group(number).lattice_type, volume, random_state=seed), "tm": limits}
            atoms = [units * n for n in formula.atoms]
            made.from_random(3, number, elements, atoms, conventional=False, random_state=seed, **more)
        except Exception:  # whatever it raises where it gives up is a failed try
            made.valid = False
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        if made.valid:
            crystals.append(Crystal.from_pymatgen(made.to_pymatgen()))
            asked.append(space_group(number).symbol)
        seconds += time.process_time() - started
    passed = np.isinf(min_distance_ratios(CrystalBatch.from_crystals(crystals), RATIO))
    true = np.array([has_group(c, name) for c, name in zip(crystals, asked, strict=True)], dtype=bool)
    return Outcome(tries, int(passed.sum()), int((passed & true).sum()), seconds)


def give_up(*_: object) -> None:
    raise TimeoutError


def time_split(formulas: list[Formula], n: int) -> list[Row]:
    """Share of our time by step, under the profiler."""
    profile = cProfile.Profile()
    for i, formula in enumerate(formulas):
        rows = of_formula(formula)
        profile.runcall(random_structures, rows, n, np.random.default_rng(i))
    spent = {e.code.co_name: e.totaltime for e in profile.getstats() if not isinstance(e.code, str)}
    steps = {
        "drawing sites": "_draw_sites",
        "soft spheres": "relax",
        "distance gate": "min_distance_ratios",
        "symmetry check": "_wrong_symmetry",
    }
    return [
        Row(f"random structures, share of time: {step}", "1", spent[name] / spent["random_structures"], None, "", None)
        for step, name in steps.items()
    ]


def counts(formula: str) -> NDArray[np.int64]:
    from pymatgen.core import Composition

    row = np.zeros(MAX_Z + 1, dtype=np.int64)
    for element, n in Composition(formula).items():
        row[element.Z] = int(n)
    return row


def of_formula(formula: Formula) -> NDArray[np.int64]:
    row = np.zeros(MAX_Z + 1, dtype=np.int64)
    row[formula.elements] = formula.atoms
    return row


def has_group(crystal: Crystal, name: str) -> bool:
    import spglib

    cell = (crystal.lattice.tolist(), crystal.frac_coords.tolist(), crystal.numbers.tolist())
    found = spglib.get_symmetry_dataset(cell, symprec=SYMPREC_ANG)
    return found is not None and found.international == name
