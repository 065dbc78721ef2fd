"""The Δ-model: what it must learn, what it must not, and what never loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch, chemical_system
from gnome_lite.core.errors import CheckpointError, SourceError
from gnome_lite.core.surrogate_features import SurrogateFeatures
from gnome_lite.predict import delta
from gnome_lite.predict.delta import DeltaModel, linear_energies
from gnome_lite.predict.delta_train import DeltaPlan, folds, train_delta

SAME_EV_PER_ATOM = 1e-6  # float32 sums in another order
PLAN = DeltaPlan(members=2, epochs=40, width=16)
ELEMENTS = (3, 8, 11, 12, 13, 14, 26)
FEATURES = 6


def truth(n: int = 600, seed: int = 0) -> tuple[SurrogateFeatures, NDArray[np.float64]]:
    """Crystals whose labels differ from the first energy by a number an element and by what their atoms' vectors say.

    Noise is 5 meV/atom without silicon and 40 with it.
    """
    rng = np.random.default_rng(seed)
    crystals = []
    for _ in range(n):
        kinds = rng.choice(ELEMENTS, rng.integers(2, 4), replace=False)
        numbers = rng.choice(kinds, rng.integers(2, 9))
        crystals.append(Crystal.make(numbers, rng.random((len(numbers), 3)), 5.0 * np.eye(3)))
    batch = CrystalBatch.from_crystals(crystals)
    atoms = rng.normal(size=(len(batch.numbers), FEATURES)).astype(np.float32)
    told = np.bincount(batch.crystal_of_atom, 0.06 * atoms[:, 0], n) / batch.n_atoms
    fractions = batch.counts / batch.n_atoms[:, None]
    energies = rng.normal(-5.0, 0.5, n)
    noise = np.where(batch.counts[:, 14] > 0, 0.04, 0.005) * rng.normal(size=n)
    labels = energies + 4.0 + 0.02 * fractions @ np.arange(fractions.shape[1]) + told + noise
    second = energies + 0.01 * rng.normal(size=n)
    return SurrogateFeatures(batch, np.stack([energies, second], 1), atoms), labels


@pytest.fixture(scope="module")
def model() -> DeltaModel:
    return train_delta(*truth(), "here", "there", PLAN)


def test_learns_what_atoms_say_and_how_far_it_may_be_off(model: DeltaModel) -> None:
    features, labels = truth(300, seed=1)
    said = model.correct(features)
    quiet = features.crystals.counts[:, 14] == 0
    error, linear = (np.abs(e - labels) for e in (said.e_form_ev_per_atom, said.linear_ev_per_atom))
    assert error[quiet].mean() < 0.6 * linear[quiet].mean()
    assert np.median(said.own_ev_per_atom[~quiet]) > 1.5 * np.median(said.own_ev_per_atom[quiet])
    assert 0.55 < (error < said.spread_ev_per_atom).mean() < 0.85  # 0.68 where the distribution is known


def test_learns_nothing_of_shuffled_labels() -> None:
    features, labels = truth()
    scaling = train_delta(features, labels, "here", "there", replace_plan(epochs=1)).scaling
    linear = linear_energies(features, scaling)
    dealt = linear + np.random.default_rng(2).permutation(labels - linear)
    card = train_delta(features, dealt, "here", "there", PLAN).card
    assert card.holdout_mae_ev_per_atom > 0.97 * card.linear_mae_ev_per_atom


def replace_plan(**changes: int) -> DeltaPlan:
    return PLAN._replace(**changes)


def test_same_data_and_seed_give_the_same_model() -> None:
    data = truth(120)
    first, second = (train_delta(*data, "here", "there", replace_plan(epochs=2)).card.id for _ in range(2))
    other = train_delta(*data, "here", "there", replace_plan(epochs=2, seed=1)).card.id
    assert first == second != other


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_order_and_number_of_cells_do_not_matter(model: DeltaModel, random: object, times: int) -> None:
    features, _ = truth(1, seed=7)
    order = np.arange(len(features.crystals.numbers))
    random.shuffle(order)  # type: ignore[attr-defined]
    order = np.tile(order, times)
    c = features.crystals[0]
    batch = CrystalBatch.from_crystals([Crystal(c.numbers[order], c.frac_coords[order], c.lattice)])
    again = model.correct(replace(features, crystals=batch, atoms=features.atoms[order]))
    once = model.correct(features)
    assert again.e_form_ev_per_atom == pytest.approx(once.e_form_ev_per_atom, abs=SAME_EV_PER_ATOM)
    assert again.spread_ev_per_atom == pytest.approx(once.spread_ev_per_atom, abs=SAME_EV_PER_ATOM)


def test_company_does_not_matter(model: DeltaModel) -> None:
    features, _ = truth(40, seed=3)
    all_at_once = model.correct(features).e_form_ev_per_atom
    alone = [model.correct(features.take(np.array([i]))).e_form_ev_per_atom[0] for i in range(40)]
    assert all_at_once == pytest.approx(np.array(alone), abs=SAME_EV_PER_ATOM)


def test_what_it_does_not_know_is_nan(model: DeltaModel) -> None:
    features, _ = truth(3, seed=3)
    energies = features.energies_ev_per_atom.copy()
    energies[1, 1] = np.nan
    numbers = features.crystals.numbers.copy()
    numbers[features.crystals.offsets[2]] = 92
    strange = replace(features, crystals=replace(features.crystals, numbers=numbers), energies_ev_per_atom=energies)
    assert np.isfinite(model.correct(strange).e_form_ev_per_atom).tolist() == [True, False, False]


def test_nothing_is_learnt_from_what_is_left_out() -> None:
    features, labels = truth(400)
    out = features.crystals.within(("Li", "O", "Fe"))
    assert 0 < out.sum() < len(out)
    spoilt = labels + np.where(out, 3.0, 0.0)
    plan = replace_plan(epochs=1)
    first, second = (train_delta(features, y, "here", "there", plan, ("Li", "O", "Fe")).card for y in (labels, spoilt))
    assert first.id == second.id
    assert first.without == ("Fe", "Li", "O")
    assert first.n_train == len(out) - out.sum()


def test_a_chemical_system_is_in_one_fold() -> None:
    crystals = truth()[0].crystals
    seen: dict[str, set[int]] = {}
    for c, fold in zip(crystals, folds(crystals, 5), strict=True):
        seen.setdefault(chemical_system(c.numbers), set()).add(int(fold))
    assert all(len(of) == 1 for of in seen.values())
    assert set.union(*seen.values()) == set(range(5))


def test_bad_labels_are_left_out_and_too_few_refused() -> None:
    features, labels = truth(120)
    spoilt = labels.copy()
    spoilt[:3] = np.nan, np.inf, 99.0
    assert train_delta(features, spoilt, "here", "there", replace_plan(epochs=1)).card.n_train == 117
    with pytest.raises(SourceError, match="10 labelled crystals"):
        train_delta(features.take(np.arange(10)), labels[:10], "here", "there", PLAN)


def test_on_disk_and_back(model: DeltaModel, tmp_path: Path) -> None:
    delta.write(model, tmp_path / "m")
    again = delta.read(tmp_path / "m")
    features, _ = truth(20, seed=5)
    assert again.card == model.card
    assert np.array_equal(again.correct(features).e_form_ev_per_atom, model.correct(features).e_form_ev_per_atom)


@pytest.mark.parametrize("name", ["member-01.safetensors", "scaling.safetensors", "model.json"])
def test_damaged_or_missing_files_never_load(model: DeltaModel, tmp_path: Path, name: str) -> None:
    path = tmp_path / "m"
    delta.write(model, path)
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        delta.read(path)
    (path / name).unlink()
    with pytest.raises(CheckpointError, match="lacks"):
        delta.read(path)


def test_foreign_weights_never_load(model: DeltaModel, tmp_path: Path) -> None:
    external = DeltaModel(model.card, replace(model.scaling, element_ev=model.scaling.element_ev + 1), model.networks)
    delta.write(external, tmp_path / "m")
    with pytest.raises(CheckpointError, match="other weights"):
        delta.read(tmp_path / "m")
