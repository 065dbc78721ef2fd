"""Features of crystals against the stock package, and what has none."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.verify.calculators import make_calculator
from gnome_lite.verify.chgnet.calculator import load_model
from gnome_lite.verify.chgnet.features import ATOM_FEATURES, WIDTH, CHGNetFeatures

SAME_EV_PER_ATOM = 1e-5
SAME_STATE = 1e-4


@pytest.fixture(scope="module")
def crystals() -> CrystalBatch:
    entries = SeedSource().load()
    small = [e.crystal for e in entries if 1 < len(e.crystal) <= 12]
    return CrystalBatch.from_crystals(small[:: len(small) // 12][:12])


def test_equal_to_the_stock_network(crystals: CrystalBatch) -> None:
    features = CHGNetFeatures()(crystals)
    assert features.atoms.shape == (len(crystals.numbers), ATOM_FEATURES)
    for i, crystal in enumerate(crystals):
        of_crystal = slice(crystals.offsets[i], crystals.offsets[i + 1])
        for k, version in enumerate(("0.3.0", "0.2.0")):
            model = load_model(version)
            stock = model.predict_structure(
                crystal.to_pymatgen(), task="em", return_atom_feas=True, return_crystal_feas=True
            )
            assert features.energies_ev_per_atom[i, k] == pytest.approx(float(stock["e"]), abs=SAME_EV_PER_ATOM)
            if version == "0.3.0":
                atoms = features.atoms[of_crystal]
                assert atoms[:, :WIDTH].sum(axis=0) == pytest.approx(
                    stock["crystal_fea"].reshape(-1), abs=SAME_STATE * len(crystal)
                )
                assert atoms[:, WIDTH : 2 * WIDTH] == pytest.approx(stock["atom_fea"], abs=SAME_STATE)
                assert atoms[:, 2 * WIDTH + 1] == pytest.approx(stock["m"], abs=SAME_STATE)


def test_energies_are_the_calculators(crystals: CrystalBatch) -> None:
    some = crystals.take(np.arange(3))
    features = CHGNetFeatures()(some)
    calculator = make_calculator("chgnet")
    for crystal, said in zip(some, features.energies_ev_per_atom[:, 0], strict=True):
        atoms = crystal.to_ase()
        atoms.calc = calculator
        assert atoms.get_potential_energy() / len(crystal) == pytest.approx(said, abs=SAME_EV_PER_ATOM)


def test_what_no_network_knows_has_no_energy_and_spoils_no_other(crystals: CrystalBatch) -> None:
    lonely = Crystal.make([8], [[0, 0, 0]], 20.0 * np.eye(3))
    beyond = Crystal.make([98, 8], [[0, 0, 0], [0.5, 0.5, 0.5]], 4.0 * np.eye(3))
    alone = CHGNetFeatures()(CrystalBatch.from_crystals([crystals[0]]))
    among = CHGNetFeatures()(CrystalBatch.from_crystals([lonely, crystals[0], beyond]))
    assert np.isnan(among.energies_ev_per_atom[[0, 2]]).all()
    assert among.energies_ev_per_atom[1] == pytest.approx(alone.energies_ev_per_atom[0], abs=SAME_EV_PER_ATOM)
    assert np.isnan(among.atoms).all(axis=1).tolist() == [True] + [False] * len(crystals[0]) + [True, True]
