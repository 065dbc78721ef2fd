"""Ours against the stock CHGNet calculator.

Covers `bond_graph` and `forward`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

from benchmarks.exact_chgnet import ExactCHGNet
from gnome_lite.core.errors import CalculatorError
from gnome_lite.verify.chgnet import calculator as chgnet_calculator
from gnome_lite.verify.chgnet.calculator import CHECKPOINTS, CHGNetCalculator, load_model

ENERGY_TOL_EV_PER_ATOM = 1e-5
FORCE_TOL_EV_PER_ANG = 1e-4
EXACT_FORCE_TOL_EV_PER_ANG = 5e-6
STRESS_TOL_EV_PER_ANG3 = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor:UserWarning")


def _distorted(make: Callable[[], Atoms], seed: int) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = make()
    atoms.rattle(0.1, rng=rng)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.03, (3, 3))), scale_atoms=True)
    return atoms


CRYSTALS: dict[str, Callable[[], Atoms]] = {
    "one atom, bonded only to its images": lambda: bulk("Fe"),
    "primitive": lambda: bulk("NaCl", "rocksalt", 5.6),
    "no bond short enough for an angle": lambda: bulk("Cs"),
    "skewed cell": lambda: Atoms(
        "MgO", [[0, 0, 0], [2.1, 0, 0]], cell=[[2.1, 2.1, 0], [0, 2.1, 2.1], [8.4, 0, 2.1]], pbc=True
    ),
    "supercell": lambda: bulk("MgO", "zincblende", 4.5) * (2, 2, 1),
    "atoms outside the cell": lambda: Atoms("LiF", [[0, 0, 0], [14.0, -6.0, 2.0]], cell=[4, 4, 4], pbc=True),
}


@pytest.fixture(scope="module")
def calculators() -> tuple[Calculator, Calculator]:
    from chgnet.model.dynamics import CHGNetCalculator as Stock

    torch.set_num_threads(1)
    return CHGNetCalculator(), Stock(use_device="cpu", on_isolated_atoms="ignore")


@pytest.mark.parametrize("name", CRYSTALS)
def test_equals_the_stock_calculator(name: str, calculators: tuple[Calculator, Calculator]) -> None:
    assert_equal(_distorted(CRYSTALS[name], 3), calculators, FORCE_TOL_EV_PER_ANG)


def assert_equal(atoms: Atoms, calculators: tuple[Calculator, Calculator], force_tol_ev_per_ang: float) -> None:
    results = []
    for calculator in calculators:
        atoms.calc = calculator
        results.append((atoms.get_potential_energy() / len(atoms), atoms.get_forces(), atoms.get_stress()))
    (e, f, s), (e_other, f_other, s_other) = results
    assert e == pytest.approx(float(e_other), abs=ENERGY_TOL_EV_PER_ATOM)
    np.testing.assert_allclose(f, f_other, rtol=0, atol=force_tol_ev_per_ang)
    np.testing.assert_allclose(s, s_other, rtol=0, atol=STRESS_TOL_EV_PER_ANG3)


STRAIGHT = {
    "rocksalt": lambda: bulk("MgO", "rocksalt", 4.2),
    "CsCl": lambda: bulk("CsCl", "cesiumchloride", 4.1),
    "nearly straight": lambda: _moved(bulk("MgO", "rocksalt", 4.2, cubic=True), 1e-3),
    "skewed, large numbers": lambda: _moved(bulk("NaCl", "rocksalt", 5.6) * (1, 1, 3), 0.02),
    **CRYSTALS,
}


def _moved(atoms: Atoms, by_ang: float) -> Atoms:
    atoms.rattle(by_ang, seed=1)
    return atoms


@pytest.mark.parametrize("name", STRAIGHT)
def test_forces_are_exact_where_single_precision_loses_digits(
    name: str, calculators: tuple[Calculator, Calculator]
) -> None:
    """Straight angles, bonds near their cutoff: in single precision the stock model is off by 1e-4 eV/Å on one."""
    assert_equal(STRAIGHT[name](), (calculators[0], ExactCHGNet()), EXACT_FORCE_TOL_EV_PER_ANG)


def test_domain_ends_at_plutonium_and_at_lone_atoms(calculators: tuple[Calculator, Calculator]) -> None:
    for atoms in (bulk("Cf", "fcc", 5.0), Atoms("Ar", cell=[9, 9, 9], pbc=True)):
        atoms.calc = calculators[0]
        with pytest.raises(NotImplementedError):
            atoms.get_potential_energy()


def test_a_checkpoint_with_one_flipped_bit_is_never_unpickled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    name, digest = CHECKPOINTS["0.3.0"]
    monkeypatch.setitem(CHECKPOINTS, "0.3.0", (name, ("0" if digest[0] != "0" else "1") + digest[1:]))
    monkeypatch.setattr(chgnet_calculator.torch, "load", lambda *_, **__: pytest.fail("loaded an unpinned pickle"))
    with pytest.raises(CalculatorError, match=r"not the pinned .*reinstall chgnet"):
        load_model("0.3.0")


def test_a_missing_checkpoint_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHECKPOINTS, "r2scan", ("r2scan/none.pth.tar", CHECKPOINTS["r2scan"][1]))
    with pytest.raises(CalculatorError, match="reinstall chgnet"):
        load_model("r2scan")
