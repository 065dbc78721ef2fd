"""The seed from outcomes: failures, duplicates and artefacts are left out, and inputs keep their unrelaxed crystals."""

from __future__ import annotations

import math

import numpy as np

from gnome_lite.assemble import make_novelty
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Failure, Phase, Verification
from gnome_lite.pipeline import silent
from gnome_lite.seed.make import collect, summary

ROCKSALT = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2


def element(z: int, length: float = 4.0) -> Crystal:
    return Crystal.make([z], [[0, 0, 0]], ROCKSALT * length)


def rocksalt(a: int, b: int, length: float) -> Crystal:
    return Crystal.make([a, b], [[0, 0, 0], [0.5, 0.5, 0.5]], ROCKSALT * length)


# Name: crystal before, crystal after, energy of the cell in eV (NaN: failed).
CASES = {
    "Na": (element(11), element(11, 4.1), 0.0),
    "Cl": (element(17), element(17), 0.0),
    "Cl far apart": (element(17), element(17, 6.0), -9.0),
    "NaCl": (rocksalt(11, 17, 5.5), rocksalt(11, 17, 5.6), -4.0),
    "NaCl, less relaxed": (rocksalt(11, 17, 5.3), rocksalt(11, 17, 5.61), -3.99),
    "ClNa of a bad start": (rocksalt(11, 17, 9.0), Crystal.make([11, 17], [[0, 0, 0], [0.5] * 3], 3 * np.eye(3)), 9.0),
    "NaF without fluorine": (rocksalt(11, 9, 4.6), rocksalt(11, 9, 4.6), -6.0),
    "failed": (rocksalt(11, 17, 4.0), rocksalt(11, 17, 4.0), math.nan),
}


def test_what_is_left_is_sound_and_unlike() -> None:
    candidates = [
        Candidate(name, before, "parent", "prototypes", "Na -> Na", 0) for name, (before, _, _) in CASES.items()
    ]
    outcomes = {
        name: Verification(
            name, after, energy, 0.0, 1, True, "L", 2.0, Failure.EXPLODED if math.isnan(energy) else None
        )
        for name, (_, after, energy) in CASES.items()
    }
    entries, inputs = collect(candidates, outcomes, make_novelty(), silent)
    references = PhaseSet.make(entries)
    assert sorted(references.formulas) == ["Cl2", "Na", "NaCl"]
    assert references.elemental_ev_per_atom == {"Na": 0.0, "Cl": 0.0}
    (salt,) = (p for p in inputs if p.crystal.reduced_formula == "NaCl")
    assert salt.crystal is CASES["NaCl"][0]
    assert (salt.energy_ev, salt.source) == (-4.0, "gnome_lite seed, prototypes: parent Na -> Na")
    assert {p.id for p in inputs} == set(references.ids)
    figures = summary(candidates, outcomes)
    assert figures == {"tried": {"prototypes": 8}, "failed": {"exploded": 1}, "seconds": 16.0}


def test_beside_others_only_what_is_new_is_kept_and_their_elements_are_the_references() -> None:
    there = [
        Phase(name, crystal, energy, "L", "test", "test", "")
        for name, crystal, energy in (
            ("Na", element(11), 0.0), ("Cl", element(17), 0.0), ("NaCl", rocksalt(11, 17, 5.6), -4.0)
        )
    ]  # fmt: skip
    cesium = Crystal.make([11, 17], [[0, 0, 0], [0.5] * 3], 3.5 * np.eye(3))
    found = {"same": (rocksalt(11, 17, 5.61), -3.99), "new": (cesium, -3.9)}
    candidates = [Candidate(name, crystal, "parent", "random", "", 0) for name, (crystal, _) in found.items()]
    outcomes = {name: Verification(name, c, e, 0.0, 1, True, "L", 2.0, None) for name, (c, e) in found.items()}
    entries, _ = collect(candidates, outcomes, make_novelty(), silent, PhaseSet.make(there))
    (entry,) = entries
    assert entry.energy_ev == -3.9
