"""The hull of Mg-O by real DFT beside CHGNet's. With --long, and only where GPAW is installed (`make dft-test`)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, missing
from benchmarks.sizes import Effort, size

MP2020_OXIDE_EV_PER_O = 0.687
"""Wang et al., Scientific Reports 11, 15496 (2021): lowered by so much for each O of an oxide."""
AGREE_EV_PER_ATOM = 0.1


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    from gnome_lite.assemble import load_references
    from gnome_lite.campaign.higher_levels import competing_phases, of_system, phases_at
    from gnome_lite.config import Level, Verify
    from gnome_lite.core.errors import CalculatorError
    from gnome_lite.pipeline import silent
    from gnome_lite.stability.hull import build_hull
    from gnome_lite.verify.verifier import ProcessVerifier

    if not size("verification_dft.systems", effort):
        return
    verify = Verify(levels=("chgnet", "gpaw"), processes=1, level={"gpaw": Level(max_steps=0)})
    try:
        verifier = ProcessVerifier(verify.at("gpaw"))
    except CalculatorError:
        yield missing("Mg-O hull by GPAW", "GPAW")
        return
    below = load_references()
    known = competing_phases(below, build_hull(below), ["Mg-O"], 0.0001)
    with verifier, tempfile.TemporaryDirectory() as folder:
        made = of_system(phases_at(verifier, known, Path(folder) / "results.jsonl", silent)[0], "Mg-O")
    assert made is not None, "magnesium and oxygen have PAW datasets"
    dft, surrogate = (
        {formula: float(s.e_form_ev_per_atom[s.index(e.id)]) for e in known for formula in (e.crystal.reduced_formula,)}
        for s in (made, below)
    )
    distances = build_hull(made).distances(made.counts, made.e_form_ev_per_atom)
    yield Row("Mg-O hull by GPAW: phases on it", "1", float((np.abs(distances) < 1e-6).sum()), None, "", None)
    corrected = dft["MgO"] - MP2020_OXIDE_EV_PER_O / 2
    differ = corrected - surrogate["MgO"]
    yield Row(
        "MgO formation energy, GPAW PBE with the oxide correction, beside CHGNet's",
        "eV/atom",
        corrected,
        surrogate["MgO"],
        "chgnet",
        differ,
        f"within {AGREE_EV_PER_ATOM:g}",
        abs(differ) <= AGREE_EV_PER_ATOM,
    )
