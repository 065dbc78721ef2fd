"""A calculator that lives in another interpreter: its packages and ours need not agree, nor even its Python.

GPAW comes as a Debian package for Debian's own Python; MACE and SevenNet want versions of e3nn that exclude each
other. A child of that interpreter serves energies over a pipe (`foreign_child`). It stays in the session of the worker
that started it, and so dies with it.
"""

from __future__ import annotations

import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.messages import Message, pack, unpack

CHILD = Path(__file__).with_name("child.py")
LEVEL_DEADLINE_S = 600.0
"""For naming a level: imports, and perhaps a download of weights."""
_READ_BYTES = 1 << 16


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
        self._inbox = bytearray()
        self._memory_bytes: int | None = None
        self._child = self._start()

    def limit_memory(self, limit_bytes: int) -> None:
        """Hold the child to the same limit of private writable memory as its worker."""
        self._memory_bytes = limit_bytes
        _limit(self._child.pid, limit_bytes)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Ask the child, or a new one where the last has died.

        Raises:
            NotImplementedError: for elements that the calculator does not know.
            MemoryError: if the child ran out of memory.
            RuntimeError: for whatever else went wrong there.
        """
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None, "ASE sets it"
        if self._child.poll() is not None:
            self._child = self._start()
            if self._memory_bytes is not None:
                _limit(self._child.pid, self._memory_bytes)
        answer = self._ask(
            {
                "numbers": self.atoms.numbers.tolist(),
                "positions": self.atoms.positions.tolist(),
                "cell": self.atoms.cell.array.tolist(),
            }
        )
        match answer.get("error"):
            case None:
                pass
            case "NotImplementedError":
                raise NotImplementedError(answer["says"])
            case "MemoryError":
                raise MemoryError(answer["says"])
            case kind:
                raise RuntimeError(f"{kind}: {answer['says']}")
        stress = np.array(answer["stress"])
        self.results = {
            "energy": answer["energy"],
            "free_energy": answer["energy"],
            "forces": np.array(answer["forces"]),
            "stress": stress.ravel()[[0, 4, 8, 5, 2, 1]],
        }

    def close(self) -> None:
        """End the child."""
        _end(self._child)

    def __del__(self) -> None:
        if hasattr(self, "_child"):
            self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        self._inbox.clear()
        self._child = _popen(self._python)
        answer = self._ask(self._setup)
        if "error" in answer:
            self.close()
            raise CalculatorError(complaint(self._setup["factory"], self._python, answer))
        self.implemented_properties = answer["properties"]
        return self._child

    def _ask(self, message: Message) -> Message:
        assert self._child.stdin is not None, "a pipe was asked for"
        assert self._child.stdout is not None, "a pipe was asked for"
        rest = memoryview(pack(message))
        try:
            while rest:
                rest = rest[self._child.stdin.write(rest) or 0 :]
        except BrokenPipeError:
            pass  # it died; its closed end says so below
        while (answer := unpack(self._inbox)) is None:
            chunk = os.read(self._child.stdout.fileno(), _READ_BYTES)
            if not chunk:
                code = self._child.wait()
                return {"error": "RuntimeError", "says": f"{self._python} ended with status {code}"}
            self._inbox += chunk
        return answer


@lru_cache(maxsize=64)
def external_level(python: str, factory: str, kwargs_json: str) -> str:
    """Level of a package's calculator, asked of the interpreter that has it: once a process.

    Raises:
        CalculatorError: if the package or its weights are not there.
    """
    with _popen(python) as child:
        question = pack({"ask": "level", "factory": factory, "kwargs": json.loads(kwargs_json)})
        try:
            out, _ = child.communicate(question, timeout=LEVEL_DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise CalculatorError(
                f"calculator {factory!r}: {python} did not name its level in {LEVEL_DEADLINE_S:.0f} s"
            ) from error
    answer = unpack(bytearray(out)) or {"error": "RuntimeError", "says": f"{python} ended with {child.returncode}"}
    if "error" in answer:
        raise CalculatorError(complaint(factory, python, answer))
    return str(answer["level"])


def complaint(factory: str, python: str, answer: Message) -> str:
    """One line on why a calculator cannot be had, with the remedy."""
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


def _popen(python: str) -> subprocess.Popen[bytes]:
    # Our own search path is for our own interpreter: its compiled modules crash in another.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    command = [python, "-B", str(CHILD)]
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment)
    except OSError as error:
        raise CalculatorError(
            f"there is no interpreter {python} ({error.strerror}): check calculator_kwargs.python"
        ) from error


def _limit(pid: int, limit_bytes: int) -> None:
    import resource

    if hasattr(resource, "prlimit"):
        resource.prlimit(pid, resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
        child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
