"""The Δ-model on a chemical system it has not seen: Fe-Li-O-P, 571 entries of the Materials Project (CC BY 4.0).

CHGNet at DFT geometries, as it is and corrected; the hull is that of the judged entries. "On the hull" is within 0.05
meV/atom of it. By default the shipped model is judged; with `long` the model is trained in this run, from nothing.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, data_dir
from benchmarks.sizes import Effort, size
from gnome_lite.analysis.dft_correction import judge_corrected
from gnome_lite.core.crystals import CrystalBatch, symbol
from gnome_lite.core.metrics import calibration_error
from gnome_lite.core.phases import formation_energies
from gnome_lite.core.records import STABLE_EV_PER_ATOM
from gnome_lite.core.surrogate_features import SurrogateFeatures
from gnome_lite.predict.delta import Corrected, DeltaModel, linear_energies
from gnome_lite.stability.hull import ChemicalHull
from gnome_lite.verify.chgnet.features import WIDTH

LEVEL, TARGET = "chgnet-0.3.0", "mp-GGA_GGA+U-MP2020"
SYSTEM = ("Fe", "Li", "O", "P")
MAX_ATOMS = 40
MAE_TARGET, ECE_TARGET, AP_GAIN, PRECISION_TARGET, RECALL = 0.032, 0.08, 0.05, 0.65, 0.68
MOMENT = 2 * WIDTH + 1
LABELS = ("mp20_val", "mpts52_val")


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The entries that are judged, n in all; what DFT says of them."""

    ids: tuple[str, ...]
    crystals: CrystalBatch
    features: SurrogateFeatures
    e_form_ev_per_atom: NDArray[np.float64]
    decomposition_ev_per_atom: NDArray[np.float64]
    oxide_types: tuple[str, ...]
    magnetisation: NDArray[np.float64]

    @property
    def stable(self) -> NDArray[np.bool_]:
        return self.decomposition_ev_per_atom <= STABLE_EV_PER_ATOM


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    """With `long` the model is trained in this run, and once more on shuffled labels: ten minutes."""
    from gnome_lite.assemble import make_describe, shipped_delta
    from gnome_lite.predict import delta
    from gnome_lite.predict.delta_train import DeltaPlan, train_delta
    from gnome_lite.sources.labelled import read_labelled

    data_dir()
    describe = make_describe(LEVEL)
    judged = judged_entries(describe)
    path = shipped_delta(LEVEL)
    if path is not None:
        yield from _rows(judged, delta.read(path), "", effort)
    if not size("verification_delta.trained", effort):
        return
    from gnome_lite.predict.build import join

    data = join([read_labelled(data_dir() / f"{name}.csv.gz") for name in LABELS])
    features = describe(data.crystals)
    plan = DeltaPlan(*(size(f"verification_delta.{what}", effort) for what in ("members", "epochs")))
    fresh = train_delta(features, data.e_form_ev_per_atom, LEVEL, TARGET, plan, SYSTEM)
    yield from _rows(judged, fresh, "trained in this run: ", effort)
    yield from _shuffled(features, data.e_form_ev_per_atom, effort)


def judged_entries(describe: Any) -> Judged:
    """Entries of at most MAX_ATOMS that CHGNet can know."""
    from gnome_lite.sources.pymatgen_json import structure_from_dict

    with gzip.open(data_dir() / "mp_entries_Fe-Li-O-P.json.gz", "rt", encoding="utf-8") as file:
        entries = [e for e in json.load(file) if len(e["structure"]["sites"]) <= MAX_ATOMS]
    crystals = CrystalBatch.from_crystals(structure_from_dict(e["structure"], e["entry_id"]) for e in entries)
    features = describe(crystals)
    known = np.flatnonzero(np.isfinite(features.energies_ev_per_atom[:, 0]))
    entries, crystals, features = [entries[i] for i in known], crystals.take(known), features.take(known)
    total = np.array([e["energy"] + e["correction"] for e in entries])
    e_form = formation_energies(crystals.counts, total, elemental(crystals, total / crystals.n_atoms))
    ids = tuple(e["entry_id"] for e in entries)
    moments = np.array(
        [sum(abs(s.get("properties", {}).get("magmom") or 0.0) for s in e["structure"]["sites"]) for e in entries]
    )
    away = decomposition(ids, crystals, e_form)
    kinds = tuple(e["data"].get("oxide_type") or "None" for e in entries)
    return Judged(ids, crystals, features, e_form, away, kinds, moments)


