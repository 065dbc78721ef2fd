"""The tests of real DFT run by hand only (`make dft-test`); here they are imported and found, so that they do not rot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = (
    "test_the_level_names_version_settings_and_datasets",
    "test_lattices_are_those_of_pbe",
    "test_a_hull_of_dft_energies",
)


def test_the_tests_of_real_dft_are_collected() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "dft", "tests/verify/test_dft.py"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert [test for test in TESTS if test not in found.stdout] == []
