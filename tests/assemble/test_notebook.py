"""What a notebook calls: `import gnome_lite as gl`, nothing deeper."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.core import Lattice
from samples.groups import from_spacegroup

import gnome_lite as gl
from gnome_lite.core.errors import ConfigError, MissingReferenceError

SALT = from_spacegroup("Fm-3m", Lattice.cubic(5.7), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_one_import_names_everything_and_costs_nothing() -> None:
    assert set(gl.__all__) == set(dir(gl))
    for name in gl.__all__:
        assert getattr(gl, name) is not None
    code = (
        "import sys, gnome_lite; sys.exit(any(m in sys.modules for m in ('torch', 'pymatgen', 'sqlalchemy', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_predict_stays_the_function_beside_the_room_of_its_name() -> None:
    from gnome_lite.predict import checkpoint

    assert callable(gl.predict)
    assert checkpoint.__name__ == "gnome_lite.predict.checkpoint"


def test_predict_takes_pymatgen_ase_and_crystals(tmp_path: Path) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.7)
    rows = gl.predict([SALT, atoms, gl.Crystal.from_ase(atoms)], home=tmp_path)
    assert [row.formula for row in rows] == ["NaCl"] * 3
    energies = [row.e_form_ev_per_atom for row in rows]
    assert energies[0] == pytest.approx(-2.0, abs=0.2)
    assert energies[1:] == pytest.approx([energies[0]] * 2, abs=1e-4)
    assert all(0 <= (row.p_stable or 0) <= 1 for row in rows)
    (system,) = {(row.n_reported, row.n_hypothetical) for row in rows}
    assert system[0] >= 1, "rock salt at least"
    assert system[1] > system[0]
    (strange,) = gl.predict(bulk("OgO", "rocksalt", a=4.9), home=tmp_path)
    assert strange.e_above_hull_ev_per_atom is None
    assert "Og" in strange.note
    with pytest.raises(ConfigError, match="str is no structure"):
        gl.predict(["NaCl.cif"], home=tmp_path)  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="no ensemble of level 'pbe'"):
        gl.predict(SALT, level="pbe", home=tmp_path)


def test_relax_gives_one_outcome_a_structure_in_their_order(tmp_path: Path) -> None:
    stretched = bulk("Cu") * (1, 1, 1)
    stretched.set_cell(stretched.cell * 1.03, scale_atoms=True)
    twice = gl.relax([stretched, bulk("Au"), stretched], level="emt", home=tmp_path, processes=1)
    assert [v.crystal.reduced_formula for v in twice] == ["Cu", "Au", "Cu"]
    assert all(v.ok and v.level == "emt" for v in twice)
    assert twice[0].crystal.volume < gl.Crystal.from_ase(stretched).volume
    assert twice[0] is twice[2]


def test_hull_of_a_system_is_that_of_the_bundled_references(tmp_path: Path) -> None:
    system = gl.hull("Na-Cl", home=tmp_path)
    assert system.elements == ("Na", "Cl")
    assert "NaCl" in {f for f, on in zip(system.formulas, system.on_hull, strict=True) if on}
    assert (np.asarray(system.e_above_hull_ev_per_atom) >= 0).all()
    with pytest.raises(ConfigError, match="no elements"):
        gl.hull("-", home=tmp_path)
    with pytest.raises(MissingReferenceError):
        gl.hull("Na-Og", home=tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("small_world")
def test_run_and_query(tmp_path: Path) -> None:
    from samples.killed import TINY

    config = TINY.model_copy(update={"rounds": 1, "predict": TINY.predict.model_copy(update={"retrain": "never"})})
    (report,) = gl.run(config, home=tmp_path)
    assert report.verified == 5
    found = gl.open_store(tmp_path).query(campaign="tiny")
    assert len(found) == len(found.structures()) == len(found.atoms()) == len(found.to_pandas())
    assert all(math.isfinite(c.e_above_hull_ev_per_atom or 0.0) for c in found)
    assert {c.id for c in gl.open_store(tmp_path).query(gl.Query(campaign="tiny"))} == {c.id for c in found}