def elemental(crystals: CrystalBatch, ev_per_atom: NDArray[np.float64]) -> dict[str, float]:
    counts = crystals.counts
    alone = (counts > 0).sum(axis=1) == 1
    return {
        symbol(z): float(ev_per_atom[alone & (counts[:, z] > 0)].min())
        for z in np.flatnonzero(counts[alone].any(axis=0))
    }


def decomposition(ids: Sequence[str], crystals: CrystalBatch, e_form: NDArray[np.float64]) -> NDArray[np.float64]:
    verdicts = ChemicalHull("judged", ids, crystals.counts, e_form).verdicts(ids)
    return np.array([v.decomposition_ev_per_atom for v in verdicts])


def _rows(judged: Judged, model: DeltaModel, of: str, effort: Effort) -> Iterator[Row]:
    assert model.card.without == SYSTEM, "judged on what it was trained on"
    truth, stable = judged.e_form_ev_per_atom, judged.stable
    raw_energy = judged.features.energies_ev_per_atom[:, 0]
    raw = formation_energies(
        judged.crystals.counts, raw_energy * judged.crystals.n_atoms, elemental(judged.crystals, raw_energy)
    )
    corrected = _filled(model.correct(judged.features), raw)
    fixed = corrected.e_form_ev_per_atom
    raw_away = decomposition(judged.ids, judged.crystals, raw)
    away, p = judge_corrected(
        judged.ids, judged.crystals, corrected, range(len(truth)), size("verification_delta.draws", effort)
    )
    n, peer = len(truth), "CHGNet as it is"
    name = f"{of}{n} entries of Fe-Li-O-P, unseen system"
    errors, raw_errors = np.abs(fixed - truth), np.abs(raw - truth)
    mae, raw_mae = float(errors.mean()), float(raw_errors.mean())
    yield Row(
        f"{name}: MAE of the formation energy", "eV/atom", mae, raw_mae, peer, raw_mae / mae, f"<= {MAE_TARGET}",
        mae <= MAE_TARGET,
    )  # fmt: skip
    linear = float(np.abs(corrected.linear_ev_per_atom - truth).mean())
    yield Row("the same, one number an element only", "eV/atom", linear, raw_mae, peer, raw_mae / linear)
    ours, theirs = (float(np.abs(d - judged.decomposition_ev_per_atom).mean()) for d in (away, raw_away))
    yield Row(f"{name}: MAE of the decomposition energy", "eV/atom", ours, theirs, peer, theirs / ours)
    ece = calibration_error(p, stable, 10)
    assert ece is not None
    raw_ece = float((stable != (raw_away <= STABLE_EV_PER_ATOM)).mean())
    yield Row(
        f"{name}: calibration error of P(DFT-stable)", "", ece, raw_ece, f"{peer}, as 0 or 1", raw_ece / ece,
        f"<= {ECE_TARGET}", ece <= ECE_TARGET,
    )  # fmt: skip
    near = p > 0.02
    near_ece = calibration_error(p[near], stable[near])
    assert near_ece is not None
    yield Row(f"the same, {int(near.sum())} entries with P > 0.02", "", near_ece, None, "", None)
    ap, raw_ap = average_precision(stable, p), average_precision(stable, -raw_away)
    yield Row(
        f"{name}: average precision of P(DFT-stable)", "", ap, raw_ap, peer, ap - raw_ap, f">= {AP_GAIN} more",
        ap - raw_ap >= AP_GAIN,
    )  # fmt: skip
    gains = _resampled_gains(stable, p, -raw_away, size("verification_delta.resamples", effort))
    yield Row("the same gain, standard deviation over resampled entries", "", float(gains.std()), None, "", None)
    yield Row(
        "the same gain, share of resamples in which it is positive", "", float((gains > 0).mean()), None, "", None
    )
    energies_only = average_precision(stable, -away)
    yield Row(
        "the same, ranked by the corrected energies alone", "", energies_only, raw_ap, peer, energies_only - raw_ap
    )
    at, raw_at = precision_at(stable, p, RECALL), precision_at(stable, -raw_away, RECALL)
    yield Row(
        f"{name}: precision at recall {RECALL}", "", at, raw_at, peer, at - raw_at, f">= {PRECISION_TARGET}",
        at >= PRECISION_TARGET,
    )  # fmt: skip
    said, raw_said = p > 0.5, raw_away <= STABLE_EV_PER_ATOM
    yield Row(
        f"precision of P > 0.5 ({int(said.sum())} entries)",
        "",
        _share(stable, said),
        _share(stable, raw_said),
        peer,
        None,
    )
    yield Row("recall of P > 0.5", "", _share(said, stable), _share(raw_said, stable), peer, None)
    yield from _apart(judged, errors, raw_errors, p, raw_away)
    yield from _remainder(judged, corrected, p)


