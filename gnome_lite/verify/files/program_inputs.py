"""Input files of one crystal for VASP, Quantum ESPRESSO or GPAW, written into its folder.

VASP's come from pymatgen's input sets (magnetic moments, U values and k-points as the Materials Project has them),
pw.x's from ASE; GPAW's are a JSON file for `relax_by_gpaw.py`, which lies beside the folders.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from hashlib import md5
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gnome_lite.core.crystals import Crystal, atomic_number, symbol
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.limited import read_limited
from gnome_lite.verify import factories
from gnome_lite.verify.files import relax_by_gpaw
from gnome_lite.verify.files.dft_levels import EspressoSettings, GpawSettings, Settings, dft_level

MOST_UPF_BYTES = 50_000_000
RYDBERG_PER_BOHR_IN_EV_PER_ANG = 25.71104309541616
DEGAUSS_RY = 0.00367
"""0.05 eV, as GPAW's."""


class CannotAskError(ValueError):
    """A crystal that a program's inputs cannot be made for; the others can."""


def write_inputs(folder: Path, name: str, crystal: Crystal, settings: Settings) -> None:
    """Write the inputs of one crystal into an existing folder.

    Args:
        folder: folder of the crystal.
        name: name of the level, e.g. "vasp-mp".
        crystal: crystal to begin with.
        settings: settings of the level.

    Raises:
        CannotAskError: if the level has no potential for an element of the crystal.
    """
    _WRITERS[dft_level(name).program](folder, name, right_handed(crystal), settings)


def right_handed(crystal: Crystal) -> Crystal:
    """Return the crystal, or its mirror image where its lattice vectors are left-handed, which VASP refuses."""
    if np.linalg.det(crystal.lattice) > 0:
        return crystal
    return Crystal(crystal.numbers, crystal.frac_coords, -crystal.lattice)


def write_shared(out: Path, settings: Settings, pseudos: Path | None) -> None:
    """Write what all folders of a level share: GPAW's script, or the pseudopotentials.

    Raises:
        ConfigError: if a pseudopotential cannot be read any more.
    """
    if isinstance(settings, GpawSettings):
        place = out / "program"
        place.mkdir()
        for module in (relax_by_gpaw, factories):
            shutil.copyfile(str(module.__file__), place / Path(str(module.__file__)).name)
    if isinstance(settings, EspressoSettings) and pseudos is not None:
        place = out / "pseudo"
        place.mkdir()
        for one in settings.pseudopotentials.values():
            (place / one.file).write_bytes(_upf(pseudos / one.file))


