"""The shipped ensemble on formulas it never saw, beside the mean of its training data; candidates a second."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.rows import Row


def measure() -> list[Row]:
    from gnome_lite.assemble import level_of, load_references, make_predictor
    from gnome_lite.config import CampaignConfig
    from gnome_lite.pipeline import silent
    from gnome_lite.predict.train import in_training
    from gnome_lite.settings import Settings, bundled
    from gnome_lite.sources.parquet import read_references

    config = CampaignConfig()
    references = load_references()
    predictor = make_predictor(config, Settings(), level_of(config))
    model = predictor.base(references, silent)
    inputs = {e.id: e.crystal for e in read_references(bundled("seed", "inputs.parquet"))}
    formulas = references.crystals.reduced_formulas()
    compound = (references.crystals.counts > 0).sum(axis=1) > 1
    unseen = ~in_training(formulas) & compound
    truth = references.e_form_ev_per_atom
    from gnome_lite.crystals import CrystalBatch

    starts = CrystalBatch.from_crystals(
        inputs[e.id] for e, held in zip(references.entries, unseen, strict=True) if held
    )
    started = time.perf_counter()
    predicted, _ = predictor.predict(model.id, starts, silent)
    seconds = time.perf_counter() - started
    error = float(np.mean(np.abs(predicted - truth[unseen])))
    mean = float(np.mean(np.abs(truth[unseen] - truth[compound & ~unseen].mean())))
    r2 = 1 - float(np.sum((predicted - truth[unseen]) ** 2) / np.sum((truth[unseen] - truth[unseen].mean()) ** 2))
    return [
        Row(
            f"formation energy after relaxation from {len(starts)} unrelaxed crystals of unseen formulas, MAE",
            "eV/atom",
            error,
            mean,
            "mean of the training set",
            mean / error,
        ),
        Row("the same, R2", "", r2, None, "", None),
        Row("candidates predicted, 4 members x 20 volumes", "1/s", len(starts) / seconds, None, "", None),
    ]
