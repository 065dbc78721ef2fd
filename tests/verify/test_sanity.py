from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Failure
from gnome_lite.verify import sanity

DATA = Path(os.environ.get("GNOME_LITE_BENCHMARK_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FALSE_REJECTIONS = 0.001


def salt(scale: float = 1.0) -> Crystal:
    return Crystal.from_ase(bulk("NaCl", "rocksalt", 5.64 * scale))


def causes(refusal: sanity.Refusal | None) -> Failure | None:
    return refusal[0] if refusal else None


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 1.5), st.integers(0, 10**6))
def test_closest_pair_is_the_brute_force_minimum(spacing: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattice = np.diag(rng.uniform(2.5, 6, 3)) + rng.normal(0, 0.6, (3, 3))
    frac = rng.uniform(-1, 2, (3, 3))
    frac[1] = frac[0] + np.array([spacing, 0, 0]) @ np.linalg.inv(lattice)
    crystal = Crystal.make([8, 3, 55], frac, lattice)
    from ase.data import covalent_radii

    shifts = np.stack(np.meshgrid(*[np.arange(-5, 6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    brute = np.inf
    for i in range(3):
        for j in range(i, 3):
            d = np.linalg.norm((frac[j] - frac[i] + shifts) @ lattice, axis=1)
            d = d[d > 1e-12] if i == j else d
            brute = min(brute, d.min() / (covalent_radii[crystal.numbers[i]] + covalent_radii[crystal.numbers[j]]))
    found = sanity.closest_pair(crystal)
    if brute < sanity.MIN_DISTANCE_RATIO:
        assert found is not None
        assert found[0] == pytest.approx(brute, abs=1e-9)
    else:
        assert found is None


def test_good_crystals_pass() -> None:
    assert sanity.bad_start(salt(), 94) is None
    assert sanity.bad_numbers(-7.0, np.zeros((2, 3)), np.zeros((3, 3))) is None
    assert sanity.bad_energy_change(-3.0) is None


def test_each_gate_has_its_cause() -> None:
    assert causes(sanity.bad_start(Crystal.make([98], [[0, 0, 0]], 3.5 * np.eye(3)), 94)) is Failure.OUT_OF_DOMAIN
    two_oxygens = Crystal.make([8, 8], [[0, 0, 0], [0, 0, 0.01]], 5 * np.eye(3))
    assert causes(sanity.bad_start(two_oxygens, 94)) is Failure.OVERLAP
    on_top = Crystal.make([8, 8], np.zeros((2, 3)), 5 * np.eye(3))
    assert causes(sanity.bad_start(on_top, 94)) is Failure.OVERLAP
    flat = Crystal.make([8, 8], [[0, 0, 0], [0.5, 0.5, 0]], [[4, 0, 0], [0, 4, 0], [4, 4, 0]])
    assert causes(sanity.bad_start(flat, 94)) is Failure.EXPLODED
    assert causes(sanity.bad_start(salt(3.0), 94)) is Failure.EXPLODED
    assert causes(sanity.bad_geometry(salt(1.5), salt().volume)) is Failure.EXPLODED
    assert causes(sanity.bad_geometry(salt(0.6), salt().volume)) is Failure.EXPLODED
    nan = Crystal(salt().numbers, salt().frac_coords * np.nan, salt().lattice)
    assert causes(sanity.bad_geometry(nan, 45.0)) is Failure.NON_FINITE
    for bad in ((np.nan, 0.0, 0.0), (0.0, np.inf, 0.0), (0.0, 0.0, -np.inf)):
        assert causes(sanity.bad_numbers(*bad)) is Failure.NON_FINITE
    assert causes(sanity.bad_energy_change(-26.0)) is Failure.EXPLODED


def test_formation_energy_is_judged_only_where_all_elements_have_a_reference() -> None:
    counts = salt().counts
    assert sanity.bad_formation_energy(counts, -50.0, {"Na": -1.3}) is None
    assert sanity.bad_formation_energy(counts, -7.0, {"Na": -1.3, "Cl": -1.8}) is None
    assert causes(sanity.bad_formation_energy(counts, -50.0, {"Na": -1.3, "Cl": -1.8})) is Failure.OUT_OF_DOMAIN


@pytest.mark.skipif(not (DATA / "mp20_val.csv.gz").exists(), reason="benchmark data not here")
@pytest.mark.parametrize("every", [60, pytest.param(1, marks=pytest.mark.soak)])
def test_known_stable_crystals_are_not_refused(every: int) -> None:
    """Promise 8: at most 0.1 % of known stable crystals are refused."""
    from pymatgen.core import Structure

    with gzip.open(DATA / "mp20_val.csv.gz", "rt") as file:
        cifs = [row["cif"] for row in csv.DictReader(file)][::every]
    crystals = [Crystal.from_pymatgen(Structure.from_str(cif, fmt="cif")) for cif in cifs]
    refused = [(c.reduced_formula, r) for c in crystals if (r := sanity.bad_start(c, 94)) is not None]
    assert len(refused) <= FALSE_REJECTIONS * len(cifs), refused
