"""The levels of DFT that crystals are handed out for: program, functional, settings, and the name of the level.

A name such as "vasp-mp" is what a person writes; its level of theory is what the store holds. Both follow from this
table and the settings of the manifest, never from what a program's output calls itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gnome_lite.core.errors import ConfigError

DftName = Literal["vasp-mp", "vasp-r2scan", "vasp-matpes", "qe", "gpaw"]
Program = Literal["vasp", "espresso", "gpaw"]

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,99}$")]
"""Name of a file in a folder of ours: no path, nothing hidden, nothing that a shell obeys."""
Density = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class Settings(BaseModel):
    """Settings of a program that belong to the level; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VaspSettings(Settings):
    """None: pymatgen's input sets fix them all."""


class Pseudopotential(Settings):
    """One UPF file."""

    file: FileName
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class EspressoSettings(Settings):
    """Settings of Quantum ESPRESSO's pw.x; cutoffs in Ry, k-points per 1/Å, forces in eV/Å.

    Attributes:
        pseudopotentials: of every element that the folder of pseudopotentials has, by symbol.
    """

    ecut_ry: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 90.0
    ecut_density_ry: Annotated[float, Field(gt=0, le=10000, allow_inf_nan=False)] = 720.0
    kpoint_density: Density = 3.5
    fmax_ev_per_ang: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.05
    pseudopotentials: dict[str, Pseudopotential] = {}


class GpawSettings(Settings):
    """Settings of GPAW, as those of the calculator "gpaw"; `single_point` relaxes nothing."""

    ecut_ev: Annotated[float, Field(gt=0, le=10000, allow_inf_nan=False)] = 800.0
    kpoint_density: Density = 3.5
    fmax_ev_per_ang: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.05
    max_steps: Annotated[int, Field(ge=1, le=10000)] = 200
    single_point: bool = False

    @property
    def calculator_kwargs(self) -> dict[str, float]:
        """Arguments of the calculator that are not its defaults: a hash of them is part of the level."""
        return {k: v for k, v in self.model_dump(exclude_defaults=True).items() if k in ("ecut_ev", "kpoint_density")}


class DftLevel(NamedTuple):
    """One level of DFT.

    Attributes:
        title: functional and corrections, for people.
        theory: level of theory; "" where it depends on settings.
        answer: file of a folder that holds its result.
        input_set: class of `pymatgen.io.vasp.sets`.
    """

    program: Program
    title: str
    settings: type[Settings]
    answer: str
    theory: str = ""
    input_set: str = ""


DFT_LEVELS: Mapping[str, DftLevel] = {
    # The level of the Materials Project's own phases: these can be its hull.
    "vasp-mp": DftLevel(
        "vasp", "PBE and PBE+U, MP2020 corrections", VaspSettings, "vasprun.xml", "mp-GGA_GGA+U-MP2020", "MPRelaxSet"
    ),
    "vasp-r2scan": DftLevel("vasp", "r2SCAN", VaspSettings, "vasprun.xml", "mp-r2SCAN", "MPScanRelaxSet"),
    "vasp-matpes": DftLevel(
        "vasp", "PBE of MatPES, not relaxed", VaspSettings, "vasprun.xml", "matpes-PBE-single-point", "MatPESStaticSet"
    ),
    "qe": DftLevel("espresso", "PBE, no corrections", EspressoSettings, "pw.out"),
    "gpaw": DftLevel("gpaw", "PBE, no corrections", GpawSettings, "result.json"),
}


def dft_level(name: str) -> DftLevel:
    """Return a level by its name.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in DFT_LEVELS:
        raise ConfigError(f"no DFT level {name!r}: choose from {', '.join(get_args(DftName))}")
    return DFT_LEVELS[name]


def make_settings(name: str, given: Mapping[str, Any]) -> Settings:
    """Return checked settings of a level.

    Raises:
        ConfigError: naming the setting that is unknown or not allowed.
    """
    kind = dft_level(name).settings
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        allowed = ", ".join(kind.model_fields) or "none"
        wrong = f"allowed are {allowed}" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"level {name}: setting {where!r}: {wrong}") from error


def theory_of(name: str, settings: Settings, reported: str = "") -> str:
    """Return the level of theory of results, as the store holds it.

    Args:
        name: a key of DFT_LEVELS.
        settings: those of the manifest.
        reported: for GPAW, what a run says of itself: version, settings and the hash of its datasets.

    Raises:
        ValueError: if a run reports other settings than those asked for.
    """
    if isinstance(settings, GpawSettings):
        if not re.fullmatch(_gpaw_pattern(settings), reported):
            raise ValueError(f"it was run at {reported[:60]!r}, not with the settings of the manifest: run it anew")
        return reported + _gpaw_end(settings)
    return asked_theory(name, settings)


def asked_theory(name: str, settings: Settings) -> str:
    """Return the level under which crystals are booked as asked for: that of results, for GPAW less its version."""
    if isinstance(settings, GpawSettings):
        return f"gpaw-{_gpaw_label(settings)}{_gpaw_end(settings)}"
    if isinstance(settings, EspressoSettings):
        table = {element: p.md5 for element, p in settings.pseudopotentials.items()}
        digest = sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:8]
        cutoffs = f"PW{settings.ecut_ry:g}-{settings.ecut_density_ry:g}Ry"
        return f"qe-PBE-{cutoffs}-K{settings.kpoint_density:g}-{digest}"
    return dft_level(name).theory


def is_theory(level: str, name: str, settings: Settings) -> bool:
    """Return whether a level of the store is that of results with these settings."""
    if isinstance(settings, GpawSettings):
        return re.fullmatch(_gpaw_pattern(settings) + re.escape(_gpaw_end(settings)), level) is not None
    return level == asked_theory(name, settings)


def _gpaw_label(settings: GpawSettings) -> str:
    return f"PBE-PW{settings.ecut_ev:g}-K{settings.kpoint_density:g}"


def _gpaw_pattern(settings: GpawSettings) -> str:
    return rf"gpaw-[0-9][0-9A-Za-z.+]{{0,20}}-{re.escape(_gpaw_label(settings))}-[0-9a-f]{{8}}"


def _gpaw_end(settings: GpawSettings) -> str:
    """Return what `calculators.level_of` and `ProcessVerifier` put behind: a hash of the arguments, "-single-point"."""
    kwargs = settings.calculator_kwargs
    digest = sha256(json.dumps(kwargs, sort_keys=True).encode()).hexdigest()[:8]
    return (f"-{digest}" if kwargs else "") + "-single-point" * settings.single_point
