"""What a dearer level says of a labelled pool's finds: here a level that shifts every nitride by 0.2 eV/atom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples.seed_pool import write_seed_pool

from gnome_lite.core.errors import SourceError
from gnome_lite.core.records import Candidate, Verification
from gnome_lite.evaluation.higher_truth import FIND, FIND_EV_PER_ATOM, finds, read_higher_truth, verify_higher
from gnome_lite.evaluation.replay_setup import open_truth
from gnome_lite.sources.reference_files import write_references

ELEMENTS = ("Li", "O", "Fe", "P")


class Dear:
    """Gives back crystals as they are, with energies that a table holds, shifted where there is a metal of one kind."""

    level = "dear-1"

    def __init__(self, energies: dict[str, float], z: int) -> None:
        self.energies, self.z, self.asked = energies, z, list[str]()

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        for c in candidates:
            self.asked.append(c.id)
            shift = 0.2 * int((c.crystal.numbers == self.z).sum()) * (len(set(c.crystal.numbers.tolist())) > 1)
            yield Verification(c.id, c.crystal, self.energies[c.id] + shift, 0.0, 1, True, self.level, 0.1)


def test_finds_are_judged_on_the_dearer_hull(tmp_path: Path) -> None:
    write_seed_pool(tmp_path, ELEMENTS, fail_every=9)
    truth = open_truth(tmp_path)
    rows, below, _ = finds(truth)
    assert rows
    assert (np.abs(below) < 1).all()
    assert all(truth.novel[i] for i in rows)
    energies = {v.candidate_id: v.energy_ev for v in truth.labelled.outcomes}
    energies |= dict(zip(truth.references.ids, truth.references.energies_ev.tolist(), strict=True))
    z = int(truth.start[rows[0]].numbers.max())
    dear = Dear(energies, z)
    made = verify_higher(truth, dear, tmp_path / "log.jsonl")
    assert sum(p.source.endswith(FIND) for p in made) == len(rows)
    again = Dear(energies, z)
    assert len(verify_higher(truth, again, tmp_path / "log.jsonl")) == len(made)
    assert not again.asked, "what the log holds is not computed again"

    write_references(tmp_path / "higher.parquet", made)
    higher = read_higher_truth(tmp_path / "higher.parquet", truth)
    assert higher.level == "dear-1"
    assert len(higher.ids) == len(higher.below) == len(higher.stable)
    without = np.array([not (c.numbers == z).any() for c in higher.below])
    at_most = FIND_EV_PER_ATOM + 1e-6
    assert (higher.decomposition_ev_per_atom[without] <= higher.below_ev_per_atom[without] + at_most).all()
    assert higher.decomposition_ev_per_atom[~without].mean() > higher.below_ev_per_atom[~without].mean()

    write_references(tmp_path / "other.parquet", [replace(p, id=f"x{p.id}") for p in made])
    with pytest.raises(SourceError, match="another labelled pool"):
        read_higher_truth(tmp_path / "other.parquet", truth)
