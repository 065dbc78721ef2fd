"""What tests of calculators share."""

from __future__ import annotations

import pytest

from gnome_lite.core.errors import CalculatorError
from gnome_lite.verify.calculators import level_of


@pytest.fixture
def gpaw() -> None:
    """Pass over a test where there is no GPAW."""
    try:
        level_of("gpaw")
    except CalculatorError as error:
        pytest.skip(str(error))
