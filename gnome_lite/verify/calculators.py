"""Calculators by name, and the level of theory of each. Packages are imported only when one is made."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import file_digest, sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gnome_lite.core.crystals import MAX_Z
from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.levels import corrections_of, named_with
from gnome_lite.core.limited import open_limited

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

Kwargs = Mapping[str, str | int | float | bool]

DEBIAN_PYTHON = "/usr/bin/python3"
"""Interpreter of Debian's packages, GPAW among them."""
MAX_CHECKPOINT_BYTES = 8_000_000_000


@dataclass(frozen=True, slots=True)
class Named:
    """One row of the name table.

    Attributes:
        level: level of theory of its energies; "" where its package must be asked (version, checkpoint).
        make: factory of the calculator.
        max_z: highest atomic number it knows.
        neutral: keyword arguments that change where it runs, not its energies.
        short_for: another row and the arguments that make it this one.
    """

    level: str
    make: Callable[..., Calculator]
    max_z: int = MAX_Z
    neutral: frozenset[str] = frozenset()
    short_for: tuple[str, Kwargs] = ("", {})


def _chgnet(version: str, checkpoint: str = "", **kwargs: str) -> Calculator:
    from gnome_lite.verify.chgnet.calculator import CHGNetCalculator

    return CHGNetCalculator(checkpoint or version, **kwargs)


def _imported(name: str, /, **kwargs: str | int | float | bool) -> Calculator:
    """Call the factory "module:factory"."""
    module, factory = _split(name)
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise CalculatorError(
            f"calculator {name!r}: {error}; install the package or put the module on PYTHONPATH"
        ) from error
    if not callable(make):
        raise CalculatorError(f"calculator {name!r} is a {type(make).__name__}, not a callable that makes one")
    calculator: Calculator = make(**kwargs)
    return calculator


def _external(factory: str, python: str = "", **kwargs: str | int | float | bool) -> Calculator:
    from gnome_lite.verify.external.interpreter import ExternalCalculator

    return ExternalCalculator(python or home_of(factory), factory, kwargs)


_DEVICE, _ELSEWHERE = frozenset({"device"}), frozenset({"device", "python"})


def _potential(package: str, **kwargs: str) -> Named:
    """Return the row of one potential of a package, by a name of its own."""
    return Named("", partial(_external, package, **kwargs), 94, _ELSEWHERE, (package, kwargs))


CALCULATORS: Mapping[str, Named] = {
    "chgnet": Named("chgnet-0.3.0", partial(_chgnet, "0.3.0"), max_z=94, neutral=_DEVICE),
    "chgnet-r2scan": Named("chgnet-r2scan-8eba3db0", partial(_chgnet, "r2scan"), max_z=94, neutral=_DEVICE),
    "emt": Named("emt", partial(_imported, "ase.calculators.emt:EMT"), max_z=79),
    "lj": Named("lj", partial(_imported, "ase.calculators.lj:LennardJones")),
    "gpaw": Named("", partial(_external, "gpaw"), max_z=86, neutral=_ELSEWHERE),
    "mace": Named("", partial(_external, "mace"), max_z=94, neutral=_ELSEWHERE),
    "orb": Named("", partial(_external, "orb"), neutral=_ELSEWHERE),
    "sevennet": Named("", partial(_external, "sevennet"), max_z=94, neutral=_ELSEWHERE),
    "7net-0": _potential("sevennet", checkpoint="7net-0"),
    "7net-l3i5": _potential("sevennet", checkpoint="7net-l3i5"),
    "7net-mf-0-r2scan": _potential("sevennet", checkpoint="7net-mf-0", modal="R2SCAN"),
    "mattersim": Named("", partial(_external, "mattersim"), max_z=94, neutral=_ELSEWHERE),
    "matgl": Named("", partial(_external, "matgl"), max_z=94, neutral=_ELSEWHERE),
}
"""Levels carry a version and the start of a checkpoint's SHA-256, so that two never meet in one hull. (EMT and LJ are
fixed formulas and have neither.)"""


