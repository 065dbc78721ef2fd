"""A calculator that lives in another interpreter: its packages and ours need not agree, nor even its Python.

GPAW comes as a Debian package for Debian's own Python; MACE and SevenNet want versions of e3nn that exclude each
other. A child of that interpreter serves energies over a pipe (`child.py`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.messages import Message
from gnome_lite.core.processes import Child, child_environment, readable

CHILD = Path(__file__).with_name("child.py")
LEVEL_DEADLINE_S = 600.0
"""Longest time to name a level: imports, and perhaps a download of weights."""
_RAISED = {"NotImplementedError": NotImplementedError, "MemoryError": MemoryError}


class ExternalCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3, Voigt order), worked out by a child process.

    Args:
        python: path of the interpreter.
        factory: a name of `factories.PACKAGES`, or "module:factory".
        kwargs: passed to it there.

    Raises:
        CalculatorError: if the interpreter does not start or the calculator cannot be built there.
    """

    def __init__(self, python: str, factory: str, kwargs: dict[str, Any]) -> None:
        super().__init__()
        self._python = python
        self._setup: Message = {"ask": "calculator", "factory": factory, "kwargs": kwargs}
        self._first = True
        self.child = self._start()

    def begin(self) -> None:
        """Say that another relaxation begins."""
        self._first = True

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Ask the child for energy, forces and stress, or a new one where the last has died.

        Raises:
            NotImplementedError: for elements that the calculator does not know.
            MemoryError: if the child ran out of memory.
            RuntimeError: for whatever else went wrong there.
        """
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None, "ASE sets it"
        if not self.child.alive:
            self.child = self._start()
        arrays = {"numbers": self.atoms.numbers, "positions": self.atoms.positions, "cell": self.atoms.cell.array}
        message: Message = {name: array.tolist() for name, array in arrays.items()}
        answer = _ask(self.child, message | {"first": self._first})
        self._first = False
        if "error" in answer:
            kind, says = answer["error"], answer["says"]
            raise _RAISED[kind](says) if kind in _RAISED else RuntimeError(f"{kind}: {says}")
        stress = np.array(answer["stress"])
        self.results = {
            "energy": answer["energy"],
            "free_energy": answer["energy"],
            "forces": np.array(answer["forces"]),
            "stress": stress.ravel()[[0, 4, 8, 5, 2, 1]],
        }

    def _start(self) -> Child:
        child = _child(self._python)
        answer = _ask(child, self._setup)
        if "error" in answer:
            raise CalculatorError(complaint(self._setup["factory"], self._python, answer))
        self.implemented_properties = answer["properties"]
        return child


@lru_cache(maxsize=64)
def external_level(python: str, factory: str, kwargs_json: str) -> str:
    """Return the level of a package's calculator, from the interpreter that has it; asked once a process.

    Raises:
        CalculatorError: if the package or its weights are not there.
    """
    question = {"ask": "level", "factory": factory, "kwargs": json.loads(kwargs_json)}
    answer = _ask(_child(python), question, LEVEL_DEADLINE_S)
    if "error" in answer:
        raise CalculatorError(complaint(factory, python, answer))
    return str(answer["level"])


def complaint(factory: str, python: str, answer: Message) -> str:
    """Return one line on why a calculator cannot be had, with the remedy."""
    kind, says = answer["error"], answer["says"]
    if kind == "ModuleNotFoundError":
        remedy = "apt-get install gpaw gpaw-data" if factory == "gpaw" else f"pip install 'gnome-lite[{factory}]'"
        if ":" in factory:
            remedy = "install it there"
        return (
            f"calculator {factory!r}: {says} in {python}: {remedy}, "
            "or name the interpreter that has it as calculator_kwargs.python"
        )
    if kind == "TypeError":
        return f"calculator {factory!r} cannot be built: {says}; check calculator_kwargs"
    if kind in _NETWORK or any(word in says for word in _UNREACHED):
        return (
            f"calculator {factory!r}: its weights are not here and cannot be fetched ({kind}: {says[:80]}): "
            "bring the file and name it as calculator_kwargs.checkpoint"
        )
    return f"calculator {factory!r} cannot be built: {kind}: {says}"


_NETWORK = ("URLError", "HTTPError", "ConnectionError", "ConnectTimeout", "LocalEntryNotFoundError", "MaxRetryError")
_UNREACHED = ("Failed to resolve", "Name or service", "name resolution", "Max retries", "download", "unreachable")


def _child(python: str) -> Child:
    # Our own search path is for our own interpreter: its compiled modules crash in another.
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {k: v for k, v in child_environment().items() if k not in ours}
    try:
        return Child([python, "-B", str(CHILD)], environment)
    except OSError as error:
        raise CalculatorError(
            f"there is no interpreter {python} ({error.strerror}): check calculator_kwargs.python"
        ) from error


def _ask(child: Child, message: Message, patience_s: float | None = None) -> Message:
    """Return the child's answer; where there is none, its exit reason as an error."""
    child.send(message)
    try:
        if readable([child], patience_s):
            return child.receive()
        reason = child.end(patience_s)
    except (EOFError, ValueError):
        reason = child.end()
    return {"error": "RuntimeError", "says": f"the child {reason.text}"}
