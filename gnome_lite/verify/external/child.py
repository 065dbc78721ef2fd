"""The far end of `external`: a calculator served by another interpreter, which need not have gnome_lite.

`external.ExternalCalculator` starts it by its path. Only ASE and the calculator's package must be importable here.
The first message asks for the name of a level or for a calculator, each of the others for the energy of a crystal.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    """Serve until the parent closes the pipe."""
    # The interpreter puts this file's folder first, where our modules would hide others of the same names.
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != here]
    parent = _load(here.parents[1] / "core" / "messages.py").Channel.to_parent()
    factories = _load(here.parent / "factories.py")
    question = parent.receive()
    try:
        if question["ask"] == "level":
            parent.send({"level": factories.describe(question["factory"], question["kwargs"])})
            return
        calculator, known = _make(factories, question["factory"], question["kwargs"])
    except BaseException as error:  # SystemExit too: some packages leave when a download fails
        parent.send(_said(error))
        return
    parent.send({"properties": list(calculator.implemented_properties)})
    while True:
        crystal = parent.receive()
        try:
            parent.send(_evaluate(calculator, known, crystal))
        except Exception as error:
            parent.send(_said(error))


def _make(factories: Any, factory: str, kwargs: dict[str, Any]) -> tuple[Any, frozenset[int] | None]:
    if factory in factories.PACKAGES:
        made: tuple[Any, frozenset[int] | None] = factories.PACKAGES[factory].make(**kwargs)
        return made
    module, _, name = factory.partition(":")
    return getattr(importlib.import_module(module), name)(**kwargs), None


def _evaluate(calculator: Any, known: frozenset[int] | None, crystal: dict[str, Any]) -> dict[str, Any]:
    """Return energy (eV), forces (eV/Å) and stress (eV/Å^3, [3, 3])."""
    from ase import Atoms

    unknown = sorted(set(crystal["numbers"]) - known) if known is not None else []
    if unknown:
        raise NotImplementedError(f"the calculator does not know elements Z = {', '.join(map(str, unknown))}")
    atoms = Atoms(crystal["numbers"], positions=crystal["positions"], cell=crystal["cell"], pbc=True)
    atoms.calc = calculator
    if crystal.get("first") and hasattr(calculator, "begin"):
        calculator.begin()
    return {
        "energy": float(atoms.get_potential_energy()),
        "forces": atoms.get_forces().tolist(),
        "stress": atoms.get_stress(voigt=False).tolist(),
    }


def _said(error: BaseException) -> dict[str, str]:
    return {"error": type(error).__name__, "says": " ".join(str(error).split())[:300]}


def _load(path: Path) -> Any:
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module


if __name__ == "__main__":
    with suppress(EOFError):
        main()
