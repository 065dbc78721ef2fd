"""`benchmark rediscover` given what it cannot use: one line, exit code 2, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli.conftest import Call

from gnome_lite.core.crystals import Crystal


def write(path: Path, **elements: float) -> Path:
    """One entry of each element, with its energy per atom."""
    crystals = {e: Crystal.make([z], [[0, 0, 0]], np.eye(3) * 3) for z, e in ((3, "Li"), (26, "Fe"), (8, "O"))}
    records = [
        {"entry_id": e, "energy": energy, "structure": crystals[e].to_pymatgen().as_dict()}
        for e, energy in elements.items()
    ]
    path.write_text(json.dumps(records))
    return path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--entries", "absent.json"], "there is no file absent.json: check the path"),
        (["--entries", "two.json"], "has entries of Fe-Li: give one chemical system of 3 to 6 elements"),
        (["--entries", "elements.json"], "no stable compound of three and more elements"),
        (["--entries", "elements.json", "--arms", "luck"], "no arm luck: choose from campaign, ion_exchange, random"),
        (["--entries", "elements.json", "--arms", ""], "no arm named"),
        (["--entries", "elements.json", "--parents", "a/x.csv", "--parents", "b/x.csv"], "have one name"),
        (["--entries", "elements.json", "--budget", "3", "--rounds", "5"], "give fewer rounds"),
        (["--entries", "elements.json", "--json", "nowhere/figures.json"], "cannot write nowhere/figures.json"),
        ([], "Missing option '--entries'"),
    ],
)
def test_bad_input_is_one_line(call: Call, tmp_path: Path, arguments: list[str], says: str) -> None:
    write(tmp_path / "elements.json", Li=-1.9, Fe=-8.3, O=-4.9)
    write(tmp_path / "two.json", Li=-1.9, Fe=-8.3)
    said = call("benchmark", "rediscover", *arguments, "--home", "new")
    assert said.code == 2
    assert says in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "new").exists()
