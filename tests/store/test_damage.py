"""One bit of a store's file turns over: what is read is as before, or an error that says so; never another answer.

Covers `checksums` and `wholeness`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from samples.small_campaign import CRYSTALS, begin, higher, play_round, references, verdict

from gnome_lite.cli import main
from gnome_lite.store.database import SqlStore

IDS = [c.content_id for c in CRYSTALS]
COMMANDS = (("query", "--format", "json", "--unverified"), *(("show", i) for i in IDS))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small store with everything in it: two campaigns, a higher level, a re-issued verdict."""
    store = SqlStore.open(tmp_path_factory.mktemp("sound") / "store.sqlite")
    begin(store)
    play_round(store, "first")
    higher(store)
    moved = verdict(CRYSTALS[1], 0.2, "hull-2")
    store.reissue_verdicts("first", [moved], "other references", "hull-2", {"moved": 1}, references(0.1))
    begin(store, "second", seed=7)
    return Path(store.name)


def said(home: Path, capsys: pytest.CaptureFixture[str]) -> list[str | None]:
    """What each command prints; None where it ends with an error."""
    found: list[str | None] = []
    for command in COMMANDS:
        code = main([*command, "--home", str(home)])
        printed = capsys.readouterr()
        assert code in (0, 2), printed.err
        assert "Traceback" not in printed.err
        found.append(printed.out if code == 0 else None)
    return found


def flipped(sound: Path, home: Path, n: int, seed: int) -> Iterator[tuple[int, int]]:
    """Turn n bits over, each in a copy of its own; yields byte and bit."""
    content = sound.read_bytes()
    rng = np.random.default_rng(seed)
    for _ in range(n):
        byte, bit = int(rng.integers(len(content))), int(rng.integers(8))
        changed = bytearray(content)
        changed[byte] ^= 1 << bit
        (home / "store.sqlite").write_bytes(changed)
        yield byte, bit


def silent_changes(sound: Path, home: Path, n: int, seed: int, capsys: pytest.CaptureFixture[str]) -> list[object]:
    shutil.copy(sound, home / "store.sqlite")
    expected = said(home, capsys)
    assert None not in expected
    silent = []
    for flip in flipped(sound, home, n, seed):
        for before, now in zip(expected, said(home, capsys), strict=True):
            if now not in (None, before):
                silent.append(flip)
    return silent


@pytest.mark.parametrize(
    ("n", "seed"),
    [(10, 1), pytest.param(150, 2, marks=pytest.mark.slow), pytest.param(5000, 3, marks=pytest.mark.soak)],
)
def test_no_flipped_bit_changes_an_answer(
    n: int, seed: int, sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert silent_changes(sound, tmp_path, n, seed, capsys) == []
