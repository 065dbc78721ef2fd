"""Crystals asked for, run by the folder's own script with Debian's GPAW, and told: real DFT. Covers `relax_by_gpaw`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ase.build import bulk
from samples.asked import element, home_with

from gnome_lite.assemble.dft_folders import ask_for_dft, tell_dft
from gnome_lite.core.crystals import Crystal
from gnome_lite.settings import Settings
from gnome_lite.sources.elemental import elemental_candidates
from gnome_lite.verify.calculators import level_of

SMALL = {"ecut_ev": 340.0, "kpoint_density": 1.5}


@pytest.mark.dft
@pytest.mark.usefixtures("gpaw")
def test_asked_run_and_told(tmp_path: Path) -> None:
    """MgO and its elements at PBE: formed with -2.7 eV/atom (its value converged: -2.73), at `level_of`'s own level."""
    oxygen = next(e.crystal for e in elemental_candidates() if e.label == "A_mC4_12_i" and e.symbol == "O")
    magnesia = Crystal.from_ase(bulk("MgO", "rocksalt", a=4.20))
    elements = [element("mg", Crystal.from_ase(bulk("Mg"))), element("o", oxygen)]
    home_with(tmp_path / "home", elements, [magnesia])
    settings, out = Settings(home=tmp_path / "home"), tmp_path / "out"
    asked = ask_for_dft(out, "gpaw", 5, settings, arguments=SMALL | {"single_point": True})
    assert [m.formula for m in (*asked.candidates, *asked.competing)] == ["MgO", "Mg", "O2"]
    # One folder alone: told, and not judged, for the hull lacks both elements.
    subprocess.run(["sh", str(out / "run.sh"), asked.candidates[0].folder], check=True)
    told = tell_dft(out, settings)
    assert len(told.candidates) == 1
    assert len(told.open) == 2
    assert told.wrong[0].why.startswith("the hull of Mg-O lacks Mg, O")
    subprocess.run(["sh", str(out / "run.sh")], check=True)
    told = tell_dft(out, settings)
    assert (len(told.candidates), len(told.competing), told.open, told.wrong) == (0, 2, (), ())
    (verdict,) = told.verdicts
    assert verdict.level == level_of("gpaw", SMALL) + "-single-point"
    assert verdict.stable
    assert verdict.e_form_ev_per_atom == pytest.approx(-2.7, abs=0.15)
    assert not tell_dft(out, settings).verdicts
    # Relaxed: another level. With 340 eV the stresses are far from converged, and the cell shrinks (PBE's has 4.26 Å).
    relaxed = tmp_path / "relaxed"
    asked = ask_for_dft(relaxed, "gpaw", 5, settings, arguments=SMALL | {"fmax_ev_per_ang": 0.1})
    subprocess.run(["sh", str(relaxed / "run.sh"), asked.candidates[0].folder], check=True)
    (outcome,) = tell_dft(relaxed, settings).candidates
    assert outcome.level == level_of("gpaw", SMALL)
    assert outcome.n_steps > 0
    assert 3.4 < (4 * outcome.crystal.volume) ** (1 / 3) < 4.2
