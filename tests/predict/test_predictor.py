"""Training for real, in child processes, on a made-up but learnable energy."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples.commanded import left
from samples.full_disk import filled
from samples.training import LEVEL, made_up_references

from gnome_lite.campaign.acquisition import BatchAcquisition
from gnome_lite.config import Expert, Predict, Selection
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import CheckpointError, DiskError, GnomeLiteError, SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, ModelRecord, Phase, Prediction, TrainingSet
from gnome_lite.pipeline import PredictionHistory, silent
from gnome_lite.predict import checkpoint
from gnome_lite.predict.build import split
from gnome_lite.predict.predictor import EnsemblePredictor, train_base
from gnome_lite.predict.recipes import CPU_WIDTH, GPU_WIDTH
from gnome_lite.predict.train import in_training
from gnome_lite.stability.hull import build_hull

CONFIG = Predict(members=2, width=16, epochs=30, retrain_epochs=3, batch_size=16, volume_scan=3, processes=2)
EXPERT = Expert(steps=2)
SMALL = CONFIG.model_copy(update={"members": 1, "width": 8, "epochs": 1, "retrain_learning_rate": 1e-2})


@pytest.fixture(scope="module")
def references() -> PhaseSet:
    return made_up_references()


def known(references: PhaseSet) -> TrainingSet:
    return TrainingSet(references.crystals, references.e_form_ev_per_atom)


def halves(references: PhaseSet) -> tuple[TrainingSet, TrainingSet]:
    data = known(references)
    first = np.arange(len(data)) < len(data) // 2
    return data.take(first), data.take(~first)


@pytest.fixture(scope="module")
def shipped(references: PhaseSet, tmp_path_factory: pytest.TempPathFactory) -> ModelRecord:
    path = tmp_path_factory.mktemp("data") / f"base-{LEVEL}"
    return train_base(known(references), references.level, CONFIG, path, 0, silent, expert=EXPERT)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def predictor(shipped: ModelRecord, home: Path) -> EnsemblePredictor:
    return EnsemblePredictor(CONFIG, home, Path(shipped.path), LEVEL, expert=EXPERT)


def test_importing_the_room_is_light() -> None:
    code = "import sys, gnome_lite.predict, gnome_lite.predict.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_split_is_gnomes_and_goes_by_formula() -> None:
    # md5 modulo 100, of the formula: 6, 73, 95.
    assert in_training(["LiFePO4", "NaCl", "SiO2"]).tolist() == [True, True, False]
    assert in_training([]).tolist() == []
    share = in_training([f"Li{n}O{m}" for n in range(1, 60) for m in range(1, 60)]).mean()
    assert 0.83 < share < 0.87


def test_the_shipped_ensemble_learns_and_is_the_base(
    references: PhaseSet, predictor: EnsemblePredictor, shipped: ModelRecord
) -> None:
    e_form = references.e_form_ev_per_atom
    assert shipped.n_train + shipped.n_holdout == len(references)
    assert shipped.holdout_mae_ev_per_atom < 0.5 * np.abs(e_form - np.median(e_form)).mean()
    assert predictor.base(references, silent) == shipped
    predicted, spread = predictor.predict(shipped.id, references.crystals, silent)
    compounds = references.crystals.n_atoms > 1
    assert np.corrcoef(predicted[compounds], e_form[compounds])[0, 1] > 0.9
    assert (spread >= 0).all()
    candidates = [Candidate(str(i), crystal, "", "", "", 1) for i, crystal in enumerate(references.crystals)]
    by = BatchAcquisition(Selection(strategy="random"))
    ranked = predictor.rank(shipped.id, candidates, build_hull(references), PredictionHistory(), by, silent)
    said = {int(p.candidate_id): p for p in ranked}
    assert [p.e_form_ev_per_atom for p in said.values()] == predicted[list(said)].tolist()
    assert all(0 <= p.p_stable <= 1 for p in ranked)


def test_only_errors_that_the_model_in_force_still_makes_are_expected_again(
    references: PhaseSet, predictor: EnsemblePredictor, shipped: ModelRecord
) -> None:
    """Whichever model a crystal was predicted by; how sure the model in force is comes from what was said before."""
    some = references.crystals.take(references.crystals.n_atoms > 1).take(np.arange(50))
    now, _ = predictor.predict(shipped.id, some, silent)
    hull = build_hull(references)

    def history(off: float, verified: np.ndarray, model_id: str) -> PredictionHistory:
        said = tuple(Prediction("", float(e) - off, 0.0, 0.0, 0.5, model_id) for e in verified)
        return PredictionHistory(some, said, verified)

    learnt, still_wrong = history(0.2, now, "gnn-before"), history(0.0, now, "gnn-before")
    still_wrong = replace(still_wrong, verified_ev_per_atom=now + 0.2)
    assert predictor.residual_gp(shipped.id, learnt)(some.counts) == pytest.approx(0.0, abs=1e-6)
    for known in (still_wrong, history(0.2, now + 0.2, shipped.id)):
        assert predictor.residual_gp(shipped.id, known)(some.counts) == pytest.approx(0.2, abs=0.1)
    errors = [predictor.error_model(shipped.id, hull, known) for known in (PredictionHistory(), learnt)]
    assert errors[1].bias_ev_per_atom > errors[0].bias_ev_per_atom


def test_retraining_is_idempotent_and_keeps_the_hold_out(
    references: PhaseSet, predictor: EnsemblePredictor, shipped: ModelRecord, tmp_path: Path
) -> None:
    old, new = halves(references)
    told: list[int] = []
    first = predictor.retrain(shipped, old, new, 7, lambda stage, done, total, note: told.append(done))
    assert told == sorted(told)
    assert told[-1] == CONFIG.members * CONFIG.retrain_epochs
    assert first.id != shipped.id
    assert first.n_holdout == shipped.n_holdout
    assert predictor.retrain(shipped, old, new, 7, silent) == first
    # Trained anew elsewhere, one member at a time: the same weights.
    one_by_one = CONFIG.model_copy(update={"processes": 1})
    elsewhere = EnsemblePredictor(one_by_one, tmp_path, Path(shipped.path), LEVEL, expert=EXPERT)
    assert replace(elsewhere.retrain(shipped, old, new, 7, silent), path="") == replace(first, path="")


def test_what_is_new_can_be_learnt_with_a_few_of_the_known_and_from_the_last_weights(
    references: PhaseSet, shipped: ModelRecord, tmp_path: Path
) -> None:
    old, new = halves(references)
    few = CONFIG.model_copy(update={"replay_buffer": 40, "retrain_epochs": 1})
    predictor = EnsemblePredictor(few, tmp_path / "few", Path(shipped.path), LEVEL, expert=EXPERT)
    first = predictor.retrain(shipped, old, new, 7, silent)
    n_new = len(split(new)[0])
    assert n_new + 0.6 * 40 < first.n_train <= n_new + 40 < len(split(old)[0]) + n_new
    # On from there: other weights, the same hold-out, the same base.
    second = predictor.retrain(first, old, new, 8, silent)
    assert second.id not in (first.id, shipped.id)
    assert second.n_holdout == shipped.n_holdout
    assert {checkpoint.read_card(Path(m.path)).base_id for m in (first, second)} == {shipped.id}
    again = predictor.retrain(shipped, old, new, 8, silent)
    assert again.id != second.id


def test_with_unrelaxed_inputs_the_hold_out_is_of_them(references: PhaseSet, tmp_path: Path) -> None:
    data = known(references)
    compounds = data.take(data.crystals.n_atoms > 1)
    inputs = TrainingSet(compounds.crystals.scaled(np.full(len(compounds), 1.1)), compounds.e_form_ev_per_atom)
    config = SMALL.model_copy(update={"epochs": 2})
    record = train_base(data, LEVEL, config, tmp_path / "base", 0, silent, inputs, EXPERT)
    read = checkpoint.read(tmp_path / "base")
    assert read.card.holdout_unrelaxed
    assert read.holdout is not None
    expected = split(inputs)[1].crystals
    assert record.n_holdout == len(expected)
    np.testing.assert_allclose(read.holdout.crystals.lattices, expected.lattices, rtol=1e-6)
    assert record.n_train == len(split(data)[0]) + len(split(inputs)[0])
    # A campaign that has to train its own base does the same.
    mine = EnsemblePredictor(config, tmp_path / "models", None, LEVEL, lambda: inputs, expert=EXPERT).base(
        references, silent
    )
    assert mine.n_holdout == record.n_holdout


def test_another_architecture_is_trained_once_and_again_when_damaged(
    references: PhaseSet, shipped: ModelRecord, tmp_path: Path
) -> None:
    small = EnsemblePredictor(SMALL, tmp_path, Path(shipped.path), LEVEL, expert=EXPERT)
    base = small.base(references, silent)
    assert base.id != shipped.id
    told: list[str] = []
    again = EnsemblePredictor(SMALL, tmp_path, None, LEVEL, expert=EXPERT).base(
        references, lambda *news: told.append(news[0])
    )
    assert (again, told) == (base, [])  # neither a restart nor a second campaign trains it again
    assert [path.name for path in tmp_path.iterdir()] == [base.id]  # no scratch is left
    worse = TrainingSet(references.crystals, references.e_form_ev_per_atom + 3.0)
    assert not small.retrain(base, worse, worse, 1, silent).promoted

    file = Path(base.path) / "member-00.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="member-00"):
        EnsemblePredictor(SMALL, tmp_path, None, LEVEL, expert=EXPERT).predict(base.id, references.crystals, silent)
    assert small.base(references, silent) == base
    checkpoint.read(Path(base.path))


def test_the_width_goes_by_the_device_unless_given(
    references: PhaseSet, shipped: ModelRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The children train where they can; only the choice of the width is told that there is a GPU."""
    import torch

    config = CONFIG.model_copy(update={"members": 1, "width": None, "epochs": 1, "retrain_epochs": 1})

    def base(home: str, config: Predict = config, models: Path | None = None) -> tuple[EnsemblePredictor, ModelRecord]:
        predictor = EnsemblePredictor(config, tmp_path / home, models, LEVEL, expert=EXPERT)
        return predictor, predictor.base(references, silent)

    def width(model: ModelRecord) -> int:
        return checkpoint.read_card(Path(model.path)).architecture.width

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    on_gpu = base("gpu")[1]
    assert width(on_gpu) == GPU_WIDTH
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert width(base("cpu")[1]) == CPU_WIDTH
    # A campaign moved here keeps its base, and what it learns keeps the width; so does what is shipped.
    moved, same = base("gpu")
    assert same == on_gpu
    assert width(moved.retrain(same, known(references), known(references), 1, silent)) == GPU_WIDTH
    as_shipped = CONFIG.model_copy(update={"width": None})
    assert base("shipped", as_shipped, Path(shipped.path))[1] == shipped


