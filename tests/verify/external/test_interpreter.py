"""Calculators in another interpreter. Here it is our own, which changes nothing in how they are reached.

Covers `child`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from gnome_lite.config import Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.records import Candidate, Failure
from gnome_lite.verify.calculators import CALCULATORS, DEBIAN_PYTHON, home_of, in_full, level_of, make_calculator
from gnome_lite.verify.external.interpreter import ExternalCalculator, complaint
from gnome_lite.verify.factories import PACKAGES, local_file
from gnome_lite.verify.verifier import ProcessVerifier

LJ = "ase.calculators.lj:LennardJones"
ARGON = {"sigma": 3.4, "epsilon": 0.0104, "rc": 8.0, "smooth": True}


@pytest.fixture
def served() -> ExternalCalculator:
    calculator = make_calculator(LJ, {**ARGON, "python": sys.executable})
    assert isinstance(calculator, ExternalCalculator)
    return calculator


def test_numbers_are_those_of_the_calculator_itself(served: ExternalCalculator) -> None:
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.1, seed=3)
    atoms.set_cell(atoms.cell.array + np.triu(np.full((3, 3), 0.2), 1), scale_atoms=True)
    found = []
    for calculator in (served, make_calculator(LJ, ARGON)):
        atoms.calc = calculator
        found.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)


def test_a_dead_child_costs_one_evaluation(served: ExternalCalculator) -> None:
    atoms = bulk("Ar", "fcc", a=5.3)
    atoms.calc = served
    energy = atoms.get_potential_energy()
    pid = served.child.process.pid
    os.kill(pid, signal.SIGSTOP)  # so that it is killed while it is waited for, not before
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    served.reset()
    with pytest.raises(RuntimeError, match="died of SIGKILL"):
        atoms.get_potential_energy()
    served.reset()
    assert atoms.get_potential_energy() == energy
    served.child.stop()
    assert not served.child.alive


def test_the_child_is_held_to_its_workers_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "hog"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    (tmp_path / "hogs.py").write_text(
        "import numpy as np\nfrom ase.calculators.lj import LennardJones\n"
        "class Hog(LennardJones):\n"
        "    def calculate(self, *args):\n"
        "        super().calculate(*args)\n"
        "        if self.atoms.numbers[0] == 36: self.hoard = np.ones(1 << 28)\n"
    )
    config = Verify(
        calculator="hogs:Hog",
        calculator_kwargs={**ARGON, "python": str(script)},
        memory_gib=1,
        processes=1,
        tries=1,
    )
    crystals = [Crystal.from_ase(bulk(element, "fcc", a=5.3)) for element in ("Kr", "Ar")]
    with ProcessVerifier(config) as verifier:
        outcomes = list(verifier.verify([Candidate(c.content_id, c, "", "", "", 1) for c in crystals]))
    assert [v.failure for v in outcomes] == [Failure.OUT_OF_MEMORY, None]


@pytest.mark.parametrize(
    ("name", "kwargs", "says"),
    [
        (LJ, {"python": "/nowhere/python"}, "there is no interpreter /nowhere/python"),
        ("no_such_package:make", {"python": sys.executable}, "install it there"),
        ("ase.build:bulk", {"python": sys.executable, "name": "Cu"}, "cannot be built"),
        (LJ, {"python": sys.executable, "colour": 1, "rc": "red"}, "cannot be built"),
    ],
)
def test_what_cannot_be_had_is_one_line(name: str, kwargs: dict[str, str], says: str) -> None:
    with pytest.raises(CalculatorError, match=says) as raised:
        make_calculator(name, kwargs)
    assert "\n" not in str(raised.value)


def test_every_package_has_a_name_and_says_how_to_install_it() -> None:
    import importlib.util

    assert set(PACKAGES) == {in_full(name)[0] for name, named in CALCULATORS.items() if not named.level}
    for name, package in PACKAGES.items():
        if importlib.util.find_spec(package.module) is None:
            remedy = "apt-get install gpaw" if name == "gpaw" else rf"pip install 'gnome-lite\[{name}\]'"
            with pytest.raises(CalculatorError, match=remedy):
                level_of(name, {"python": sys.executable})


@pytest.mark.parametrize(
    ("kind", "says", "line"),
    [
        ("ConnectionError", "Max retries exceeded with url", "cannot be fetched"),
        ("URLError", "<urlopen error>", "cannot be fetched"),
        ("RuntimeError", "Model download failed and no local model found", "cannot be fetched"),
        ("ValueError", "Not a valid pretrained model name", "cannot be built: ValueError: Not a valid"),
    ],
)
def test_weights_that_cannot_be_fetched_are_told_from_other_faults(kind: str, says: str, line: str) -> None:
    assert line in complaint("mace", "python", {"error": kind, "says": says})


def test_gpaw_is_looked_for_where_debian_puts_it() -> None:
    import importlib.util

    here = importlib.util.find_spec("gpaw") is not None or not Path(DEBIAN_PYTHON).exists()
    assert home_of("gpaw") == (sys.executable if here else DEBIAN_PYTHON)
    assert home_of("mace") == sys.executable


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    weights = [tmp_path / name for name in "abc"]
    for path, content in zip(weights, ("one", "one", "two"), strict=True):
        path.write_text(content)
    levels = [level_of("x:y", {"weights": str(path)}) for path in weights]
    assert levels[0] == levels[1] != levels[2]
    levels = [level_of("chgnet", {"checkpoint": str(path)}) for path in weights]
    assert levels[0] == levels[1] != levels[2]
    with pytest.raises(CalculatorError, match="there is no checkpoint"):
        level_of("chgnet", {"checkpoint": str(tmp_path / "none")})


def test_a_checkpoint_is_a_file_or_a_name(tmp_path: Path) -> None:
    file = tmp_path / "a.model"
    file.touch()
    assert local_file(str(file)) == file
    assert local_file("medium-mpa-0") is None
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*b\.model"):
        local_file(str(tmp_path / "b.model"))
