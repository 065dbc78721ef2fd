"""Substitution of whole ions and of parts of ions: how fast, and whether equal to brute force under the same rules."""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import numpy as np

from benchmarks.rows import Row, median_seconds, speed_row
from benchmarks.sizes import Effort, size
from gnome_lite.chemistry.elements import CHGNET_MAX_Z
from gnome_lite.chemistry.oxidation import oxidation_states
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import symbol
from gnome_lite.core.phases import PhaseSet

THRESHOLD = 1e-3
FLOOR = -5.0
"""pymatgen's weight of pairs that were never observed."""
MAX_SITES = 6
"""Brute force compares up to 2^6 structures with one another."""


def measure(effort: Effort = Effort.DEFAULT) -> list[Row]:
    from gnome_lite.sources.bundled_seed import SeedSource

    seed = SeedSource().load()
    return [
        *whole_ions(seed, size("candidates_substitution.parents", effort)),
        *partial_ions(seed.take(np.arange(min(len(seed), size("candidates_substitution.partial", effort))))),
        *site_choices(seed, size("candidates_substitution.small_cells", effort)),
    ]


def whole_ions(seed: PhaseSet, n_parents: int) -> list[Row]:
    """All substitutions of the same parents, all elements allowed, made into crystals.

    pymatgen takes about half a second for each parent.
    """
    from pymatgen.analysis.structure_prediction.substitutor import Substitutor
    from pymatgen.core import Species, Structure
    from pymatgen.transformations.standard_transformations import SubstitutionTransformation

    from gnome_lite.generate.enumeration import ParentSpecies
    from gnome_lite.generate.probabilities import SubstitutionTable, substitution_table
    from gnome_lite.generate.substitution import IonicSubstitution

    class WithPymatgensFloor(IonicSubstitution):
        def table(self) -> SubstitutionTable:
            return substitution_table(FLOOR)

    table = substitution_table(FLOOR)
    substitutor = Substitutor(threshold=THRESHOLD, alpha=FLOOR)
    known = set(substitutor.get_allowed_species())
    chosen: list[int] = []
    decorated: list[Structure] = []
    for i in np.random.default_rng(0).permutation(len(seed)).tolist():
        charges = oxidation_states(seed.crystals[i])
        if charges is None:
            continue
        structure = seed.crystals[i].to_pymatgen()
        structure.add_oxidation_state_by_site(charges.tolist())
        if set(structure.composition.elements) <= known:
            chosen.append(i)
            decorated.append(structure)
        if len(chosen) == n_parents:
            break
    parents, ids = seed.crystals.take(chosen), [seed.ids[i] for i in chosen]
    space = Space(
        elements=tuple(sorted({s.symbol for s in known})), min_elements=1, max_elements=8, allow_radioactive=True
    )

    def generator() -> IonicSubstitution:
        return WithPymatgensFloor(space, Generate(threshold=THRESHOLD))

    def ours() -> int:
        return sum(len(pool) for pool in generator().generate(parents, ids, 1, np.random.default_rng(0)))

    ours_per_s = ours() / median_seconds(ours, 5)
    started = time.perf_counter()
    predictions = [substitutor.pred_from_comp(structure.composition) for structure in decorated]
    made = [
        SubstitutionTransformation(p["substitutions"]).apply_transformation(structure)
        for structure, found in zip(decorated, predictions, strict=True)
        for p in found
    ]
    theirs_per_s = len(made) / (time.perf_counter() - started)

    same = 0
    for structure, found in zip(decorated, predictions, strict=True):
        species = sorted(
            (s.Z, round(s.oxi_state or 0.0)) for s in structure.composition.elements if isinstance(s, Species)
        )
        numbers, states = zip(*species, strict=True)
        atoms = tuple(int(structure.composition[Species(symbol(z), q)]) for z, q in species)
        new = generator().substitutions(ParentSpecies(numbers, states, atoms))
        # pymatgen also multiplies the probability of each ion that stays.
        stays = (new.z == [z for z, _ in species]) & (new.charges == [q for _, q in species])
        rows = [row for z, q in species if (row := table.index(z, q)) is not None]
        likely = new.log_p + stays @ table.log_p[rows, rows] > np.log(THRESHOLD)
        mine = {tuple(z) for z in new.z[likely].tolist()}
        theirs = {
            tuple(p["substitutions"][Species(symbol(z), q)].Z for z, q in species)
            for p in found
            if _sensible(species, p["substitutions"])
        }
        same += mine == theirs
    return [
        speed_row(
            f"whole-ion substitution of {n_parents} parents, crystals made",
            "candidates/s",
            ours_per_s,
            theirs_per_s,
            "pymatgen Substitutor",
            200.0,
        ),
        Row(
            "parents whose substitutions are pymatgen's (floor -5, ions that stay counted)",
            "",
            same,
            n_parents,
            "parents",
            None,
            "all",
            same == n_parents,
        ),
    ]