def test_an_unknown_model_is_named(predictor: EnsemblePredictor) -> None:
    with pytest.raises(CheckpointError, match="gnn-0123456789abcdef"):
        predictor.predict("gnn-0123456789abcdef", CrystalBatch.empty(), silent)


def test_labels_that_are_no_physics_and_held_out_formulas_are_not_trained_on(references: PhaseSet) -> None:
    e_form = references.e_form_ev_per_atom.copy()
    e_form[:3] = [np.nan, np.inf, -40.0]
    training, held = split(TrainingSet(references.crystals, e_form))
    assert len(training) + len(held) == len(references) - 3
    assert not set(training.crystals.reduced_formulas()) & set(held.crystals.reduced_formulas())


def test_nothing_to_train_on_is_said(tmp_path: Path) -> None:
    lonely = Crystal.make([3], [[0, 0, 0]], np.eye(3) * 9)
    entry = Phase("a", lonely, 0.0, LEVEL, "made up", "CC0")
    with pytest.raises(SourceError, match="can be trained on"):
        EnsemblePredictor(CONFIG, tmp_path, None, LEVEL, expert=EXPERT).base(PhaseSet.make([entry]), silent)


def test_divergence_is_one_line_and_leaves_nothing(references: PhaseSet, tmp_path: Path) -> None:
    wild = SMALL.model_copy(update={"learning_rate": 1e30, "epochs": 2})
    with pytest.raises(GnomeLiteError, match=r"lower predict\.learning_rate"):
        EnsemblePredictor(wild, tmp_path, None, LEVEL, expert=EXPERT).base(references, silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("left_bytes", [4096, 240_000])
def test_on_a_full_disk_training_stops_in_one_line_and_goes_on_with_space(
    left_bytes: int, references: PhaseSet, small_disk: Path
) -> None:
    """Where there is no room for the data, and where there is, but for a member's state."""
    predictor = EnsemblePredictor(SMALL, small_disk, None, LEVEL, expert=EXPERT)
    epochs: list[int] = []
    with filled(small_disk, left_bytes), pytest.raises(DiskError, match=r"No space left on device\): free some space"):
        predictor.base(references, silent)
    assert not list(small_disk.glob("gnn-*"))
    made = predictor.base(references, lambda stage, done, total, note: epochs.append(done))
    assert [path.name for path in small_disk.iterdir()] == [made.id]
    assert epochs[-1] == SMALL.epochs * SMALL.members


@pytest.mark.slow
def test_one_recipe_is_trained_once_by_two_processes_from_where_a_killed_one_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "samples.training", str(tmp_path), "6"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    killed = start()
    assert killed.stdout is not None
    epoch = int(killed.stdout.readline().split()[1])
    children = [p for p in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent_of(p) == killed.pid]
    killed.kill()
    killed.wait()
    assert children
    assert left(children) == []
    said = [process.communicate(timeout=300)[0].split("\n") for process in [start(), start()]]
    assert said[0][-2].startswith("model gnn-")
    assert said[0][-2] == said[1][-2]
    waited, trained = sorted(said, key=len)
    assert len(waited) == 2
    assert int(trained[0].split()[1]) >= epoch
    assert trained[-3] == "epoch 6"
    assert [path.name for path in tmp_path.iterdir()] == [said[0][-2].split()[1]]


def _parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


@pytest.mark.soak
def test_learns_real_formation_energies(dft_data: Path, tmp_path: Path) -> None:
    """1,200 Materials Project crystals of <= 6 atoms: far below the mean absolute deviation (about 0.6 eV/atom)."""
    import pandas as pd
    from pymatgen.core import Structure

    table = pd.read_csv(dft_data / "mp20_val.csv.gz")
    crystals: list[Crystal] = []
    labels: list[float] = []
    for cif, e_form in zip(table["cif"], table["formation_energy_per_atom"], strict=True):
        if len(crystals) == 1200:
            break
        if cif.count("\n") < 36:
            crystals.append(Crystal.from_pymatgen(Structure.from_str(cif, fmt="cif")))
            labels.append(float(e_form))
    batch = CrystalBatch.from_crystals(crystals)
    elements = [Crystal.make([z], [[0, 0, 0]], np.eye(3) * 2.9) for z in np.unique(batch.numbers)]
    entries = [
        Phase(f"{i:05d}", c, e * len(c), LEVEL, "MP", "CC BY 4.0")
        for i, (c, e) in enumerate(zip([*crystals, *elements], [*labels, *[0.0] * len(elements)], strict=True))
        if len(np.unique(c.numbers)) > 1 or i >= len(crystals)
    ]
    config = Predict(members=2, epochs=20)
    references = PhaseSet.make(entries)
    record = train_base(known(references), references.level, config, tmp_path / "model", 0, silent)
    assert record.holdout_mae_ev_per_atom < 0.2
