"""A checkpoint that is not exactly what was written never loads."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from samples.checkpoints import ARCHITECTURE, NORMALISATION, made, sign
from samples.measured import cheaply

from gnome_lite.core.errors import CheckpointError
from gnome_lite.core.records import TrainingSet
from gnome_lite.predict import checkpoint
from gnome_lite.predict.checkpoint import CARD, MANIFEST, model_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    checkpoint.write(made(), tmp_path / "model")
    return tmp_path / "model"


def test_what_is_read_is_what_was_written(path: Path) -> None:
    read, written = checkpoint.read(path), made()
    assert read.card == written.card == checkpoint.read_card(path)
    for a, b in zip(read.weights, written.weights, strict=True):
        assert a.keys() == b.keys()
        assert all(np.array_equal(a[k], b[k]) for k in a)
    assert read.holdout is not None
    np.testing.assert_array_equal(read.holdout.e_form_ev_per_atom, [-2.0])
    np.testing.assert_array_equal(read.holdout.crystals.frac_coords, written.holdout.crystals.frac_coords)
    assert sorted(p.name for p in path.parent.iterdir()) == ["model"]  # no scratch is left


def test_writing_again_replaces(path: Path) -> None:
    checkpoint.write(made(seed=1), path)
    assert checkpoint.read(path).card == made(seed=1).card


def test_every_flipped_byte_and_every_truncation_is_refused(path: Path) -> None:
    rng = np.random.default_rng(0)
    for file in sorted(path.iterdir()):
        whole = file.read_bytes()
        for at in rng.integers(0, len(whole), 12):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << rng.integers(8))]) + whole[at + 1 :])
            with pytest.raises(CheckpointError):
                checkpoint.read(path)
            file.write_bytes(whole[:at])
            with pytest.raises(CheckpointError):
                checkpoint.read(path)
        file.write_bytes(whole)
    checkpoint.read(path)


@pytest.mark.parametrize("name", ["member-01.safetensors", CARD, MANIFEST])
def test_a_missing_file_is_named(path: Path, name: str) -> None:
    (path / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        checkpoint.read(path)


@pytest.mark.parametrize("gone", [False, True])
def test_a_struck_line_is_noticed(path: Path, gone: bool) -> None:
    """Without its hold-out a model would load, and be trusted as if it had never erred."""
    manifest = path / checkpoint.MANIFEST
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if checkpoint.HOLDOUT not in line))
    if gone:
        (path / checkpoint.HOLDOUT).unlink()
    with pytest.raises(CheckpointError, match=checkpoint.HOLDOUT):
        checkpoint.read(path)


def test_a_missing_member_is_refused_even_with_a_fitting_manifest(path: Path) -> None:
    (path / "member-01.safetensors").unlink()
    sign(path)
    with pytest.raises(CheckpointError, match="1 of 2 members"):
        checkpoint.read(path)


@pytest.mark.parametrize("key", ["extra", "members", "id", "holdout_mae_ev_per_atom"])
def test_a_wrong_card_is_refused_even_with_a_fitting_manifest(path: Path, key: str) -> None:
    card = json.loads((path / CARD).read_text())
    card[key] = {"extra": 1, "members": 3, "id": "gnn-0000000000000000", "holdout_mae_ev_per_atom": -1}[key]
    (path / CARD).write_text(json.dumps(card))
    sign(path)
    with pytest.raises(CheckpointError):
        checkpoint.read(path)


def test_foreign_weights_are_refused_even_with_a_fitting_manifest(path: Path) -> None:
    file = path / "member-00.safetensors"
    sound = load_file(file)
    name = next(iter(sound))
    for wrong in (
        {**sound, "unknown": np.zeros(3, np.float32)},
        {k: v for k, v in sound.items() if k != name},
        {**sound, name: sound[name][..., :-1].copy()},
        {**sound, name: sound[name].astype(np.float64)},
        {**sound, name: np.full_like(sound[name], np.nan)},
        {**sound, name: sound[name] + np.float32(1)},
    ):
        save_file(wrong, file)
        sign(path)
        with pytest.raises(CheckpointError):
            checkpoint.read(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("width", 1_000_000), ("width", 1024), ("steps", 10**9), ("steps", 16), ("cutoff_ang", 1e9), ("angular", 10**9)],
)
def test_an_architecture_is_bounded_and_costs_nothing_before_its_weights_are_there(
    path: Path, key: str, value: float
) -> None:
    card = json.loads((path / CARD).read_text())
    card["architecture"][key] = value
    (path / CARD).write_text(json.dumps(card))
    sign(path)
    with cheaply(), pytest.raises(CheckpointError, match=rf"{key}: Input should be less|does not fit") as raised:
        checkpoint.read(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("name", ["member-00.safetensors", CARD, MANIFEST])
def test_members_that_are_no_files(path: Path, name: str) -> None:
    (path / name).unlink()
    os.mkfifo(path / name)
    with cheaply(), pytest.raises(CheckpointError, match=name):
        checkpoint.read(path)
    (path / name).unlink()
    (path / name).symlink_to("/dev/zero")
    with cheaply(), pytest.raises(CheckpointError, match=name):
        checkpoint.read(path)
    (path / name).unlink()
    with open(path / name, "wb") as file:
        file.truncate(1 << 40)
    with cheaply(), pytest.raises(CheckpointError, match="larger than"):
        checkpoint.read(path)


@pytest.mark.parametrize("content", ["[1]", "[" * 100_000, "{}", '[[["a", 1]]]', ""])
def test_a_history_that_is_none(path: Path, content: str) -> None:
    (path / "history.json").write_text(content)
    sign(path)
    with pytest.raises(CheckpointError, match=r"history\.json"):
        checkpoint.read(path)


def test_a_pickle_in_a_members_place_runs_nothing(path: Path, tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "ran"),))  # type: ignore[return-value]

    (path / "member-00.safetensors").write_bytes(pickle.dumps(Canary()))
    sign(path)
    with pytest.raises(CheckpointError):
        checkpoint.read(path)
    assert not (tmp_path / "ran").exists()


def test_a_manifest_cannot_point_outside(path: Path) -> None:
    outside = path.parent / "secret"
    outside.write_text("x")
    with open(path / MANIFEST, "a") as file:
        file.write(f"{sha256(b'x').hexdigest()}  ../secret\n")
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.read(path)


def test_an_inconsistent_holdout_is_refused(path: Path) -> None:
    crystals = made().holdout.crystals
    wrong = TrainingSet(replace(crystals, offsets=np.array([0, 7])), np.array([-2.0]))
    checkpoint.write(replace(made(), holdout=wrong), path)
    with pytest.raises(CheckpointError, match="holdout"):
        checkpoint.read(path)


def test_an_unwritable_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot write model"):
        checkpoint.write(made(), tmp_path / "file" / "model")


def test_id_follows_weights_and_normalisation(path: Path) -> None:
    weights = made().weights
    other = tuple({k: v + np.float32(1e-3) for k, v in w.items()} for w in weights)
    ids = {
        model_id(ARCHITECTURE, NORMALISATION, weights),
        model_id(ARCHITECTURE, NORMALISATION, other),
        model_id(ARCHITECTURE, replace(NORMALISATION, shift_ev_per_atom=0.5), weights),
    }
    assert len(ids) == 3
    shutil.rmtree(path)
