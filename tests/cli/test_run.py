"""`run` and `predict` as a user calls them: processes, a real campaign, the bundled seed and ensemble.

Covers `run` and `predict`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from samples.killed import TINY

from gnome_lite.assemble import load_references, open_store
from gnome_lite.cli.template import campaign_toml
from gnome_lite.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PEROVSKITE = """data_SrTiO3
_cell_length_a 3.94
_cell_length_b 3.94
_cell_length_c 3.94
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Sr1 Sr 0 0 0
Ti1 Ti 0.5 0.5 0.5
O1 O 0.5 0.5 0
O2 O 0.5 0 0.5
O3 O 0 0.5 0.5
"""


def gnome_lite(home: Path, *arguments: str | Path, bundle: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "GNOME_LITE"))}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(home), "GNOME_LITE_HOME": str(home)}
    environment |= {} if bundle is None else {"GNOME_LITE_BUNDLED": str(bundle)}
    command = [sys.executable, "-m", "gnome_lite.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=560)


@pytest.mark.slow
def test_a_campaign_is_run_shown_and_not_run_again(tmp_path: Path, small_bundle: Path, migrated_prefect: Path) -> None:
    shutil.copytree(migrated_prefect, tmp_path / "prefect")
    path = tmp_path / "tiny.toml"
    path.write_text(campaign_toml(TINY.model_copy(update={"rounds": 1})), encoding="utf-8")
    first = gnome_lite(tmp_path, "run", path, bundle=small_bundle)
    assert first.returncode == 0, first.stderr
    for words in ("control hit rate", "surrogate-stable", "at level chgnet-0.3.0", "gnome-lite query --novel --stable"):
        assert words in first.stdout
    assert "verify    5/5" in first.stderr
    assert "Traceback" not in first.stderr
    assert "\x1b" not in first.stdout + first.stderr
    again = gnome_lite(tmp_path, "run", path, bundle=small_bundle)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert "verify" not in again.stderr
    assert len(open_store(Settings(home=tmp_path)).verifications("chgnet-0.3.0")) == 5
    found = json.loads(gnome_lite(tmp_path, "query", "--stable", "--novel", "--format", "json").stdout)
    assert f"Found {len(found)} surrogate-stable" in first.stdout
    other = path.read_text().replace("max_atoms = 4", "max_atoms = 5")
    path.write_text(other)
    refused = gnome_lite(tmp_path, "run", path, bundle=small_bundle)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("error: campaign 'tiny' began with generate.max_atoms = 4")


def test_predict_of_a_users_own_files_says_which_elements_it_does_not_know(tmp_path: Path) -> None:
    known, unknown, seldom = (tmp_path / f"{e}TiO3.cif" for e in ("Sr", "Cm", "Pu"))
    seldom.write_text(PEROVSKITE.replace("Sr1 Sr", "Pu1 Pu").replace("SrTiO3", "PuTiO3"))
    known.write_text(PEROVSKITE)
    unknown.write_text(PEROVSKITE.replace("Sr1 Sr", "Cm1 Cm").replace("SrTiO3", "CmTiO3"))
    done = gnome_lite(tmp_path, "predict", known, unknown, seldom, "--format", "json")
    assert done.returncode == 0, done.stderr
    row, other, rare = json.loads(done.stdout)
    assert row["formula"] == "SrTiO3"
    assert row["note"] == ""
    # DFT puts cubic SrTiO3 at -3.55 eV/atom; a network that has learnt anything is within half an eV.
    assert math.isclose(row["e_form_ev_per_atom"], -3.55, abs_tol=0.5)
    assert 0 <= row["spread_ev_per_atom"] < 0.5
    assert abs(row["e_above_hull_ev_per_atom"]) < 0.5
    assert load_references().id in done.stderr
    assert (other["formula"], other["note"]) == ("CmTiO3", "out of domain: trained on few compounds or none with Cm")
    assert other["e_form_ev_per_atom"] is None
    assert rare["note"] == "out of domain: trained on few compounds or none with Pu"
    assert (rare["e_form_ev_per_atom"] is None, rare["p_stable"]) == (False, None), "a number, but no promise"
