"""A judged campaign whose known crystals lie in a file that a test can change."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gnome_lite.campaign.context import Seen
from gnome_lite.campaign.reevaluate import first_verdict
from gnome_lite.config import CampaignConfig, Sources
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.records import CandidatePool, Credibility, Verification
from gnome_lite.pipeline import Source
from gnome_lite.sources.file_references import FileSource
from gnome_lite.stability.hull import build_hull
from gnome_lite.store.database import SqlStore

LEVEL = "test-1"
FCC = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
LIO = Crystal.make([3, 8], [[0, 0, 0], [0.5, 0.5, 0.5]], 4.2 * FCC)
LI2O = Crystal.make([3, 3, 8], [[0.25] * 3, [0.75] * 3, [0, 0, 0]], 4.6 * FCC)


def write_known(path: Path, with_li2o: bool) -> Source:
    """Lithium and oxygen at -1 eV/atom; Li2O 2 eV/atom below them."""
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    known = [(Crystal.make([z], [[0, 0, 0]], 2.8 * np.eye(3)), -1.0) for z in (3, 8)]
    known += [(LI2O, -9.0)] if with_li2o else []
    frames = []
    for crystal, energy in known:
        atoms = crystal.to_ase()
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        frames.append(atoms)
    write(path, frames, format="extxyz")
    return FileSource((path,), LEVEL)


def judged(home: Path) -> SqlStore:
    """LiO, 1 eV/atom below the elements and on the hull, in the store of `home`; beside it the file known.extxyz."""
    store = SqlStore.open(home / "store.sqlite")
    file = home / "known.extxyz"
    references = write_known(file, with_li2o=False).load()
    store.begin(CampaignConfig(name="oxides", sources=Sources(seed=False, files=(file,))), references)
    batch = CrystalBatch.from_crystals([LIO])
    pool = CandidatePool(batch, ("",), ("",), ("test",), np.array([0.5]), np.array([1]), 1)
    store.add_candidates("oxides", pool, ["LiO"], {})
    store.add_selection("oxides", 1, [LIO.content_id], [], {})
    outcome = Verification(LIO.content_id, LIO, -4.0, 0.01, 5, True, LEVEL, 1.0)
    store.add_verification("oxides", 1, outcome)
    hull = build_hull(references.add([outcome]))
    (place,) = hull.verdicts([LIO.content_id])
    seen = Seen(True, None, "", Credibility(False, (), None, False), NoveltyKind.FORMULA)
    store.add_verdicts("oxides", 1, [first_verdict(LIO.content_id, place, LEVEL, seen)], {"hull": hull.id})
    return store
