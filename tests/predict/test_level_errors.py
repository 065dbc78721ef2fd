"""A level's errors: what is set from known ones, what it says of new crystals, and files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import CheckpointError
from gnome_lite.predict.delta import DIFFERENCE_CLIP_EV_PER_ATOM
from gnome_lite.predict.level_errors import LevelErrors, Spread, fit_level_errors

ELEMENTS = (3, 8, 9, 12, 14, 26)
SHIFT = {3: 1.9, 8: 4.9, 9: 1.9, 12: 1.6, 14: 5.4, 26: 8.3}


def labelled(n: int, seed: int, error: float) -> tuple[CrystalBatch, np.ndarray, np.ndarray]:
    """Crystals whose level is off by `error`, normally, and whose CHGNet by an independent error of 30 meV/atom."""
    rng = np.random.default_rng(seed)
    crystals = [
        Crystal.make(rng.choice(ELEMENTS, k), rng.random((k, 3)), 5 * np.eye(3)) for k in rng.integers(1, 7, n).tolist()
    ]
    batch = CrystalBatch.from_crystals(crystals)
    labels = rng.normal(-1.0, 0.5, n)
    elements = sum((batch.counts[:, z] * SHIFT[z] for z in ELEMENTS), np.zeros(n)) / batch.n_atoms
    level = labels - elements + error * rng.normal(size=n)
    return batch, np.column_stack([level, labels - elements + 0.03 * rng.normal(size=n)]), labels


@pytest.fixture(scope="module")
def errors() -> LevelErrors:
    return fit_level_errors("here", "there", labelled(1500, 0, 0.006), labelled(600, 1, 0.03))


def test_elements_are_put_on_the_other_scale(errors: LevelErrors) -> None:
    assert [errors.element_ev[e] for e in ("Li", "O", "Fe")] == pytest.approx([1.9, 4.9, 8.3], abs=0.01)
    crystals, energies, labels = labelled(200, 2, 0.006)
    said = errors.correct(crystals, energies, np.ones(200, dtype=bool))
    assert np.abs(said.e_form_ev_per_atom - labels).mean() < 0.007


@pytest.mark.parametrize(("seen", "error"), [(True, 0.006), (False, 0.03)])
def test_spreads_hold_on_crystals_they_were_not_set_on(errors: LevelErrors, seen: bool, error: float) -> None:
    crystals, energies, labels = labelled(600, 3, error)
    said = errors.correct(crystals, energies, np.full(600, seen))
    away = np.abs(said.e_form_ev_per_atom - labels) / said.spread_ev_per_atom
    assert (away < 1).mean() == pytest.approx(0.683, abs=0.06)
    assert (away < 2).mean() == pytest.approx(0.954, abs=0.03)


def test_long_tails_widen_the_spread() -> None:
    rng = np.random.default_rng(0)
    tails = Spread.fitted(0.02 * rng.standard_t(2, 4000), np.zeros(4000))
    normal = Spread.fitted(0.02 * rng.normal(size=4000), np.zeros(4000))
    assert normal.floor_ev_per_atom == pytest.approx(0.02, rel=0.1)
    assert tails.floor_ev_per_atom > 1.2 * normal.floor_ev_per_atom
    with pytest.raises(ValueError, match="give at least 40"):
        Spread.fitted(np.full(50, np.nan), np.zeros(50))


def test_where_potentials_differ_or_one_has_nothing_to_say_the_spread_is_wide(errors: LevelErrors) -> None:
    crystals, energies, _ = labelled(3, 4, 0.0)
    wide = errors.model_copy(update={"new": Spread(floor_ev_per_atom=0.02, slope=0.5, n=40)})
    energies[1, 1] += 5.0
    energies[2, 1] = np.nan
    said = wide.correct(crystals, energies, np.zeros(3, dtype=bool)).own_ev_per_atom
    assert said[1] == said[2] == pytest.approx(np.hypot(0.02, 0.5 * DIFFERENCE_CLIP_EV_PER_ATOM))
    assert said[0] < said[1]


def test_an_element_that_was_not_seen_is_nan(errors: LevelErrors) -> None:
    salt = CrystalBatch.from_crystals([Crystal.make([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], 3 * np.eye(3))])
    assert np.isnan(errors.correct(salt, np.array([[-3.0, -3.0]]), np.array([True])).e_form_ev_per_atom).all()


def test_a_file_is_read_as_it_was_written(errors: LevelErrors, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "errors.json"
    errors.write(path)
    assert LevelErrors.read(path) == errors
    for damage in (
        "{}",
        "",
        path.read_text().replace('"slope"', '"steep"', 1),
        path.read_text().replace(":", ": NaN,", 1),
    ):
        path.write_text(damage)
        with pytest.raises(CheckpointError, match="does not hold a level's errors"):
            LevelErrors.read(path)
    with pytest.raises(CheckpointError, match="nowhere"):
        LevelErrors.read(tmp_path / "nowhere.json")
