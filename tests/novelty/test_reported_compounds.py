"""No reported compound counts as novel: the index of the references finds it, however it is written down."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.novelty_kinds import novelty_kind
from gnome_lite.core.origins import Origin, is_reported, origins
from gnome_lite.core.phases import PhaseSet
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.pipeline import CrystalIndex

MOST_ATOMS = 44
"""Of the largest cells that generators make and the table of reported compounds holds in full."""
MOVED_ANG = 0.02


@cache
def indexed() -> tuple[PhaseSet, CrystalIndex]:
    from gnome_lite.assemble import load_references

    references = load_references()
    index = CrystalNovelty().index()
    index.extend(references.ids, references.crystals)
    return references, index


def drawn() -> list[int]:
    """Return places of reported compounds: ten at random, and five of the largest, which are the hardest to match."""
    references, _ = indexed()
    small = references.crystals.n_atoms <= MOST_ATOMS
    reported = [i for i, source in enumerate(references.sources) if small[i] and is_reported(source)]
    largest = sorted(reported, key=lambda i: -int(references.crystals.n_atoms[i]))[:40]
    rng = np.random.default_rng(20)
    return [*rng.choice(reported, 10, replace=False).tolist(), *rng.choice(largest, 5, replace=False).tolist()]


def moved(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """The same crystal with every atom moved by `MOVED_ANG` in some direction."""
    step = rng.normal(size=(len(crystal), 3))
    step *= MOVED_ANG / np.linalg.norm(step, axis=1, keepdims=True)
    return Crystal.make(crystal.numbers, crystal.frac_coords + step @ np.linalg.inv(crystal.lattice), crystal.lattice)


@pytest.mark.parametrize("seed", range(2))
def test_a_reported_compound_in_another_setting_is_found(helpers: dict, seed: int) -> None:
    """In another cell of up to twice the atoms, with other axes, origin and volume, in another order, atoms moved."""
    references, index = indexed()
    rng = np.random.default_rng(seed)
    of_phase = dict(zip(references.ids, origins(references), strict=True))
    for i in drawn():
        crystal, own = references.crystals[i], references.ids[i]
        for other in (moved(crystal, rng), helpers["other"](crystal, rng), moved(helpers["other"](crystal, rng), rng)):
            matches = index.matches(other)
            assert own in matches, (own, references.formulas[i], len(crystal))
            assert novelty_kind((of_phase[m] for m in matches), [Origin.REPORTED]) is None
            assert index.find(other) is not None


def test_another_structure_of_a_reported_formula_is_new(helpers: dict) -> None:
    """Were everything found, finding would say nothing: sodium chloride as zinc blende is no reported compound."""
    from ase.build import bulk

    references, index = indexed()
    zinc_blende = Crystal.from_ase(bulk("NaCl", "zincblende", a=6.1))
    of_phase = dict(zip(references.ids, origins(references), strict=True))
    assert Origin.REPORTED not in {of_phase[m] for m in index.matches(zinc_blende)}
    rock_salt = Crystal.from_ase(bulk("NaCl", "rocksalt", a=5.64))
    assert Origin.REPORTED in {of_phase[m] for m in index.matches(rock_salt)}
