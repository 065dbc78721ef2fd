"""The shipped DFT-scale ensemble on crystals of formulas it never saw, and on unrelaxed crystals.

Trained on the training part (by formula) of the validation sets of MP-20 and MPTS-52 (Materials Project, CC BY 4.0).
"""

from __future__ import annotations

import io
import tarfile
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks import prediction_cgcnn
from benchmarks.rows import Row, data_dir
from benchmarks.sizes import Effort, size
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.predict.ensemble import Ensemble

LEVEL = "mp-GGA_GGA+U-MP2020"
SETS = {"mp20_val": "MP-20", "mpts52_val": "MPTS-52"}
VOLUMES = {20: "20 volumes", 0: "three volumes", 1: "the volume it has"}
MAE_TARGET, PAIR_TARGET, SPEARMAN_TARGET = 0.035, 0.030, 0.35


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    """Yield the rows; a long run has them beside a CGCNN trained in it, a quarter of an hour."""
    from scipy.stats import spearmanr

    from gnome_lite.assemble import shipped_model
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.build import join, split
    from gnome_lite.predict.train import in_training
    from gnome_lite.sources.labelled import read_labelled

    path = shipped_model(LEVEL)
    if path is None:
        raise FileNotFoundError(f"no ensemble for {LEVEL} is shipped")
    ensemble = Ensemble(checkpoint.read(path))
    sets = {title: read_labelled(data_dir() / f"{name}.csv.gz") for name, title in SETS.items()}
    training, _ = split(join(list(sets.values())))
    mean = training.e_form_ev_per_atom.mean()
    epochs = size("prediction_dft.cgcnn_epochs", effort)
    cgcnn = prediction_cgcnn.train(training, epochs) if epochs else None
    spreads, errors = [], []
    for title, data in sets.items():
        held = data.take(~in_training(data.crystals.reduced_formulas()))
        truth = held.e_form_ev_per_atom
        predicted, spread = ensemble.predict(held.crystals)
        known = np.isfinite(predicted)
        error = (predicted - truth)[known]
        mae, baseline = float(np.abs(error).mean()), float(np.abs(truth - mean)[known].mean())
        of = f"{int(known.sum())} of {len(truth)} crystals of {title}, formulas never seen"
        ok = mae <= MAE_TARGET if title == "MP-20" else None
        target = f"<= {MAE_TARGET}" if title == "MP-20" else ""
        yield Row(f"MAE on {of}", "eV/atom", mae, baseline, "mean of the training set", baseline / mae, target, ok)
        if cgcnn is not None:
            theirs = cgcnn(held)
            both = known & np.isfinite(theirs)
            peer, ours = (float(np.abs(e - truth)[both].mean()) for e in (theirs, predicted))
            yield Row(f"MAE on {of}", "eV/atom", ours, peer, "CGCNN trained in this run", peer / ours)
        r2 = 1 - float(np.sum(error**2) / np.sum((truth[known] - truth[known].mean()) ** 2))
        yield Row("the same, R2", "", r2, None, "", None)
        spreads.append(spread[known])
        errors.append(error)
        rank = float(spearmanr(spreads[-1], np.abs(error)).statistic)
        yield Row("the same, rank correlation of spread and error", "", rank, None, "", None)
    rank = float(spearmanr(np.concatenate(spreads), np.abs(np.concatenate(errors))).statistic)
    name = "rank correlation of spread and error, both sets"
    yield Row(name, "", rank, None, "", None, f">= {SPEARMAN_TARGET}", rank >= SPEARMAN_TARGET)
    yield from _pairs(ensemble)


def _pairs(ensemble: Ensemble) -> Iterator[Row]:
    """Predictions for unrelaxed crystals against those for the same crystals relaxed."""
    unrelaxed, relaxed = pairs()
    for scan, after in ((20, 1), (20, 20), (0, 0), (1, 1)):
        before, _ = ensemble.predict(unrelaxed, scan)
        settled, _ = ensemble.predict(relaxed, after)
        known = np.isfinite(before) & np.isfinite(settled)
        difference = float(np.median(np.abs(before - settled)[known]))
        ok, target = (difference <= PAIR_TARGET, f"<= {PAIR_TARGET}") if (scan, after) == (20, 1) else (None, "")
        title = f"unrelaxed ({VOLUMES[scan]}) - relaxed ({VOLUMES[after]}), median of {int(known.sum())} pairs"
        yield Row(title, "eV/atom", difference, None, "", None, target, ok)


def pairs() -> tuple[CrystalBatch, CrystalBatch]:
    """(unrelaxed, relaxed) crystals of the relaxation pairs, [n] each."""
    from pymatgen.core import Structure

    found: dict[str, dict[str, Crystal]] = {}
    with tarfile.open(data_dir() / "relaxation_pairs.tar.gz") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for member in archive.getmembers():
            if not member.name.endswith(".cif"):
                continue
            stem = member.name.rsplit("/", 1)[-1].removesuffix(".cif")
            kind = "unrelaxed" if "unrelaxed" in member.name else "relaxed"
            file = archive.extractfile(member)
            assert file is not None
            text = io.TextIOWrapper(file, encoding="utf-8").read()
            key = stem.replace("_unrelaxed", "").replace("_relaxed", "")
            found.setdefault(key, {})[kind] = Crystal.from_pymatgen(Structure.from_str(text, fmt="cif"))
    both = [pair for _, pair in sorted(found.items()) if len(pair) == 2]
    unrelaxed, relaxed = (CrystalBatch.from_crystals(pair[kind] for pair in both) for kind in ("unrelaxed", "relaxed"))
    return unrelaxed, relaxed
