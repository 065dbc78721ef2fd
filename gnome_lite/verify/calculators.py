"""Calculators by name, and the level of theory that each stands for. Packages load only when one is made."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from gnome_lite.crystals import MAX_Z
from gnome_lite.errors import CalculatorError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

Kwargs = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Named:
    """One row of the name table.

    Attributes:
        level: level of theory of its energies.
        max_z: highest atomic number it knows.
        neutral: keyword arguments that change where it runs, not what it gives.
    """

    level: str
    make: Callable[..., Calculator]
    max_z: int = MAX_Z
    neutral: frozenset[str] = frozenset()


def _chgnet(**kwargs: str) -> Calculator:
    from gnome_lite.verify.chgnet_calculator import CHGNetCalculator

    return CHGNetCalculator("0.3.0", **kwargs)


def _chgnet_r2scan(**kwargs: str) -> Calculator:
    from gnome_lite.verify.chgnet_calculator import CHGNetCalculator

    return CHGNetCalculator("r2scan", **kwargs)


def _emt(**kwargs: bool) -> Calculator:
    from ase.calculators.emt import EMT

    return EMT(**kwargs)


def _lj(**kwargs: float) -> Calculator:
    from ase.calculators.lj import LennardJones

    return LennardJones(**kwargs)


CALCULATORS: Mapping[str, Named] = {
    "chgnet": Named("chgnet-0.3.0", _chgnet, max_z=94, neutral=frozenset({"device"})),
    "chgnet-r2scan": Named("chgnet-r2scan-8eba3db0", _chgnet_r2scan, max_z=94, neutral=frozenset({"device"})),
    "emt": Named("emt", _emt),
    "lj": Named("lj", _lj),
}
"""Levels carry a version or the start of the checkpoint's SHA-256, so that two never meet in one hull."""


def make_calculator(name: str, kwargs: Kwargs | None = None) -> Calculator:
    """An ASE calculator with energy, forces and stress.

    Args:
        name: a key of `CALCULATORS`, or "module:factory" of any callable that returns one.
        kwargs: passed to the factory.

    Raises:
        CalculatorError: if it is unknown, cannot be built, or gives no stress.
    """
    make = _factory(name)
    try:
        calculator = make(**(kwargs or {}))
    except CalculatorError:
        raise
    except Exception as error:
        raise CalculatorError(
            f"calculator {name!r} cannot be built: {type(error).__name__}: {error}; check verify.calculator_kwargs"
        ) from error
    missing = {"energy", "forces", "stress"} - set(getattr(calculator, "implemented_properties", ()))
    if missing:
        raise CalculatorError(
            f"calculator {name!r} gives no {', '.join(sorted(missing))}: relaxing atoms and cell needs all three"
        )
    return calculator


def level_of(name: str, kwargs: Kwargs | None = None) -> str:
    """Level of theory of a calculator, known without importing it.

    A hash of the keyword arguments is part of it, for they may change the energies.

    Raises:
        CalculatorError: if the name is not known.
    """
    named = CALCULATORS.get(name)
    if named is None:
        _split(name)
    matter = {k: v for k, v in (kwargs or {}).items() if named is None or k not in named.neutral}
    base = named.level if named is not None else name
    if not matter:
        return base
    return f"{base}-{sha256(json.dumps(matter, sort_keys=True).encode()).hexdigest()[:8]}"


def max_z(name: str) -> int:
    """Highest atomic number that a calculator knows, as far as can be said before asking it."""
    return CALCULATORS[name].max_z if name in CALCULATORS else MAX_Z


def out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory ran out, which the kernel, the linker and torch each word in their own way."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said for words in ("allocate memory", "out of memory", "failed to map segment")
    )


def _split(name: str) -> tuple[str, str]:
    module, colon, factory = name.partition(":")
    if not (colon and module and factory):
        raise CalculatorError(
            f"unknown calculator {name!r}: choose from {', '.join(CALCULATORS)}, "
            "or name a factory of an ASE calculator as 'module:factory'"
        )
    return module, factory


def _factory(name: str) -> Callable[..., Calculator]:
    if name in CALCULATORS:
        return CALCULATORS[name].make
    module, factory = _split(name)
    try:
        found = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise CalculatorError(
            f"calculator {name!r}: {error}; install the package or put the module on PYTHONPATH"
        ) from error
    if not callable(found):
        raise CalculatorError(f"calculator {name!r} is a {type(found).__name__}, not a callable that makes one")
    return found
