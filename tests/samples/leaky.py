"""Calculators that tell all they know of their environment, as an error: what they say ends in logs and stores."""

from __future__ import annotations

import os
from typing import Any

from ase.calculators.calculator import Calculator, all_changes


class Leaky(Calculator):
    """Built without complaint; every energy fails."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012

    def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes) -> None:
        raise RuntimeError(f"my environment: {dict(os.environ)}")


def make() -> Calculator:
    raise RuntimeError(f"my environment: {dict(os.environ)}")
