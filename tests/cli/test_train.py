"""`train` as a user calls it: a small ensemble from a table of labels, its figures, and errors in one line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from cli.conftest import Call
from cli.test_bad_input import one_line
from pymatgen.io.cif import CifWriter

from gnome_lite.assemble import load_references
from gnome_lite.predict import checkpoint
from gnome_lite.sources.labelled import read_labelled

SMALL = "[predict]\nmembers = 2\nwidth = 8\nepochs = 2\nprocesses = 1\n"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    references = load_references()
    path = tmp_path / "labels.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["cif", "formation_energy_per_atom"])
        for i in np.linspace(0, len(references) - 1, 40).astype(int).tolist():
            structure = references.crystals[i].to_pymatgen()
            writer.writerow([str(CifWriter(structure)), references.e_form_ev_per_atom[i]])
    return path


def test_an_ensemble_of_ones_own(call: Call, tmp_path: Path, labels: Path) -> None:
    campaign, out = tmp_path / "small.toml", tmp_path / "mine"
    campaign.write_text(SMALL)
    arguments = "--pretrain", "--labels", labels, "--level", "mine-1", "--campaign", campaign
    said = call("train", out, *arguments, "--without", "O-Fe-P-Li-Si-Na-Ca-Mg-Al-F-S")
    assert said.code == 0, said
    made = checkpoint.read(out)
    left_out = set(made.card.without)
    assert len(left_out) == 11
    all_of = [set(c.chemical_system.split("-")) for c in read_labelled(labels).crystals]
    kept = [elements for elements in all_of if len(elements) < 3 or not elements <= left_out]
    assert made.card.n_train + made.card.n_holdout == len(kept) < len(all_of)
    assert said.out.startswith(f"model {made.card.id}: {made.card.n_train} trained on, ")
    assert (made.card.level, made.card.members) == ("mine-1", 2)
    assert len(made.history) == 2
    assert all(len(member) == 2 for member in made.history)
    for name in ("history.png", "parity.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob(".training-*"))


def test_bad_input(call: Call, tmp_path: Path, labels: Path) -> None:
    one_line(call("train", tmp_path / "x"), "say --pretrain")
    one_line(call("train", tmp_path / "x", "--pretrain", "--labels", labels), "--labels needs --level")
    one_line(call("train", tmp_path / "x", "--pretrain", "--labels", "none.csv", "--level", "m"), "none.csv")
    one_line(call("predict", labels, "--level", "m"), "labels.csv")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--delta",), "name both"),
        (("--delta", "--labels", "x.csv"), "name both"),
        (("--delta", "--labels", "x.csv", "--level", "dft"), "x.csv"),
        (("--pretrain", "--without", "Fe-Qq"), "Qq"),
    ],
)
def test_a_delta_model_that_cannot_be_trained_is_one_line(call: Call, arguments: tuple[str, ...], said: str) -> None:
    result = call("train", *arguments)
    one_line(result, said)


def test_a_delta_model_of_ones_own(call: Call, tmp_path: Path) -> None:
    """Labels are CHGNet's own formation energies: one number an element is all there is to learn."""
    from gnome_lite.predict import delta

    references = load_references().within(("Li", "Na", "K", "Mg", "F", "Cl", "O", "S"))
    compounds = np.flatnonzero((references.crystals.n_atoms <= 6) & ((references.counts > 0).sum(axis=1) > 1))
    small = compounds[np.linspace(0, len(compounds) - 1, 150).astype(int)].tolist()
    table, out = tmp_path / "labels.csv", tmp_path / "mine"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["cif", "formation_energy_per_atom"])
        for i in small:
            writer.writerow([str(CifWriter(references.crystals[i].to_pymatgen())), references.e_form_ev_per_atom[i]])
    said = call("train", out, "--delta", "--labels", table, "--level", "mine-1", "--without", "Li-F")
    assert said.code == 0, said
    card = delta.read(out).card
    assert said.out.startswith(f"model {card.id}: {card.n_train} trained on, ")
    assert (card.level, card.target, card.without) == ("chgnet-0.3.0", "mine-1", ("F", "Li"))
    assert card.n_train <= len(small)
    assert card.linear_mae_ev_per_atom < 0.003
