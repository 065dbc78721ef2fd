"""Results of one folder as plain numbers, by program: vasprun.xml, the output of pw.x, GPAW's result.json.

Run in the limited child `reading_worker`, for the files may be anybody's. What is wrong with a result is an
UnusableError in a few words that say what to do.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.limited import open_limited, read_limited
from gnome_lite.verify.corrections import UncorrectableError, corrected_entry_mp2020
from gnome_lite.verify.files.dft_levels import (
    EspressoSettings,
    GpawSettings,
    Program,
    Settings,
    dft_level,
    make_settings,
    theory_of,
)

MOST_BYTES: Mapping[Program, int] = {"vasp": 200_000_000, "espresso": 50_000_000, "gpaw": 20_000_000}
"""A relaxation of 100 atoms writes some 10 MB of vasprun.xml."""

MOST_ATOMS = 2_000
STATIC_FORCE_EV_PER_ANG = 0.1
"""A static run counts at a relaxed level only if its crystal was relaxed before."""

FUNCTIONALS: Mapping[str, tuple[str, ...]] = {
    "vasp-mp": ("GGA", "GGA+U"),
    "vasp-r2scan": ("R2SCAN",),
    "vasp-matpes": ("GGA",),
}
"""Run types of each level, as pymatgen names them ("PBE" is "GGA": the POTCARs are PBE's)."""

_ENCODING = re.compile(rb"""<\?xml version="1\.0"( encoding="(ISO-8859-1|UTF-8|ascii)")?\s*\?>""", re.IGNORECASE)


class UnusableError(ValueError):
    """A result that is not taken, and why."""


def answer_of(path: Path, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `read_result` does, or as "wrong" in one line why it returns nothing, whatever the file is."""
    try:
        found = read_result(path, name, given)
        if len(found["crystal"]["numbers"]) > MOST_ATOMS:
            raise UnusableError(f"it has more than {MOST_ATOMS} atoms: ask for smaller crystals")
    except UnusableError as error:
        return {"wrong": str(error)}
    except OSError as error:
        return {"wrong": f"{path.name} cannot be read: {error.strerror or error}"}
    except MemoryError:
        return {"wrong": f"{path.name} takes too much memory to read: look at it", "last": True}
    except Exception as error:  # parsers of other packages raise whatever a damaged file leads to
        return {"wrong": f"{path.name} is damaged ({type(error).__name__}: {str(error)[:100]}): run it again"}
    return found


def read_result(path: Path, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a program wrote.

    Args:
        path: file of the result.
        name: name of the level, e.g. "vasp-mp".
        given: settings of the level.

    Returns:
        `theory`, the level; `start` and `crystal`, first and last crystal as lists; `energy_ev`, corrected as the level
        has it; `max_force_ev_per_ang`; `n_steps`; `seconds`.

    Raises:
        UnusableError: if it is not whole, not converged, or not of the level.
        OSError: if it cannot be opened or is too large.
    """
    settings, program = make_settings(name, given), dft_level(name).program
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _READERS[program](path, name, settings)


def _read_vasp(path: Path, name: str, settings: Settings) -> dict[str, Any]:
    from pymatgen.io.vasp.outputs import Vasprun

    _require_plain_xml(path)
    try:
        run = Vasprun(path, parse_dos=False, parse_eigen=False, parse_potcar_file=False)
    except SyntaxError as error:  # lxml's is one
        raise UnusableError("vasprun.xml ends early or is damaged: let the run finish, or run it again") from error
    if not run.ionic_steps or not run.ionic_steps[-1]["electronic_steps"]:
        raise UnusableError("vasprun.xml holds no finished step: run it again")
    if not run.converged_electronic:
        raise UnusableError("its electrons are not converged: run it on with other mixing or more steps")
    if not run.converged_ionic:
        raise UnusableError("its relaxation is not converged: run it on from CONTCAR")
    forces = np.asarray(run.ionic_steps[-1]["forces"], dtype=np.float64)
    force = _largest(forces)
    level = dft_level(name)
    static = int(run.parameters.get("NSW", 0)) <= 1
    if static and not level.theory.endswith("-single-point") and force > STATIC_FORCE_EV_PER_ANG:
        raise UnusableError(f"it is a static run with forces up to {force:.2f} eV/Å: relax the crystal")
    if not static and level.theory.endswith("-single-point"):
        raise UnusableError("it is a relaxation, the level takes the crystal as it is: run the INCAR of the folder")
    _require_set(run, name)
    return {
        "theory": theory_of(name, settings),
        "start": Crystal.from_pymatgen(run.initial_structure).as_lists(),
        "crystal": Crystal.from_pymatgen(run.final_structure).as_lists(),
        "energy_ev": _corrected(run, name),
        "max_force_ev_per_ang": force,
        "n_steps": len(run.ionic_steps),
        "seconds": 0.0,
    }


def _require_plain_xml(path: Path) -> None:
    """Raise UnusableError for a document with declarations of its own, by which a few bytes become gigabytes."""
    with open_limited(path, MOST_BYTES["vasp"]) as file:
        head = file.read(200).lstrip()
        if not _ENCODING.match(head):
            raise UnusableError("vasprun.xml does not begin as VASP writes it: run it again")
        seam = head
        while seam:
            if b"<!DOCTYPE" in seam or b"<!ENTITY" in seam:
                raise UnusableError("vasprun.xml declares entities, which VASP never does: run it again")
            chunk = file.read(1 << 20)
            seam = seam[-16:] + chunk if chunk else b""


def _require_set(run: Any, name: str) -> None:
    """Raise UnusableError if functional, potentials or cutoff are not the level's."""
    from importlib import import_module

    config = getattr(import_module("pymatgen.io.vasp.sets"), dft_level(name).input_set).CONFIG
    run_type = _run_type(run)
    if run_type not in FUNCTIONALS[name]:
        raise UnusableError(f"it was run with {run_type}, {name} is {' or '.join(FUNCTIONALS[name])}: run its INCAR")
    for title in run.potcar_symbols:
        kind, symbol = (*title.split(), "", "")[:2]
        element = symbol.partition("_")[0]
        wanted = config["POTCAR"].get(element, "")
        wanted = wanted["symbol"] if isinstance(wanted, dict) else wanted
        if kind != "PAW_PBE" or symbol != wanted:
            raise UnusableError(f"POTCAR {title!r} is not the level's, PAW_PBE {wanted or 'of no such element'}")
    encut = float(run.incar.get("ENCUT") or run.parameters.get("ENMAX", 0))
    if encut < (least := float(config["INCAR"]["ENCUT"])) - 1e-3:
        raise UnusableError(
            f"its plane waves end at {encut:g} eV, the level's at {least:g}: run the INCAR of the folder"
        )


def _run_type(run: Any) -> str:
    return {"PBE": "GGA", "PBE+U": "GGA+U"}.get(run.run_type, str(run.run_type))


def _corrected(run: Any, name: str) -> float:
    """Return the energy, eV; at vasp-mp with the corrections of the Materials Project.

    Those of 2020: A. Wang et al., Scientific Reports 11, 15496 (2021).
    """
    if name != "vasp-mp":
        return float(run.final_energy)
    entry = run.get_computed_entry(inc_structure=True, entry_id="asked")
    entry.parameters["run_type"] = _run_type(run)
    try:
        return corrected_entry_mp2020(entry)
    except UncorrectableError as error:
        raise UnusableError(
            f"MaterialsProject2020Compatibility refuses it ({error}): run the INCAR of the folder"
        ) from error


def _read_espresso(path: Path, name: str, settings: Settings) -> dict[str, Any]:
    from io import StringIO

    from ase.io.espresso import read_espresso_out

    assert isinstance(settings, EspressoSettings)
    text = read_limited(path, MOST_BYTES["espresso"]).decode("utf-8", "replace")
    if "JOB DONE" not in text:
        raise UnusableError("pw.out ends early: let the run finish, or run it again")
    if "convergence NOT achieved" in text:
        raise UnusableError("its electrons are not converged: run it again with other mixing or more steps")
    if "bfgs converged in" not in text or "Begin final coordinates" not in text:
        raise UnusableError("its relaxation is not converged: run it again from its last crystal")
    _require_espresso(text, settings)
    try:
        images = list(read_espresso_out(StringIO(text), slice(None)))
    except Exception as error:  # a parser of lines: it raises whatever a damaged line leads to
        raise UnusableError(f"pw.out cannot be read ({type(error).__name__}): run it again") from error
    if not images:
        raise UnusableError("pw.out holds no finished step: run it again")
    last = images[-1]
    wall = re.search(r"PWSCF\s+:.*CPU\s+(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:([\d.]+)s)?\s+WALL", text)
    hours, minutes, seconds = (float(part or 0) for part in wall.groups()) if wall else (0.0, 0.0, 0.0)
    return {
        "theory": theory_of(name, settings),
        "start": Crystal.from_ase(images[0]).as_lists(),
        "crystal": Crystal.from_ase(last).as_lists(),
        "energy_ev": float(last.get_potential_energy()),
        "max_force_ev_per_ang": _largest(last.get_forces()),
        "n_steps": len(images),
        "seconds": 3600 * hours + 60 * minutes + seconds,
    }


def _require_espresso(text: str, settings: EspressoSettings) -> None:
    """Raise UnusableError if cutoffs or pseudopotentials are not the level's."""
    for words, wanted in (
        ("kinetic-energy cutoff", settings.ecut_ry),
        ("charge density cutoff", settings.ecut_density_ry),
    ):
        cutoff = re.search(rf"{words}\s*=\s*([\d.]+)\s*Ry", text)
        if cutoff is None or abs(float(cutoff[1]) - wanted) > 1e-3:
            raise UnusableError(f"its {words} is {cutoff[1] if cutoff else 'unknown'} Ry, the level's {wanted:g}")
    used = re.findall(
        r"PseudoPot\. #\s*\d+ for\s+(\w+)\s+read from file:\s*\S*\s+MD5 check sum:\s*([0-9a-f]{32})", text
    )
    if not used:
        raise UnusableError("pw.out names no pseudopotentials: run it by pw.x 6 or later")
    for element, digest in used:
        known = settings.pseudopotentials.get(element)
        if known is None or known.md5 != digest:
            raise UnusableError(f"its pseudopotential of {element} is not the level's: use the folder pseudo")


def _read_gpaw(path: Path, name: str, settings: Settings) -> dict[str, Any]:
    assert isinstance(settings, GpawSettings)
    try:
        row = json.loads(read_limited(path, MOST_BYTES["gpaw"]))
        start, crystal = Crystal.make(**row["start"]), Crystal.make(**row["crystal"])
        forces = np.asarray(row["forces_ev_per_ang"], dtype=np.float64)
        energy, reported = float(row["energy_ev"]), str(row["reported"])
        converged, n_steps, seconds = row["converged"] is True, int(row["n_steps"]), float(row["seconds"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableError("result.json is not as relax_by_gpaw.py writes it: remove it and run again") from error
    if not converged:
        raise UnusableError("its relaxation is not converged: remove result.json and run on with more steps")
    if forces.shape != (len(crystal), 3):
        raise UnusableError("result.json has forces of another number of atoms: remove it and run again")
    try:
        theory = theory_of(name, settings, reported)
    except ValueError as error:
        raise UnusableError(str(error)) from error
    return {
        "theory": theory,
        "start": start.as_lists(),
        "crystal": crystal.as_lists(),
        "energy_ev": energy,
        "max_force_ev_per_ang": _largest(forces),
        "n_steps": n_steps,
        "seconds": max(seconds, 0.0),
    }


def _largest(forces: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(forces, axis=1).max())


_READERS: Mapping[Program, Callable[[Path, str, Settings], dict[str, Any]]] = {
    "vasp": _read_vasp,
    "espresso": _read_espresso,
    "gpaw": _read_gpaw,
}
