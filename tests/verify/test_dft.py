"""Real DFT through the same code as everything else: `make dft-test` installs Debian's GPAW and runs these."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk

from gnome_lite.cli import main
from gnome_lite.config import CampaignConfig, Level, Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Candidate, Failure
from gnome_lite.sources.reference_files import read_references
from gnome_lite.verify.calculators import level_of
from gnome_lite.verify.verifier import ProcessVerifier

pytestmark = pytest.mark.usefixtures("gpaw")

KPOINTS = {"kpoint_density": 2.0}
LEVELS = Verify(levels=("chgnet", "gpaw"), processes=1, level={"gpaw": Level(calculator_kwargs=KPOINTS, max_steps=20)})
MP2020_OXIDE_EV_PER_O = 0.687
"""Lowered by so much for each O in an oxide: Wang et al., Scientific Reports 11, 15496 (2021), table 1."""


@pytest.mark.dft
def test_the_level_names_version_settings_and_datasets() -> None:
    name, version, xc, cutoff, density, datasets, arguments = level_of("gpaw", KPOINTS).split("-")
    assert (name, xc, cutoff, density) == ("gpaw", "PBE", "PW800", "K2")
    assert version[0].isdigit()
    assert len(datasets) == len(arguments) == 8
    assert level_of("gpaw", {"ecut_ev": 500}) != level_of("gpaw")


def test_silicon_relaxes_in_few_steps() -> None:
    """Small settings, and a start from which the number of k-points would change; runs wherever GPAW is installed."""
    small = {"ecut_ev": 250.0, "kpoint_density": 2.0, "smearing_ev": 0.1}
    verify = Verify(calculator="gpaw", calculator_kwargs=small, processes=1, max_steps=12, symmetry="kept")
    with ProcessVerifier(verify) as verifier:
        (v,) = verifier.verify([Candidate("Si", Crystal.from_ase(bulk("Si", "diamond", a=5.40)), "", "", "", 1)])
    assert v.ok, v.detail
    assert (4 * v.crystal.volume) ** (1 / 3) == pytest.approx(5.474, rel=0.02)


@pytest.mark.dft
def test_lattices_are_those_of_pbe() -> None:
    """Si 5.47 Å, MgO 4.26 Å: PBE, all-electron (Haas, Tran, Blaha, Phys. Rev. B 79, 085104 (2009), table II)."""
    known = {"Si": ("diamond", 5.40, 5.474), "MgO": ("rocksalt", 4.20, 4.261)}
    crystals = {name: Crystal.from_ase(bulk(name, kind, a=a)) for name, (kind, a, _) in known.items()}
    crystals["Po"] = Crystal.from_ase(bulk("Po", "sc", a=3.35))
    with ProcessVerifier(LEVELS.at("gpaw")) as verifier:
        assert verifier.level == level_of("gpaw", KPOINTS)
        outcomes = {
            v.candidate_id: v for v in verifier.verify([Candidate(n, c, "", "", "", 1) for n, c in crystals.items()])
        }
    assert outcomes.pop("Po").failure is Failure.OUT_OF_DOMAIN, "no PAW dataset"
    for name, v in outcomes.items():
        assert v.ok, v.detail
        assert (4 * v.crystal.volume) ** (1 / 3) == pytest.approx(known[name][2], rel=0.01)


@pytest.mark.dft
def test_a_hull_of_dft_energies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mg-O at PBE beside CHGNet's: they differ by the oxide correction that CHGNet's labels carry and PBE does not."""
    out = tmp_path / "mg-o.parquet"
    arguments = ["--set", "kpoint_density=2.0", "--single-point", "--within", "0.0001", "--home", str(tmp_path)]
    assert main(["references", "Mg-O", "--level", "gpaw", "--out", str(out), *arguments]) == 0
    said = capsys.readouterr()
    assert "3 phases written" in said.err
    entries = {e.crystal.reduced_formula: e for e in read_references(out)}
    assert set(entries) == {"Mg", "O2", "MgO"}
    assert {e.level for e in entries.values()} == {level_of("gpaw", KPOINTS) + "-single-point"}
    per_atom = {formula: e.energy_ev_per_atom for formula, e in entries.items()}
    formation = per_atom["MgO"] - (per_atom["Mg"] + per_atom["O2"]) / 2
    from gnome_lite.assemble import load_references

    seed = load_references(CampaignConfig())
    chgnet = min(f for e, f in zip(seed, seed.e_form_ev_per_atom, strict=True) if e.crystal.reduced_formula == "MgO")
    assert formation - MP2020_OXIDE_EV_PER_O / 2 == pytest.approx(chgnet, abs=0.1)
    # Known by its level, so it is a reference set of a campaign at that level, and of no other.
    assert main(["references", "Mg-O", "--level", "gpaw", "--out", str(out), *arguments]) == 0
    assert "3 phases written" in capsys.readouterr().err, "from the results log"
