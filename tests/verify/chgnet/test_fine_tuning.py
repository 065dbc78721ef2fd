from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import CalculatorError, SourceError
from gnome_lite.verify.calculators import level_of, make_calculator
from gnome_lite.verify.chgnet.calculator import load_model
from gnome_lite.verify.chgnet.fine_tuning import errors, finetune, shift_elements, split
from gnome_lite.verify.chgnet.weights import load_tuned, save_tuned
from gnome_lite.verify.trajectories import Frame

HALIDES = [(cation, anion) for cation in ("Li", "Na", "K", "Rb") for anion in ("F", "Cl", "Br", "I")]


def halide(cation: str, anion: str, seed: int) -> Crystal:
    size = {"Li": 0.0, "Na": 0.5, "K": 1.2, "Rb": 1.5, "F": 4.1, "Cl": 5.1, "Br": 5.5, "I": 6.0}
    atoms = bulk(cation + anion, "rocksalt", a=size[cation] + size[anion])
    atoms.rattle(0.15, seed=seed)
    atoms.set_cell(atoms.cell.array * (1 + 0.02 * (seed % 3 - 1)), scale_atoms=True)
    return Crystal.from_ase(atoms)


def labelled(calculator: str, per_formula: int, level: str = "labels") -> list[Frame]:
    made = make_calculator(calculator)
    frames = []
    for k, (cation, anion) in enumerate(HALIDES):
        for seed in range(per_formula):
            atoms = halide(cation, anion, 10 * k + seed).to_ase()
            atoms.calc = made
            energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
            frames.append(Frame(Crystal.from_ase(atoms), energy, forces, stress, level))
    return frames


def test_errors_of_a_model_on_its_own_labels_are_nil() -> None:
    found = errors(load_model("0.3.0"), labelled("chgnet", 1)[:4])
    assert found.energy_ev_per_atom < 1e-5
    assert found.force_ev_per_ang < 1e-4
    assert found.stress_ev_per_ang3 < 1e-5


def test_a_formula_stands_on_one_side_only() -> None:
    frames = labelled("lj", 2)
    parts = split(frames)
    formulas = [{f.crystal.reduced_formula for f in part} for part in parts]
    assert sum(map(len, parts)) == len(frames)
    assert len(set.union(*formulas)) == sum(map(len, formulas))
    assert formulas[2], "of few formulas one is held out all the same"
    assert [f.crystal.content_id for f in split(frames[::-1])[2]] == [f.crystal.content_id for f in parts[2]][::-1]
    with pytest.raises(SourceError, match="too few to train on"):
        split(frames[:2])


def test_mixed_levels_are_refused(tmp_path: Path) -> None:
    frames = labelled("lj", 1, "a") + labelled("lj", 1, "b")
    with pytest.raises(SourceError, match="levels a, b"):
        finetune(frames, tmp_path / "x.safetensors")


def test_elements_are_shifted_by_what_was_added_to_them() -> None:
    """Labels of CHGNet itself plus a known energy per atom of each element: the shift takes it back."""
    added = {3: 2.0, 11: -1.0, 19: 0.5, 37: 0.1, 9: 4.0, 17: -3.0, 35: 1.0, 53: 0.0}
    frames = []
    for frame in labelled("chgnet", 1):
        energy = frame.energy_ev + sum(added[int(z)] for z in frame.crystal.numbers)
        frames.append(Frame(frame.crystal, energy, frame.forces, frame.stress))
    model = load_model("0.3.0")
    assert errors(model, frames).energy_ev_per_atom > 0.5
    shift_elements(model, frames)
    assert errors(model, frames).energy_ev_per_atom < 2e-3


def test_weights_are_read_as_written_and_damage_is_refused(tmp_path: Path) -> None:
    model, path = load_model("0.3.0"), tmp_path / "tuned.safetensors"
    save_tuned(path, model, "0.3.0", {"labels": "x"})
    again = load_tuned(path).state_dict()
    assert all((again[name] == tensor).all() for name, tensor in model.state_dict().items())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CalculatorError, match="is damaged"):
        load_tuned(path)
    path.write_bytes(b"no weights at all")
    with pytest.raises(CalculatorError, match="is damaged"):
        make_calculator("chgnet", {"checkpoint": str(path)})
    save_tuned(path, model, "9.9", {})
    with pytest.raises(CalculatorError, match="fine-tune it again"):
        load_tuned(path)
    with pytest.raises(CalculatorError, match=r"choose from 0\.2\.0, 0\.3\.0, r2scan"):
        make_calculator("chgnet", {"checkpoint": "nothing"})


@pytest.mark.slow
def test_fine_tuning_learns_another_functional(tmp_path: Path) -> None:
    """From PBE to r2SCAN labels: held-out formulas are met better, and the file is a calculator of its own level."""
    frames = labelled("chgnet-r2scan", 5, "chgnet-r2scan-8eba3db0")
    tuned = finetune(frames, tmp_path / "tuned.safetensors", epochs=6)
    assert tuned.n_train + tuned.n_validation + tuned.n_holdout == len(frames)
    assert tuned.labels == "chgnet-r2scan-8eba3db0"
    assert tuned.before.energy_ev_per_atom > 1.0, "another functional has another zero"
    assert tuned.shifted.energy_ev_per_atom < 0.1 * tuned.before.energy_ev_per_atom
    assert tuned.after.force_ev_per_ang < 0.8 * tuned.before.force_ev_per_ang
    assert tuned.after.energy_ev_per_atom < 0.1 * tuned.before.energy_ev_per_atom
    kwargs = {"checkpoint": tuned.path}
    assert level_of("chgnet", kwargs) == tuned.level
    held = split(frames)[2]
    calculator = make_calculator("chgnet", kwargs)
    missed = []
    for frame in held:
        atoms = frame.crystal.to_ase()
        atoms.calc = calculator
        missed.append(abs(atoms.get_potential_energy() - frame.energy_ev) / len(atoms))
    assert np.mean(missed) == pytest.approx(tuned.after.energy_ev_per_atom, abs=1e-4)


@pytest.mark.slow
def test_energies_alone_are_enough(tmp_path: Path) -> None:
    """Single points of higher levels have no forces: only energies are trained on, and nothing becomes NaN."""
    nan = np.nan
    frames = [
        Frame(f.crystal, f.energy_ev, np.full_like(f.forces, nan), np.full((3, 3), nan))
        for f in labelled("chgnet-r2scan", 2)
    ]
    tuned = finetune(frames, tmp_path / "tuned.safetensors", epochs=3)
    assert math.isnan(tuned.after.force_ev_per_ang)
    assert tuned.after.energy_ev_per_atom < 0.1 * tuned.before.energy_ev_per_atom
