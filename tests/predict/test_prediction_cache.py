"""What a model has said, kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples.full_disk import filled

from gnome_lite.predict.prediction_cache import keep_cached, read_cached

SAID = np.array([-1.0, np.nan, 0.25]), np.array([0.1, np.nan, 0.0])


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    path = tmp_path / "answers" / "a.safetensors"
    keep_cached(path, SAID)
    read = read_cached(path, 3)
    assert read is not None
    for mine, theirs in zip(SAID, read, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]  # no part left over


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", b"no archive at all"])
def test_a_damaged_file_is_none(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(damage)
    assert read_cached(path, 3) is None


def test_answers_of_other_crystals_are_none(tmp_path: Path) -> None:
    keep_cached(tmp_path / "a.safetensors", SAID)
    assert read_cached(tmp_path / "a.safetensors", 4) is None
    assert read_cached(tmp_path / "b.safetensors", 3) is None


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep_cached(tmp_path / "file" / "a.safetensors", SAID)
    assert read_cached(tmp_path / "file" / "a.safetensors", 3) is None


def test_on_a_full_disk_nothing_half_written_stays(small_disk: Path) -> None:
    (small_disk / "a.safetensors").touch()
    with filled(small_disk, 4096):
        keep_cached(small_disk / "a.safetensors", (np.zeros(10_000), np.zeros(10_000)))
        assert sorted(p.name for p in small_disk.iterdir()) == ["a.safetensors", "ballast"]


def test_what_is_shipped_is_what_the_shipped_ensemble_says() -> None:
    """Of some of its hold-out; rounding differs between processors."""
    from gnome_lite.config import Predict
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.ensemble import Ensemble
    from gnome_lite.settings import bundled

    base = checkpoint.read(bundled("models", "base-chgnet-0.3.0"))
    n, scan = len(base.holdout), Predict().volume_scan
    shipped = read_cached(bundled("models", "answers", f"{base.card.id}-{base.card.id}-{scan}.safetensors"), n)
    assert shipped is not None
    some = np.arange(0, n, n // 30)
    said = Ensemble(base).predict(base.holdout.crystals.take(some), scan)
    for mine, theirs in zip(shipped, said, strict=True):
        np.testing.assert_allclose(mine[some], theirs, atol=2e-4)