def pseudopotentials_in(folder: Path) -> dict[str, dict[str, str]]:
    """Return the UPF files of a folder by element, with their MD5, which pw.x prints. Names begin with the element.

    Raises:
        ConfigError: if there are none, an element has two, or one cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder} of pseudopotentials: name one with a UPF file an element")
    table: dict[str, dict[str, str]] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() == ".upf"):
        element = path.name.replace("_", ".").replace("-", ".").split(".")[0].capitalize()
        try:
            atomic_number(element)
        except ValueError as error:
            raise ConfigError(
                f"{path} is of no element: a pseudopotential's name begins with it, as O.pbe.UPF"
            ) from error
        if element in table:
            raise ConfigError(f"{folder} has two pseudopotentials of {element}: keep the one of the level")
        table[element] = {"file": path.name, "md5": md5(_upf(path), usedforsecurity=False).hexdigest()}
    if not table:
        raise ConfigError(f"{folder} has no UPF file: name a folder with one an element, such as SSSP's")
    return table


def _upf(path: Path) -> bytes:
    try:
        return read_limited(path, MOST_UPF_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error


def _write_vasp(folder: Path, name: str, crystal: Crystal, settings: Settings) -> None:
    """Write INCAR, KPOINTS, POSCAR and POTCAR, or POTCAR.spec where this machine has no POTCARs."""
    from pymatgen.core import SETTINGS

    kind = getattr(import_module("pymatgen.io.vasp.sets"), dft_level(name).input_set)
    known = kind.CONFIG["POTCAR"]
    if lacking := sorted({symbol(z) for z in crystal.numbers} - known.keys()):
        raise CannotAskError(f"{name} has no POTCAR of {', '.join(lacking)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = kind(crystal.to_pymatgen())
        if SETTINGS.get("PMG_VASP_PSP_DIR"):
            try:
                made.write_input(folder, potcar_spec=False)
                return
            except (OSError, ValueError, KeyError):  # it has not all of them: job.sh puts them together
                pass
        made.write_input(folder, potcar_spec=True)
    spec = folder / "POTCAR.spec"
    spec.write_text(spec.read_text().rstrip("\n") + "\n")  # so that a shell reads the last line


def _write_espresso(folder: Path, name: str, crystal: Crystal, settings: Settings) -> None:
    from ase.calculators.calculator import kpts2sizeandoffsets
    from ase.io.espresso import write_espresso_in

    assert isinstance(settings, EspressoSettings)
    elements = sorted({symbol(z) for z in crystal.numbers})
    if lacking := [e for e in elements if e not in settings.pseudopotentials]:
        raise CannotAskError(f"there is no pseudopotential of {', '.join(lacking)}")
    atoms = crystal.to_ase()
    moments = _moments(crystal)
    if magnetic := bool(moments.any()):
        atoms.set_initial_magnetic_moments(moments)
    force = settings.fmax_ev_per_ang / RYDBERG_PER_BOHR_IN_EV_PER_ANG
    data: dict[str, dict[str, Any]] = {
        "control": {
            "calculation": "vc-relax", "prefix": "crystal", "pseudo_dir": "../pseudo", "outdir": "./scratch",
            "tprnfor": True, "tstress": True, "nstep": 200, "forc_conv_thr": force, "etot_conv_thr": 1e-5,
        },
        "system": {
            "ecutwfc": settings.ecut_ry, "ecutrho": settings.ecut_density_ry, "occupations": "smearing",
            "smearing": "gaussian", "degauss": DEGAUSS_RY, "nspin": 2 if magnetic else 1,
        },
        "electrons": {"conv_thr": 1e-8, "electron_maxstep": 200, "mixing_beta": 0.4},
        "ions": {"ion_dynamics": "bfgs"},
        "cell": {"cell_dynamics": "bfgs", "press_conv_thr": 0.5},
    }  # fmt: skip
    files = {e: settings.pseudopotentials[e].file for e in elements}
    with (folder / "pw.in").open("w", encoding="utf-8") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Without offset pw.x's grid holds Γ, whether its numbers are odd or even.
        grid = tuple(int(n) for n in kpts2sizeandoffsets(density=settings.kpoint_density, atoms=atoms)[0])
        write_espresso_in(file, atoms, input_data=data, pseudopotentials=files, kpts=grid, crystal_coordinates=True)


def _write_gpaw(folder: Path, name: str, crystal: Crystal, settings: Settings) -> None:
    """Write input.json; which elements have datasets, only the machine that runs it can tell."""
    plain = {**crystal.as_lists(), "settings": settings.model_dump()}
    (folder / "input.json").write_text(json.dumps(plain) + "\n", encoding="utf-8")


def _moments(crystal: Crystal) -> np.ndarray:
    """Return magnetic moments to begin with, as GPAW's: 3 for V to Ni and open 4f shells, 1 for pure oxygen, [n]."""
    alone = set(crystal.numbers.tolist()) == {8}
    return np.array([3.0 if int(z) in factories.MAGNETIC else 1.0 if alone else 0.0 for z in crystal.numbers])


_WRITERS: Mapping[str, Callable[[Path, str, Crystal, Settings], None]] = {
    "vasp": _write_vasp,
    "espresso": _write_espresso,
    "gpaw": _write_gpaw,
}
