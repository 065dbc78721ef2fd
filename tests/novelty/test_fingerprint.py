"""Fingerprints: the same for every description of a crystal, different for different structure types."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.prototypes import get_protostructure_label_from_moyopy
from pymatgen.core import Lattice, Structure
from samples.groups import from_spacegroup

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.novelty.fingerprint import fingerprints


@lru_cache
def structures() -> dict[str, Structure]:
    quartz = Lattice.hexagonal(4.91, 5.40)
    return {
        "rock salt": from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3]),
        "cesium chloride": from_spacegroup("Pm-3m", Lattice.cubic(3.4), ["Na", "Cl"], [[0] * 3, [0.5] * 3]),
        "zinc blende": from_spacegroup("F-43m", Lattice.cubic(6.1), ["Na", "Cl"], [[0] * 3, [0.25] * 3]),
        "rutile": from_spacegroup(
            "P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0] * 3, [0.305, 0.305, 0]]
        ),
        "quartz": from_spacegroup("P3_121", quartz, ["Si", "O"], [[0.47, 0, 1 / 3], [0.4135, 0.2669, 0.4524]]),
        "perovskite": from_spacegroup(
            "Pm-3m", Lattice.cubic(3.9), ["Sr", "Ti", "O"], [[0] * 3, [0.5] * 3, [0.5, 0.5, 0]]
        ),
    }


def fingerprint(structure: Structure) -> str:
    return fingerprints(CrystalBatch.from_crystals([Crystal.from_pymatgen(structure)]))[0]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(structures())), st.integers(0, 10**6))
def test_is_a_property_of_the_crystal_not_of_its_description(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    structure = structures()[name]
    while abs(round(np.linalg.det(matrix := rng.integers(-1, 2, (3, 3))))) not in (1, 2):
        pass
    matrix = matrix @ np.diag(rng.permutation([1, 1, 2]))
    copy = structure.make_supercell(matrix, in_place=False)
    order = rng.permutation(len(copy))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    other = Crystal.make(
        np.array(copy.atomic_numbers)[order],
        (copy.frac_coords + rng.uniform(size=3))[order],
        copy.lattice.matrix @ rotation * rng.uniform(0.8, 1.2),
    )
    assert fingerprints(CrystalBatch.from_crystals([other]))[0] == fingerprint(structure)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(structures())), st.integers(0, 10**6))
def test_noise_of_a_relaxation_does_not_matter(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    crystal = Crystal.from_pymatgen(structures()[name])
    noise = rng.normal(scale=0.005, size=(len(crystal), 3)) @ np.linalg.inv(crystal.lattice)
    shaken = Crystal.make(crystal.numbers, crystal.frac_coords + noise, crystal.lattice * (1 + 1e-3 * rng.normal()))
    assert fingerprints(CrystalBatch.from_crystals([shaken]))[0] == fingerprint(structures()[name])


def test_structure_types_differ() -> None:
    keys = {fingerprint(s) for s in structures().values()}
    assert len(keys) == len(structures())
    assert fingerprint(structures()["rock salt"]) == "NaCl|cF8_225_a_b"


def test_formula_decides_too() -> None:
    other = structures()["rock salt"].copy()
    other.replace_species({"Na": "K"})
    assert fingerprint(other).split("|")[1] == fingerprint(structures()["rock salt"]).split("|")[1]
    assert fingerprint(other) != fingerprint(structures()["rock salt"])


def test_mirror_images_are_the_same() -> None:
    quartz = structures()["quartz"]
    mirrored = Structure(Lattice(quartz.lattice.matrix * [1, 1, -1]), quartz.species, quartz.frac_coords)
    assert fingerprint(mirrored) == fingerprint(quartz)


@pytest.mark.parametrize("name", sorted(structures()))
def test_wyckoff_letters_are_pymatgens(name: str) -> None:
    structure = structures()[name].copy()
    structure.scale_lattice(15.0 * len(structure))
    _, pearson, group, letters = get_protostructure_label_from_moyopy(structure).split(":")[0].split("_", 3)
    assert fingerprint(structure).split("|")[1] == f"{pearson}_{group}_{letters}"


def test_a_crystal_without_symmetry_keeps_its_formula() -> None:
    overlapping = Crystal(np.array([11, 17, 17]), np.zeros((3, 3)), np.eye(3) * 4)
    flat = Crystal(np.array([11, 17]), np.array([[0.0] * 3, [0.5] * 3]), np.diag([4.0, 4.0, 0.0]))
    assert fingerprints(CrystalBatch.from_crystals([overlapping, flat])) == ["NaCl2|", "NaCl|"]


def test_no_crystals() -> None:
    assert fingerprints(CrystalBatch.empty()) == []
