"""Corrections of the Materials Project: the published values, and where the relaxer adds them."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from samples.groups import from_spacegroup

from gnome_lite.config import Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.levels import Corrections
from gnome_lite.core.records import Candidate, Failure
from gnome_lite.verify.corrections import corrected_mp2020, hubbards_ev
from gnome_lite.verify.relax import relax
from gnome_lite.verify.verifier import ProcessVerifier

ROCKSALT = [[0, 0, 0], [0.5, 0.5, 0.5]]
FLUORITE = [[0, 0, 0], [0.25, 0.25, 0.25]]


def cubic(group: str, a: float, symbols: list[str], sites: list[list[float]]) -> Crystal:
    return Crystal.from_pymatgen(from_spacegroup(group, Lattice.cubic(a), symbols, sites))


def peroxide() -> Crystal:
    """Two oxygen atoms 1.49 Å apart, as in Na2O2."""
    sites = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.35], [0.5, 0, 0.35 + 1.49 / 5]]
    return Crystal.from_pymatgen(Structure(Lattice.cubic(5.0), ["Na", "Na", "O", "O"], sites))


@pytest.mark.parametrize(
    ("crystal", "expected_ev"),
    [
        (cubic("Fm-3m", 4.21, ["Mg", "O"], ROCKSALT), 4 * -0.687),
        (cubic("Fm-3m", 4.18, ["Ni", "O"], ROCKSALT), 4 * (-0.687 - 2.541)),
        (cubic("Fm-3m", 5.64, ["Na", "Cl"], ROCKSALT), 4 * -0.614),
        (cubic("Fm-3m", 5.46, ["Ca", "F"], FLUORITE), 8 * -0.462),
        (cubic("F-43m", 5.41, ["Zn", "S"], FLUORITE), 4 * -0.503),
        (cubic("Fm-3m", 3.52, ["Ni"], [[0, 0, 0]]), 0.0),
        (cubic("Pm-3m", 2.88, ["Ni", "Al"], ROCKSALT), 0.0),
        (peroxide(), 2 * -0.465),
    ],
    ids=["oxide", "oxide with U", "chloride", "fluoride", "sulfide", "element", "alloy", "peroxide"],
)
def test_corrections_are_the_published_ones(crystal: Crystal, expected_ev: float) -> None:
    """Wang et al., Scientific Reports 11, 15496 (2021), table 1: eV per atom of the anion, and of a metal with U."""
    assert corrected_mp2020(crystal, -10.0) == pytest.approx(-10.0 + expected_ev, abs=2e-3)


def test_a_u_goes_with_oxides_and_fluorides_alone() -> None:
    assert hubbards_ev(cubic("Fm-3m", 4.18, ["Ni", "O"], ROCKSALT)) == {"Ni": 6.2}
    assert hubbards_ev(cubic("Fm-3m", 5.0, ["Ni", "S"], ROCKSALT)) == {}
    assert hubbards_ev(cubic("Fm-3m", 3.52, ["Ni"], [[0, 0, 0]])) == {}


class Pairs:
    """An ASE-like calculator of our worker's own interface: no forces, one energy."""

    def reset(self) -> None: ...

    def evaluate(self, numbers: np.ndarray, fractional: np.ndarray, lattice: np.ndarray) -> tuple:
        return -5.0, np.zeros((len(numbers), 3)), np.zeros((3, 3))


def test_the_relaxer_adds_them_to_the_end_alone() -> None:
    oxide = cubic("Fm-3m", 4.21, ["Mg", "O"], ROCKSALT)
    raw = relax(oxide, Pairs())  # type: ignore[arg-type]
    end = relax(oxide, Pairs(), corrections=Corrections.MP2020, keep_frames=True)  # type: ignore[arg-type]
    assert (raw.energy_ev, end.failure) == (-5.0, None)
    assert end.energy_ev == pytest.approx(-5.0 - 4 * 0.687, abs=2e-3)
    assert end.frames[-1].energy_ev == -5.0, "a trajectory holds what the potential says"


def test_a_crystal_without_corrections_fails_alone_and_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from pymatgen.analysis import compatibility

    def drop(*_: object) -> None:
        raise compatibility.CompatibilityError("Unable to complete adjustments")

    monkeypatch.setattr(compatibility.MaterialsProject2020Compatibility, "get_adjustments", drop)
    end = relax(cubic("Fm-3m", 4.21, ["Mg", "O"], ROCKSALT), Pairs(), corrections=Corrections.MP2020)  # type: ignore[arg-type]
    assert (end.failure, end.detail) == (Failure.OUT_OF_DOMAIN, "MgO: Unable to complete adjustments")
    assert np.isnan(end.energy_ev)


def test_a_verifier_adds_them_where_the_level_says_so() -> None:
    oxide = cubic("Fm-3m", 4.21, ["Mg", "O"], ROCKSALT)
    energies = {}
    for corrections in ("none", "mp2020"):
        config = Verify(calculator="lj", processes=1, corrections=corrections).model_copy(update={"max_steps": 0})
        with ProcessVerifier(config) as verifier:
            (outcome,) = verifier.verify([Candidate("gl-1", oxide, "", "", "", 1)])
        assert outcome.ok, outcome.detail
        energies[verifier.level] = outcome.energy_ev
    raw, corrected = energies["lj-single-point"], energies["lj-mp2020-single-point"]
    assert corrected - raw == pytest.approx(-4 * 0.687, abs=2e-3)