def _resampled_gains(
    stable: NDArray[np.bool_], ours: NDArray[np.float64], theirs: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Gains in average precision, entries drawn with replacement, [n]: few are stable, so none is sure."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(stable), size=(n, len(stable)))
    return np.array([average_precision(stable[d], ours[d]) - average_precision(stable[d], theirs[d]) for d in draws])


def _filled(c: Corrected, raw: NDArray[np.float64]) -> Corrected:
    """What one of the potentials does not know stays as the other has it, with a wide spread, and is judged, too."""
    lost = ~np.isfinite(c.e_form_ev_per_atom)
    return Corrected(
        np.where(lost, raw, c.e_form_ev_per_atom),
        np.where(lost, raw, c.linear_ev_per_atom),
        np.where(lost, 0.1, c.own_ev_per_atom),
        np.where(lost[:, None], 0.0, c.shared_ev_per_atom),
    )


def _apart(
    judged: Judged,
    errors: NDArray[np.float64],
    raw_errors: NDArray[np.float64],
    p: NDArray[np.float64],
    raw_away: NDArray[np.float64],
) -> Iterator[Row]:
    """Magnetic, ordering and anion-rich systems by themselves."""
    counts, stable = judged.crystals.counts, judged.stable
    copies = _copies(judged) > 1
    parts = {
        "with iron and oxygen (magnetic), no phosphorus": (counts[:, 26] > 0)
        & (counts[:, 8] > 0)
        & (counts[:, 15] == 0),
        "with iron, oxygen and phosphorus": (counts[:, 26] > 0) & (counts[:, 8] > 0) & (counts[:, 15] > 0),
        "without iron": counts[:, 26] == 0,
        "one structure several times (magnetic or ionic orderings)": copies,
        "each structure once": ~copies,
        "anion-rich (peroxide, superoxide, ozonide)": np.isin(
            judged.oxide_types, ("peroxide", "superoxide", "ozonide")
        ),
        "more than 20 atoms": judged.crystals.n_atoms > 20,
    }
    for title, which in parts.items():
        of, theirs = float(errors[which].mean()), float(raw_errors[which].mean())
        yield Row(f"MAE, {int(which.sum())} {title}", "eV/atom", of, theirs, "CHGNet as it is", theirs / of)
        if stable[which].any():
            ap, raw_ap = average_precision(stable[which], p[which]), average_precision(stable[which], -raw_away[which])
            name = f"average precision, {title} ({int(stable[which].sum())} stable)"
            yield Row(name, "", ap, raw_ap, "CHGNet as it is", ap - raw_ap)


def _remainder(judged: Judged, corrected: Corrected, p: NDArray[np.float64]) -> Iterator[Row]:
    """What the remaining error is made of."""
    error = corrected.e_form_ev_per_atom - judged.e_form_ev_per_atom
    truth, stable = judged.e_form_ev_per_atom, judged.stable
    groups = _groups(judged)
    many = [g for g in groups if len(g) > 1]
    spans = np.array([np.ptp(truth[g]) for g in many])
    ours = np.array([np.ptp(corrected.e_form_ev_per_atom[g]) for g in many])
    title = f"DFT energies of one structure, {len(many)} structures computed more than once, differ by (mean)"
    yield Row(title, "eV/atom", float(spans.mean()), float(ours.mean()), "the same, corrected CHGNet", None)
    yield Row("the same, 90th percentile", "eV/atom", float(np.quantile(spans, 0.9)), None, "", None)
    within = np.concatenate([truth[g] - truth[g].mean() for g in many])
    share = float((within**2).sum() / (error[np.concatenate(many)] ** 2).sum())
    yield Row("share of their squared error that no function of the structure can remove", "", share, None, "", None)
    worst = np.argsort(-np.abs(error))[: len(error) // 20]
    share = float((error[worst] ** 2).sum() / (error**2).sum())
    yield Row(f"share of all squared error in the worst 5 % ({len(worst)} entries)", "", share, None, "", None)
    high = worst[error[worst] < 0]
    title = "of these, share whose DFT energy lies above the corrected one"
    yield Row(title, "", len(high) / len(worst), None, "", None)
    moments = np.bincount(judged.crystals.crystal_of_atom, judged.features.atoms[:, MOMENT], len(error))
    quenched = float((judged.magnetisation[high] < 0.8 * moments[high]).mean())
    yield Row(
        "of those, share with less than 0.8 of the magnetic moments that CHGNet expects", "", quenched, None, "", None
    )
    on = np.array([stable[g].any() for g in groups])
    highest = np.array([p[g].max() for g in groups])
    ap = average_precision(on, highest)
    yield Row(f"average precision, each of {len(groups)} structures once", "", ap, None, "", None)
    yield Row("the same, precision at recall 0.68", "", precision_at(on, highest, RECALL), None, "", None)


def _copies(judged: Judged) -> NDArray[np.int64]:
    """How often each entry's structure is there, [n]."""
    out = np.ones(len(judged.ids), dtype=np.int64)
    for group in _groups(judged):
        out[group] = len(group)
    return out


def _groups(judged: Judged) -> list[NDArray[np.int64]]:
    """Entries of one structure (spins are no part of a structure)."""
    from gnome_lite.novelty.matcher.index import groups

    leader = groups(judged.crystals)
    return [np.flatnonzero(leader == first) for first in np.unique(leader)]


def _shuffled(features: SurrogateFeatures, labels: NDArray[np.float64], effort: Effort) -> Iterator[Row]:
    """The same training with residuals dealt out at random must not beat one number an element on held-out systems."""
    from gnome_lite.predict.delta_train import DeltaPlan, train_delta

    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(len(features), size("verification_delta.shuffled", effort), replace=False))
    some, real = features.take(rows), labels[rows]
    plan = DeltaPlan(epochs=size("verification_delta.epochs_shuffled", effort))
    true = train_delta(some, real, LEVEL, TARGET, plan, SYSTEM)
    linear = linear_energies(some, true.scaling)
    dealt = linear + (real - linear)[rng.permutation(len(real))]
    false = train_delta(some, dealt, LEVEL, TARGET, plan, SYSTEM)
    for title, card in (("real", true.card), ("shuffled", false.card)):
        gain = 1 - card.holdout_mae_ev_per_atom / card.linear_mae_ev_per_atom
        wanted = gain <= 0.02 if title == "shuffled" else None
        yield Row(
            f"held-out error removed beyond one number an element, {len(rows):,} {title} labels", "", gain, None, "",
            None,
            "<= 0.02" if title == "shuffled" else "", wanted,
        )  # fmt: skip


def average_precision(stable: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Mean precision at each stable crystal, from the highest score down; ties count as their mean."""
    levels, inverse = np.unique(-score, return_inverse=True)
    hits = np.bincount(inverse, stable, len(levels))
    precision = np.cumsum(hits) / np.cumsum(np.bincount(inverse, minlength=len(levels)))
    return float((precision * hits).sum() / stable.sum())


def precision_at(stable: NDArray[np.bool_], score: NDArray[np.float64], recall: float) -> float:
    """Highest precision of any cut that reaches a recall."""
    levels, inverse = np.unique(-score, return_inverse=True)
    hits = np.cumsum(np.bincount(inverse, stable, len(levels)))
    taken = np.cumsum(np.bincount(inverse, minlength=len(levels)))
    return float((hits / taken)[hits >= recall * stable.sum() - 1e-9].max())


def _share(wanted: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return float(wanted[among].mean()) if among.any() else float("nan")