def make_calculator(name: str, kwargs: Kwargs | None = None) -> Calculator:
    """Return an ASE calculator with energy, forces and stress.

    Args:
        name: a key of `CALCULATORS`, or "module:factory" of any callable that returns one.
        kwargs: passed to the factory. With `python`, the path of an interpreter, "module:factory" is built there.

    Raises:
        CalculatorError: if it is unknown, cannot be built, or gives no stress.
    """
    given = dict(kwargs or {})
    if name in CALCULATORS:
        make = CALCULATORS[name].make
    else:
        make = partial(_external if "python" in given else _imported, name)
    try:
        calculator = make(**given)
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


def level_of(name: str, kwargs: Kwargs | None = None, corrections: str = "auto") -> str:
    """Return the level of theory of a calculator: name, version, checkpoint, corrections.

    A hash of the keyword arguments is part of it, for they may change the energies; a file among them counts by its
    content. Only a package that has to be asked (GPAW, MACE ...) is loaded for it, in a process of its own.

    Raises:
        CalculatorError: if the name is not known, a package or its weights cannot be had, or nobody says which
            corrections its energies need.
    """
    name, kwargs = in_full(name, kwargs)
    held = corrections_of(name, kwargs, corrections)
    return named_with(_uncorrected_level(name, kwargs), name, held)


def in_full(name: str, kwargs: Kwargs | None = None) -> tuple[str, Kwargs]:
    """Return a calculator's name and arguments with those that a short name stands for."""
    package, fixed = CALCULATORS[name].short_for if name in CALCULATORS else ("", {})
    return package or name, {**fixed, **(kwargs or {})}


def _uncorrected_level(name: str, kwargs: Kwargs | None) -> str:
    named = CALCULATORS.get(name)
    given = dict(kwargs or {})
    if named is None:
        module, _ = _split(name)
        base = name + _version_of(module)
        matter = {k: v for k, v in given.items() if k != "python"}
    elif not named.level:
        from gnome_lite.verify.external.interpreter import external_level

        python = str(given.pop("python", "")) or home_of(name)
        base = external_level(python, name, json.dumps(given, sort_keys=True))
        matter = {k: v for k, v in given.items() if k not in named.neutral | {"checkpoint"}}
    else:
        base = named.level
        checkpoint = str(given.pop("checkpoint", "")) if name.startswith("chgnet") else ""
        if checkpoint:
            base = f"chgnet-{_content_hash(checkpoint)}"
        matter = {k: v for k, v in given.items() if k not in named.neutral}
    if not matter:
        return base
    plain = {k: _content_hash(v) if isinstance(v, str) and Path(v).is_file() else v for k, v in matter.items()}
    return f"{base}-{sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]}"


def max_z(name: str) -> int:
    """Return the highest atomic number that a calculator knows, as far as can be said before asking it."""
    return CALCULATORS[name].max_z if name in CALCULATORS else MAX_Z


def home_of(package: str) -> str:
    """Return the interpreter that has a package: this one; Debian's for GPAW where this one has none."""
    if package == "gpaw" and find_spec("gpaw") is None and Path(DEBIAN_PYTHON).exists():
        return DEBIAN_PYTHON
    return sys.executable


def out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out, which the kernel, the linker and torch each word in their own way."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said for words in ("allocate memory", "out of memory", "failed to map segment")
    )


def _content_hash(path: str) -> str:
    try:
        with open_limited(Path(path), MAX_CHECKPOINT_BYTES) as file:
            return file_digest(file, "sha256").hexdigest()[:8]
    except FileNotFoundError as error:
        raise CalculatorError(f"there is no checkpoint {path}: check the path") from error
    except OSError as error:
        raise CalculatorError(f"cannot read checkpoint {path}: {error.strerror}") from error


def _version_of(module: str) -> str:
    """Return "-1.2.3" for the distribution of the module's name; "" where there is none."""
    try:
        return f"-{version(module.partition('.')[0])}"
    except PackageNotFoundError:
        return ""


def _split(name: str) -> tuple[str, str]:
    module, colon, factory = name.partition(":")
    if not (colon and module and factory):
        raise CalculatorError(
            f"unknown calculator {name!r}: choose from {', '.join(CALCULATORS)}, "
            "or name a factory of an ASE calculator as 'module:factory'"
        )
    return module, factory
