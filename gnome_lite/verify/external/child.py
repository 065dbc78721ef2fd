"""The far end of `external`: a calculator served by another interpreter, which need not have gnome_lite.

`external.ExternalCalculator` starts it by its path. Only ASE and the calculator's package must be importable here.
Messages are a length (8 bytes) and JSON, as in `wire`; the first one asks for a description or for a calculator.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

_LENGTH_BYTES = 8


def main() -> None:
    """Answer until the other end closes."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever libraries print is not ours to answer
    # The interpreter puts this file's folder first, where our modules would hide others of the same names.
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != here]
    question = _read()
    if question is None:
        return
    factories = _load(here.parent / "factories.py")
    try:
        if question["ask"] == "level":
            _answer(answers, {"level": factories.describe(question["factory"], question["kwargs"])})
            return
        calculator, known = _make(factories, question["factory"], question["kwargs"])
    except BaseException as error:  # SystemExit too: some packages leave when a download fails
        _answer(answers, _said(error))
        return
    _answer(answers, {"properties": list(calculator.implemented_properties)})
    while (crystal := _read()) is not None:
        try:
            _answer(answers, _evaluate(calculator, known, crystal))
        except Exception as error:
            _answer(answers, _said(error))


def _make(factories: Any, factory: str, kwargs: dict[str, Any]) -> tuple[Any, frozenset[int] | None]:
    if factory in factories.PACKAGES:
        made: tuple[Any, frozenset[int] | None] = factories.PACKAGES[factory].make(**kwargs)
        return made
    module, _, name = factory.partition(":")
    return getattr(importlib.import_module(module), name)(**kwargs), None


def _evaluate(calculator: Any, known: frozenset[int] | None, crystal: dict[str, Any]) -> dict[str, Any]:
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3, [3, 3])."""
    from ase import Atoms

    unknown = sorted(set(crystal["numbers"]) - known) if known is not None else []
    if unknown:
        raise NotImplementedError(f"the calculator does not know elements Z = {', '.join(map(str, unknown))}")
    atoms = Atoms(crystal["numbers"], positions=crystal["positions"], cell=crystal["cell"], pbc=True)
    atoms.calc = calculator
    return {
        "energy": float(atoms.get_potential_energy()),
        "forces": atoms.get_forces().tolist(),
        "stress": atoms.get_stress(voigt=False).tolist(),
    }


def _said(error: BaseException) -> dict[str, str]:
    return {"error": type(error).__name__, "says": " ".join(str(error).split())[:300]}


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("gnome_lite_factories", path)
    assert spec is not None, "the path ends in .py"
    assert spec.loader is not None, "the path ends in .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _read() -> Any:
    head = _exactly(_LENGTH_BYTES)
    return None if head is None else json.loads(_exactly(int.from_bytes(head, "big")) or b"null")


def _exactly(count: int) -> bytes | None:
    got = b""
    while len(got) < count:
        chunk = os.read(0, count - len(got))
        if not chunk:
            return None
        got += chunk
    return got


def _answer(answers: BinaryIO, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    rest = memoryview(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
    while rest:
        rest = rest[answers.write(rest) :]


if __name__ == "__main__":
    main()
