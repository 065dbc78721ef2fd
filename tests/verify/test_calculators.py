from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ase.build import bulk

from gnome_lite.core.errors import CalculatorError
from gnome_lite.verify.calculators import CALCULATORS, level_of, make_calculator


def test_levels_are_known_without_importing_anything_heavy() -> None:
    program = (
        "import sys; from gnome_lite.verify.calculators import level_of;"
        "heavy = {'torch', 'chgnet', 'ase.calculators'} & set(sys.modules);"
        "print(level_of('chgnet'), level_of('x.y:z'), sorted(heavy))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["chgnet-0.3.0", "x.y:z", "[]"]


def test_levels_tell_apart_what_gives_other_energies() -> None:
    levels = [level_of(name) for name, named in CALCULATORS.items() if named.level]
    levels += [
        level_of("lj", {"sigma": 3.4}),
        level_of("lj", {"sigma": 3.5}),
        level_of("a:b"),
        level_of("a:b", {"k": 1}),
    ]
    assert len(set(levels)) == len(levels)
    assert level_of("lj", {"sigma": 3.4, "rc": 8.0}) == level_of("lj", {"rc": 8.0, "sigma": 3.4})
    assert level_of("chgnet", {"device": "cuda"}) == level_of("chgnet")


@pytest.mark.parametrize("name", ["vasp", "", ":", "module:", ":factory"])
def test_unknown_names_say_what_to_choose_from(name: str) -> None:
    with pytest.raises(CalculatorError, match="choose from chgnet, chgnet-r2scan, emt, lj"):
        level_of(name)
    with pytest.raises(CalculatorError, match="unknown calculator"):
        make_calculator(name)


@pytest.mark.parametrize(
    ("name", "kwargs", "says"),
    [
        ("nowhere_to_be_found:make", {}, "No module named"),
        ("ase.calculators.lj:Nothing", {}, "no attribute 'Nothing'"),
        ("ase.calculators.lj:__doc__", {}, "not a callable"),
        ("ase.build:bulk", {"name": "Cu"}, "gives no energy, forces, stress"),
        ("chgnet", {"colour": "red"}, "unexpected keyword"),
    ],
)
def test_calculators_that_cannot_be_built_say_why(name: str, kwargs: dict[str, str], says: str) -> None:
    with pytest.raises(CalculatorError, match=says):
        make_calculator(name, kwargs)


def test_a_factory_by_name_is_any_ase_calculator() -> None:
    atoms = bulk("Cu")
    energies = []
    for name in ("emt", "ase.calculators.emt:EMT"):
        atoms.calc = make_calculator(name)
        energies.append(atoms.get_potential_energy())
    assert energies[0] == energies[1]
    assert np.isfinite(energies[0])
