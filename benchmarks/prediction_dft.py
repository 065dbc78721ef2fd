"""The shipped DFT-scale ensemble on crystals of formulas it never saw, and on unrelaxed crystals.

Trained on the training part (by formula) of the validation sets of MP-20 and MPTS-52 (Materials Project, CC BY 4.0).
"""

from __future__ import annotations

import io
import tarfile
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks.labelled import read
from benchmarks.rows import Row, data_dir
from gnome_lite.crystals import Crystal, CrystalBatch

LEVEL = "mp-GGA_GGA+U-MP2020"
MAE_TARGET, PAIR_TARGET, SPEARMAN_TARGET = 0.035, 0.030, 0.35


def measure(long: bool = False) -> Iterator[Row]:
    from scipy.stats import spearmanr

    from gnome_lite.assemble import shipped_model
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.ensemble import Ensemble
    from gnome_lite.predict.train import in_training

    path = shipped_model(LEVEL)
    if path is None:
        raise FileNotFoundError(f"no ensemble for {LEVEL} is shipped")
    ensemble = Ensemble(checkpoint.read(path))
    for name, title in (("mp20_val", "MP-20"), ("mpts52_val", "MPTS-52")):
        data = read(name)
        training = in_training(data.crystals.reduced_formulas())
        truth, mean = data.e_form_ev_per_atom[~training], data.e_form_ev_per_atom[training].mean()
        predicted, spread = ensemble.predict(data.crystals.take(~training), volume_scan=1)
        error = np.abs(predicted - truth)
        mae, baseline = float(error.mean()), float(np.abs(truth - mean).mean())
        r2 = 1 - float(np.sum((predicted - truth) ** 2) / np.sum((truth - truth.mean()) ** 2))
        of = f"{len(truth)} crystals of {title}, formulas never seen"
        ok = mae <= MAE_TARGET if title == "MP-20" else None
        target = f"<= {MAE_TARGET}" if title == "MP-20" else ""
        yield Row(f"MAE on {of}", "eV/atom", mae, baseline, "mean of the training set", baseline / mae, target, ok)
        yield Row("the same, R2", "", r2, None, "", None)
        rank = float(spearmanr(spread, error).statistic)
        yield Row(
            "the same, Spearman correlation of spread and error",
            "",
            rank,
            None,
            "",
            None,
            f">= {SPEARMAN_TARGET}",
            rank >= SPEARMAN_TARGET,
        )
    yield from _pairs(ensemble)


def _pairs(ensemble: object) -> Iterator[Row]:
    """Predictions for unrelaxed crystals against those for the same crystals relaxed."""
    unrelaxed, relaxed = pairs()
    for scan, name in ((20, "20 volumes"), (1, "the volume it has")):
        before, _ = ensemble.predict(unrelaxed, volume_scan=scan)  # type: ignore[attr-defined]
        after, _ = ensemble.predict(relaxed, volume_scan=scan)  # type: ignore[attr-defined]
        known = np.isfinite(before) & np.isfinite(after)
        difference = float(np.median(np.abs(before - after)[known]))
        ok, target = (difference <= PAIR_TARGET, f"<= {PAIR_TARGET}") if scan > 1 else (None, "")
        title = f"unrelaxed - relaxed prediction, median of {int(known.sum())} pairs, {name}"
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
    return tuple(CrystalBatch.from_crystals(pair[kind] for pair in both) for kind in ("unrelaxed", "relaxed"))
