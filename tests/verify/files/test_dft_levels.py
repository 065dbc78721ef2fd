"""Names of DFT levels, their settings, and the levels of theory that these make."""

from __future__ import annotations

import pytest

from gnome_lite.core.errors import ConfigError
from gnome_lite.sources.materials_project import LEVEL
from gnome_lite.verify.files.dft_levels import (
    DFT_LEVELS,
    EspressoSettings,
    GpawSettings,
    VaspSettings,
    asked_theory,
    dft_level,
    is_theory,
    make_settings,
    theory_of,
)

SMALL = GpawSettings(ecut_ev=340.0, kpoint_density=1.5, single_point=True)
REPORTED = "gpaw-22.8.0-PBE-PW340-K1.5-0123abcd"


def test_levels_are_named_apart() -> None:
    theories = [asked_theory(name, level.settings()) for name, level in DFT_LEVELS.items()]
    assert len(set(theories)) == len(theories)
    # The Materials Project's own phases can be the hull of what is told.
    assert asked_theory("vasp-mp", VaspSettings()) == LEVEL
    assert theory_of("vasp-r2scan", VaspSettings()) == "mp-r2SCAN"


def test_unknown_levels_and_settings_are_refused() -> None:
    with pytest.raises(
        ConfigError, match="no DFT level 'vasp': choose from vasp-mp, vasp-r2scan, vasp-matpes, qe, gpaw"
    ):
        dft_level("vasp")
    with pytest.raises(ConfigError, match=r"setting 'ecut': allowed are ecut_ev, kpoint_density"):
        make_settings("gpaw", {"ecut": 500})
    with pytest.raises(ConfigError, match="setting 'ecut_ev'"):
        make_settings("gpaw", {"ecut_ev": float("inf")})
    with pytest.raises(ConfigError, match="setting 'ENCUT': allowed are none"):
        make_settings("vasp-mp", {"ENCUT": 300})
    pseudo = {"O": {"file": "../O.UPF", "md5": "0" * 32}}
    with pytest.raises(ConfigError, match=r"setting 'pseudopotentials\.O\.file'"):
        make_settings("qe", {"pseudopotentials": pseudo})


def test_a_gpaw_run_must_have_the_settings_asked_for() -> None:
    theory = theory_of("gpaw", SMALL, REPORTED)
    assert theory.startswith(REPORTED + "-")
    assert theory.endswith("-single-point")
    assert is_theory(theory, "gpaw", SMALL)
    assert not is_theory(theory, "gpaw", GpawSettings())
    assert not is_theory(asked_theory("gpaw", SMALL), "gpaw", SMALL)
    assert (
        theory_of("gpaw", GpawSettings(), "gpaw-25.1.0-PBE-PW800-K3.5-0123abcd")
        == "gpaw-25.1.0-PBE-PW800-K3.5-0123abcd"
    )
    for other in (
        "gpaw-22.8.0-PBE-PW500-K1.5-0123abcd",
        "chgnet-0.3.0",
        REPORTED + "x",
        "gpaw-22/8-PBE-PW340-K1.5-0123abcd",
    ):
        with pytest.raises(ValueError, match="not with the settings of the manifest"):
            theory_of("gpaw", SMALL, other)


def test_other_pseudopotentials_are_another_level() -> None:
    one, other = (
        EspressoSettings.model_validate({"pseudopotentials": {"O": {"file": "O.UPF", "md5": digit * 32}}})
        for digit in "12"
    )
    assert asked_theory("qe", one) != asked_theory("qe", other)
    assert is_theory(asked_theory("qe", one), "qe", one)
