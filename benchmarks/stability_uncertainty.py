"""Probabilities of being on the hull by sampling, beside the same draws through pymatgen's `PhaseDiagram`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.rows import Row, median_seconds, speed_row
from benchmarks.sizes import Effort, size

SIGMA_EV_PER_ATOM = 0.03


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

    from benchmarks.stability_hull import mp_entries
    from gnome_lite.stability.uncertainty import verdict_uncertainty

    n_entries, n_draws, their_draws = (
        size(f"stability_uncertainty.{what}", effort) for what in ("entries", "draws", "peer_draws")
    )
    entries = mp_entries()
    hull = entries.hull()
    above = np.array([v.e_above_hull_ev_per_atom for v in hull.verdicts(entries.ids)])
    of_interest = np.argsort(above, kind="stable")[:n_entries]
    ids = [entries.ids[i] for i in of_interest]

    def ours() -> np.ndarray:
        return verdict_uncertainty(hull, ids, SIGMA_EV_PER_ATOM, np.random.default_rng(0), draws=n_draws).p_on_hull

    seconds = median_seconds(ours, 1)
    rng = np.random.default_rng(1)
    on_hull = np.zeros(n_entries)
    started = time.perf_counter()
    for _ in range(their_draws):
        errors = rng.normal(0.0, SIGMA_EV_PER_ATOM, len(entries.theirs))
        drawn = [
            PDEntry(e.composition, e.energy + error * e.composition.num_atoms)
            for e, error in zip(entries.theirs, errors, strict=True)
        ]
        diagram = PhaseDiagram(drawn)
        on_hull += [(diagram.get_e_above_hull(drawn[i]) or 0.0) <= 5e-5 for i in of_interest]
    their_seconds = time.perf_counter() - started
    yield speed_row(
        f"P(on hull) of {n_entries} entries of Fe-Li-O-P, competing phases drawn too: draws of an entry", "1/s",
        n_entries * n_draws / seconds, n_entries * their_draws / their_seconds, f"pymatgen, {their_draws} draws",
    )  # fmt: skip
    compounds = (entries.counts[of_interest] > 0).sum(axis=1) > 1
    difference = float((ours() - on_hull / their_draws)[compounds].mean())
    yield Row(
        "their mean P(on hull), difference", "", difference, None, f"pymatgen, {their_draws} draws", None, "<= 0.02",
        abs(difference) <= 0.02,
    )  # fmt: skip