def partial_ions(seed: PhaseSet) -> list[Row]:
    """SAPS of the whole seed in the default space: first chunk, then everything."""
    from gnome_lite.generate.partial import PartialSubstitution

    generator = PartialSubstitution(Space(), Generate())
    ids = list(seed.ids)
    started = time.perf_counter()
    first_s, made, classes = 0.0, 0, 0
    for pool in generator.generate(seed.crystals, ids, 1, np.random.default_rng(0)):
        first_s = first_s or time.perf_counter() - started
        made += len(pool)
        classes += int(pool.multiplicities.sum())
    seconds = time.perf_counter() - started
    return [
        Row("partial substitution (SAPS) of the seed, seconds to the first chunk", "s", first_s, None, "", None),
        Row("partial substitution (SAPS) of the seed, candidates", "", made, None, "", None),
        Row(
            "partial substitution (SAPS) of the seed, crystals made",
            "candidates/s",
            made / seconds,
            None,
            "",
            None,
            ">= 20000",
            made / seconds >= 20000,
        ),
        Row(
            "symmetry-equivalent choices that one candidate of SAPS stands for, mean",
            "",
            classes / made,
            None,
            "",
            None,
        ),
    ]


def site_choices(seed: PhaseSet, n: int) -> list[Row]:
    """Inequivalent choices of an ion's sites in small primitive cells, against comparing all structures."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    from gnome_lite.chemistry.symmetry import primitive, symmetry
    from gnome_lite.generate.decorations import decorations
    from gnome_lite.generate.supercells import SiteSymmetry

    matcher = StructureMatcher(ltol=0.01, stol=0.02, angle_tol=0.5, primitive_cell=False, attempt_supercell=False)
    ours_s = theirs_s = 0.0
    ours, theirs = [], []
    for i in np.random.default_rng(1).permutation(len(seed)).tolist():
        found = symmetry(seed.crystals[i], 0.1)
        if found is None:
            continue
        cell = primitive(found)
        kinds, site, counts = np.unique(cell.numbers, return_inverse=True, return_counts=True)
        if not (len(kinds) > 1 and 2 < counts.max() <= MAX_SITES):
            continue
        started = time.perf_counter()
        sites = SiteSymmetry.of(cell, 0.01)
        mine = 0 if sites is None else len(decorations(sites, site, 1, len(cell), 1 << MAX_SITES, 10**6).choices)
        ours_s += time.perf_counter() - started
        started = time.perf_counter()
        groups = 0
        for kind in range(len(kinds)):
            own = np.flatnonzero(site == kind)
            for n_replaced in range(1, len(own)):
                replaced = []
                for chosen in combinations(own, n_replaced):
                    structure = cell.to_pymatgen()
                    for at in chosen:
                        structure.replace(at, "X")
                    replaced.append(structure)
                groups += len(matcher.group_structures(replaced))
        theirs_s += time.perf_counter() - started
        ours.append(mine)
        theirs.append(groups)
        if len(ours) == n:
            break
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    return [
        speed_row(
            f"inequivalent choices of sites in {n} small cells",
            "classes/s",
            sum(ours) / ours_s,
            sum(theirs) / theirs_s,
            "all choices + pymatgen StructureMatcher",
        ),
        Row(
            "small cells with as many classes as StructureMatcher finds groups",
            "",
            same,
            n,
            "cells",
            None,
            "all",
            same == n,
        ),
    ]


def _sensible(species: list[tuple[int, int]], substitutions: dict[Any, Any]) -> bool:
    """Return whether CHGNet knows all elements, one changes, and none becomes both cation and anion."""
    changed = any(a.Z != b.Z for a, b in substitutions.items())
    cations, anions = ({s.Z for s in substitutions.values() if s.oxi_state * sign > 0} for sign in (1, -1))
    parent_cations, parent_anions = ({z for z, q in species if q * sign > 0} for sign in (1, -1))
    known = all(s.Z <= CHGNET_MAX_Z for s in substitutions.values())
    return changed and known and not (cations & anions) - (parent_cations & parent_anions)
