"""Promise 5: a checkpoint that is not exactly what was written never loads, and runs nothing."""

from __future__ import annotations

import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from samples.checkpoints import made, sign
from soak import counted

from gnome_lite.core.errors import CheckpointError
from gnome_lite.predict import checkpoint
from gnome_lite.predict.checkpoint import MANIFEST


class Canary:
    """Leaves a file where its pickle is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def cut(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def lengthen(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randint(1, 100)))


def blank(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    at = rng.randrange(len(content))
    hole = rng.randint(1, 4096)
    zeroed = content[:at] + bytes(len(content[at : at + hole])) + content[at + hole :]
    path.write_bytes(zeroed if zeroed != content else content[:-1])


def replace_by_pickle(path: Path, rng: random.Random) -> None:
    path.write_bytes(pickle.dumps(Canary(path.parent.with_name("ran")), protocol=rng.randint(0, 5)))
    if path.name != MANIFEST and rng.random() < 0.5:  # with a manifest that fits
        sign(path.parent)


def swap(path: Path, rng: random.Random) -> None:
    """What lies in another file, in an honest checkpoint of other weights, with the old manifest."""
    other = path.with_name("other")
    checkpoint.write(made(seed=rng.randint(1, 3)), other)
    shutil.copy(other / path.name, path)
    shutil.rmtree(other)
    if path.read_bytes() == (path.parent.with_name("sound") / path.name).read_bytes():
        flip(path, rng)  # the hold-out is the same in both


def remove(path: Path, rng: random.Random) -> None:
    path.unlink()


DAMAGES = (flip, cut, lengthen, blank, replace_by_pickle, swap, remove)


@counted(40, 500, "damages")
def test_no_damage_ever_loads(tmp_path: Path, trials: range) -> None:
    """Promise 5: flips, cuts, holes, pickles, swapped and missing files: all refused, no code run."""
    sound, path = tmp_path / "sound", tmp_path / "model"
    checkpoint.write(made(), sound)
    names = sorted(p.name for p in sound.iterdir())
    for trial in trials:
        rng = random.Random(trial)
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(sound, path)
        DAMAGES[trial % len(DAMAGES)](path / rng.choice(names), rng)
        with pytest.raises(CheckpointError):
            checkpoint.read(path)
        assert not (tmp_path / "ran").exists(), trial
    assert checkpoint.read(sound).card == made().card
