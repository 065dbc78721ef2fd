"""GNOME_LITE_ANY_PROCESSOR: the kernels of each library do not depend on what the processor offers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

DIGITS = """
import hashlib
import gnome_lite
import numpy as np, torch
a = torch.sin(torch.arange(40_000, dtype=torch.float32)).reshape(200, 200)
b = torch.exp(a @ a.T / 7).sum(dim=1) / 3
print(hashlib.sha256(b.numpy().tobytes() + np.exp(np.linspace(0, 9, 999)).tobytes()).hexdigest())
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GNOME_LITE_", "MKL_", "ATEN_"))}
    return subprocess.run([sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True)


def test_what_a_poorer_processor_would_choose_changes_no_digit() -> None:
    ours = python(DIGITS, GNOME_LITE_ANY_PROCESSOR="1")
    theirs = python(DIGITS, GNOME_LITE_ANY_PROCESSOR="1", ATEN_CPU_CAPABILITY="default", MKL_CBWR="SSE4_2")
    assert ours.stdout == theirs.stdout != "", ours.stderr + theirs.stderr


def test_without_the_switch_it_does() -> None:
    ours, theirs = python(DIGITS), python(DIGITS, ATEN_CPU_CAPABILITY="default", MKL_CBWR="COMPATIBLE")
    assert ours.returncode == theirs.returncode == 0
    assert ours.stdout != theirs.stdout


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_library_that_came_first_is_an_error_with_the_remedy(library: str) -> None:
    ended = python(f"import {library}, gnome_lite", GNOME_LITE_ANY_PROCESSOR="1")
    assert "import gnome_lite before it" in ended.stderr.splitlines()[-1]
