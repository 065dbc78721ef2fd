"""`generate` as a user calls it: files that other programs read, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import pytest
from cli.conftest import Call
from cli.test_bad_input import one_line

from gnome_lite.core.crystals import Crystal

PEROVSKITE = """data_SrTiO3
_cell_length_a 3.905
_cell_length_b 3.905
_cell_length_c 3.905
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Sr1 Sr 0 0 0 1
Ti1 Ti 0.5 0.5 0.5 {occupancy}
O1 O 0.5 0.5 0 1
O1 O 0.5 0 0.5 1
O1 O 0 0.5 0.5 1
"""


@pytest.fixture
def perovskite(tmp_path: Path) -> Path:
    path = tmp_path / "SrTiO3.cif"
    path.write_text(PEROVSKITE.format(occupancy=1))
    return path


def test_a_parent_of_ones_own_by_two_generators(call: Call, tmp_path: Path, perovskite: Path) -> None:
    out = tmp_path / "made.extxyz"
    mix, elements = "substitution=1,partial=1", "Sr,Ca,Ba,Ti,Zr,O"
    said = call("generate", out, "--parents", perovskite, "--mix", mix, "--elements", elements, "--count", "500")
    assert said.code == 0, said
    assert said.out == ""
    frames = ase.io.read(out, ":")
    assert f"{len(frames)} candidates of" in said.err
    formulas = {a.info["formula"] for a in frames}
    assert "BaTiO3" in formulas  # substitution
    assert formulas & {"SrCa(TiO3)2", "CaSr(TiO3)2", "SrCaTi2O6", "Sr2TiZrO6"}  # partial substitution
    assert {a.info["parent_id"] for a in frames} == {"SrTiO3"}
    assert {a.info["generator"] for a in frames} == {"substitution", "partial"}


def test_random_structures_of_one_formula_and_the_same_call_again(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "mgo.ndjson"
    arguments = ("generate", out, "--formula", "Mg2O2", "--mix", "random", "--count", "20")
    assert call(*arguments).code == 0
    text = out.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 20
    assert {line["formula"] for line in lines} == {"MgO"}
    assert {line["generator"] for line in lines} == {"random"}
    assert all(Crystal.make(**line["crystal"]).reduced_formula == "MgO" for line in lines)
    assert call(*arguments).code == 0
    assert out.read_text() == text
    other = call(*arguments[:-1], "30")
    one_line(other, "mgo.ndjson was begun with other count", "name another file")
    assert out.read_text() == text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mix", "foo=1"), ["generate.mix.foo", "'substitution'"]),
        (("--mix", ""), ["generate.mix: is empty", "substitution = 1.0"]),
        (("--mix", "substitution=many"), ["--mix", "is no share", "substitution=4"]),
        (("--mix", "partial=-1"), ["generate.mix.partial", "greater than 0"]),
        (("--elements", "Xx"), ["space.elements", "Xx", "use symbols"]),
        (("--formula", "Li1.5O"), ["'Li1.5O' is not a formula", "no whole number", "LiFePO4"]),
        (("--formula", "Xx2O"), ["'Xx2O' is not a formula", "LiFePO4"]),
        (("--campaign", "none.toml"), ["cannot read campaign none.toml"]),
        (("--parents", "none.cif"), ["none.cif"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_file(
    call: Call, tmp_path: Path, arguments: tuple[str, str], words: list[str]
) -> None:
    one_line(call("generate", tmp_path / "out.extxyz", *arguments), *words)
    assert not list(tmp_path.glob("out*"))


def test_a_file_of_no_known_kind(call: Call, tmp_path: Path) -> None:
    one_line(call("generate", tmp_path / "out.pdf", "--count", "1"), "out.pdf", ".extxyz")


def test_a_parent_with_partial_occupancy(call: Call, tmp_path: Path, perovskite: Path) -> None:
    perovskite.write_text(PEROVSKITE.format(occupancy=0.5))
    one_line(call("generate", tmp_path / "o.extxyz", "--parents", perovskite), "SrTiO3.cif", "disordered")


def test_a_formula_that_no_cell_within_the_limit_holds(call: Call, tmp_path: Path) -> None:
    said = call("generate", tmp_path / "o.extxyz", "--formula", "Li37O41", "--mix", "random")
    assert said.code == 2
    assert "error: no candidates of Li37O41: random: no space group admits it within the size limit" in said.err
    assert not list(tmp_path.glob("o.*"))
