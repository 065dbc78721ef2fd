"""Volume estimates against measured lattice constants, and against Materials Project's crystals where they are."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gnome_lite.chemistry.oxidation import oxidation_states
from gnome_lite.chemistry.volume import estimate_volume, volume_from_radii
from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch, atomic_number
from gnome_lite.novelty.fingerprint import fingerprints

ROCK_SALTS_ANG = {
    ("Li", "F"): 4.03, ("Na", "F"): 4.63, ("Na", "Cl"): 5.64, ("K", "Cl"): 6.29, ("K", "Br"): 6.60, ("Rb", "I"): 7.34,
    ("Mg", "O"): 4.21, ("Ca", "O"): 4.81, ("Sr", "O"): 5.16, ("Ba", "O"): 5.54, ("Mn", "O"): 4.44, ("Ca", "S"): 5.69,
}  # fmt: skip
CHARGES = {"F": -1, "Cl": -1, "Br": -1, "I": -1, "O": -2, "S": -2}
MEDIAN_ERROR = 0.06
WORST_ERROR = 0.25
MEDIAN_ERROR_DFT = 0.07


def test_rock_salts_from_one_another() -> None:
    errors = []
    for old, new in permutations(ROCK_SALTS_ANG, 2):
        z = [np.array([atomic_number(e) for e in pair]) for pair in (old, new)]
        q = [np.array([-CHARGES[pair[1]], CHARGES[pair[1]]]) for pair in (old, new)]
        guess = estimate_volume(ROCK_SALTS_ANG[old] ** 3, z[0], q[0], z[1], q[1], np.array([4, 4]))
        errors.append(abs(float(guess) / ROCK_SALTS_ANG[new] ** 3 - 1))
    assert np.median(errors) < MEDIAN_ERROR
    assert max(errors) < WORST_ERROR


def test_a_batch_is_its_rows_and_no_change_changes_nothing() -> None:
    parent_z, parent_q, atoms = np.array([11, 17]), np.array([1, -1]), np.array([4, 4])
    z, q = np.array([[11, 17], [19, 35], [12, 8]]), np.array([[1, -1], [1, -1], [2, -2]])
    together = estimate_volume(179.4, parent_z, parent_q, z, q, atoms)
    alone = [float(estimate_volume(179.4, parent_z, parent_q, a, b, atoms)) for a, b in zip(z, q, strict=True)]
    assert together == pytest.approx(alone)
    assert together[0] == pytest.approx(179.4)


@pytest.mark.parametrize(
    ("formula", "ang3", "tolerance"),
    [
        ({"Na": 4, "Cl": 4}, 179.4, 0.2), ({"Mg": 4, "O": 4}, 74.7, 0.25), ({"Ti": 2, "O": 4}, 62.4, 0.25),
        ({"Fe": 2}, 23.6, 0.05), ({"Li": 1}, 21.6, 0.05), ({"Ni": 1, "Al": 1}, 24.0, 0.15),
        ({"Cu": 3, "Au": 1}, 52.6, 0.15),
    ],
)  # fmt: skip
def test_volume_from_composition_alone(formula: dict[str, int], ang3: float, tolerance: float) -> None:
    counts = np.zeros((1, MAX_Z + 1), dtype=np.int64)
    for element, n in formula.items():
        counts[0, atomic_number(element)] = n
    assert volume_from_radii(counts)[0] == pytest.approx(ang3, rel=tolerance)
    assert volume_from_radii(counts * 3)[0] == pytest.approx(3 * volume_from_radii(counts)[0])


def test_every_element_has_a_finite_volume() -> None:
    volumes = volume_from_radii(np.eye(MAX_Z + 1, dtype=np.int64)[1:])
    assert np.isfinite(volumes).all()
    assert (volumes > 4).all()


def crystal_of(cif: str) -> Crystal:
    """A crystal of the data set: its CIFs are all P1, written by pymatgen."""
    from ase.geometry import cellpar_to_cell

    keys = ["length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"]
    cell = [float(re.findall(rf"_cell_{key}\s+(\S+)", cif)[0]) for key in keys]
    rows = [line.split() for line in cif.split("_atom_site_occupancy\n")[1].strip().splitlines()]
    return Crystal.make(
        [atomic_number(r[0]) for r in rows], [[float(x) for x in r[3:6]] for r in rows], cellpar_to_cell(cell)
    )


@pytest.mark.soak
def test_isostructural_crystals_of_the_materials_project(dft_data: Path) -> None:
    """Each ionic crystal's volume from others of its structure type: the figure that `volume` quotes."""
    crystals = [crystal_of(cif) for cif in pd.read_csv(dft_data / "mp20_val.csv.gz").cif]
    groups = defaultdict(list)
    for crystal, label in zip(crystals, fingerprints(CrystalBatch.from_crystals(crystals)), strict=True):
        charges = oxidation_states(crystal)
        if charges is None:
            continue
        species = sorted(Counter(zip(charges.tolist(), crystal.numbers.tolist(), strict=True)).items())
        kind = (label.split("|")[1].split("_")[:2], len(crystal), [(q, n) for (q, _), n in species])
        groups[str(kind)].append((crystal.volume, species))
    errors, unscaled = [], []
    for members in groups.values():
        for (volume, species), (other_volume, other) in zip(members, members[1:] + members[:1], strict=True):
            q, z = np.array([s for s, _ in species]).T
            other_z = np.array([s[1] for s, _ in other])
            if (z != other_z).any():
                atoms = np.array([n for _, n in species])
                guess = float(estimate_volume(other_volume, other_z, q, z, q, atoms))
                errors.append(abs(guess / volume - 1))
                unscaled.append(abs(other_volume / volume - 1))
    assert len(errors) > 1000
    assert np.median(errors) < MEDIAN_ERROR_DFT
    assert np.median(errors) < 0.5 * np.median(unscaled)
