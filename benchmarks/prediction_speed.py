"""How fast candidates are predicted and networks trained, one core, beside CHGNet's single-point energies.

The candidates are substituted ones of the default campaign, unrelaxed; CHGNet predicts them one by one as in a script
that asks for an energy, graph conversion included. Seconds are of the processor, not of the clock, for both.
"""

from __future__ import annotations

import resource
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np

from benchmarks.rows import Row, speed_row
from benchmarks.sizes import Effort, campaign_settings, size
from gnome_lite.core.crystals import CrystalBatch

MIN_RATIO_ONE, MIN_RATIO_CASCADE = 20.0, 10.0


def measure(effort: Effort = Effort.DEFAULT) -> list[Row]:
    import torch

    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    pools = candidates(size("prediction_speed.pools", effort), size("prediction_speed.pool", effort))
    return [*_inference(pools, effort), *_memory(pools[0], effort), *_training()]


def candidates(n_pools: int, n: int) -> list[CrystalBatch]:
    """Pools of n gated substitutions of the bundled references."""
    from gnome_lite.assemble import load_references, make_gate
    from gnome_lite.config import CampaignConfig
    from gnome_lite.generate.substitution import IonicSubstitution

    config, references = CampaignConfig(), load_references()
    gate, generator = make_gate(config), IonicSubstitution(config.space, config.generate)
    small = np.flatnonzero(references.crystals.n_atoms <= config.generate.max_atoms)
    ids = [references.ids[i] for i in small]
    parts: list[CrystalBatch] = []
    for pool in generator.generate(references.crystals.take(small), ids, 1, np.random.default_rng(0)):
        parts.append(pool.crystals.take(np.array([not cause for cause in gate.causes(pool.crystals)], dtype=bool)))
        if sum(len(p) for p in parts) >= n_pools * n:
            break
    everything = CrystalBatch.concatenate(parts)
    return [everything.take(np.arange(k, n_pools * n, n_pools)) for k in range(n_pools)]


def _inference(pools: list[CrystalBatch], effort: Effort) -> list[Row]:
    from chgnet.model import CHGNet

    from gnome_lite.assemble import level_of, load_references, make_predictor
    from gnome_lite.campaign.acquisition import BatchAcquisition, scores_of
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.records import Candidate
    from gnome_lite.pipeline import PredictionHistory, silent
    from gnome_lite.predict.ensemble import VOLUMES, stacked, volume_factors
    from gnome_lite.predict.graph import build_graphs
    from gnome_lite.predict.network import GraphTensors
    from gnome_lite.settings import Settings
    from gnome_lite.stability.hull import build_hull

    references = load_references()
    settings = campaign_settings(effort)
    config = CampaignConfig.model_validate(settings | {"predict": settings.get("predict", {}) | {"processes": 1}})
    predictor = make_predictor(config, Settings(), level_of(config))
    model = predictor.base(references, silent)
    n = len(pools[0])
    few = pools[0].take(np.arange(0, n, n // size("prediction_speed.chgnet", effort)))
    repeats = size("prediction_speed.repeats", effort)
    uncascaded = config.model_copy(update={"predict": config.predict.model_copy(update={"cascade": False})})
    in_full = make_predictor(uncascaded, Settings(), level_of(config))
    predictor.predict(model.id, few, silent)  # loading is not counted
    ensemble = predictor._ensemble(model.id)
    chgnet = CHGNet.load(use_device="cpu", verbose=False)
    structures = [c.to_pymatgen() for c in few]
    chgnet.predict_structure(structures[0], task="e")

    def peers() -> None:
        for structure in structures:
            chgnet.predict_structure(structure, task="e")

    pool, ones = pools[0], volume_factors(1)
    their_rate = len(few) / _seconds(peers, repeats)
    one = _seconds(lambda: ensemble.energies(pool, ones, [0]), repeats)
    graphs = _seconds(lambda: build_graphs(pool, ensemble.cutoff_ang), repeats)
    some = GraphTensors.of(build_graphs(pool.take(np.arange(min(30, n))), ensemble.cutoff_ang)[0])
    import torch

    with torch.inference_mode():
        loop = _seconds(lambda: [network(some) for network in ensemble.networks], 5 * repeats)
        vmap = _seconds(lambda: stacked(ensemble.networks, some), 5 * repeats)

    hull, none = build_hull(references), PredictionHistory()
    acquisition = BatchAcquisition(config.select)
    for either in (predictor, in_full):
        either.error_model(model.id, hull)  # nor is the hold-out

    def timed(crystals: CrystalBatch, cascaded: bool) -> tuple[set[str], float]:
        """Picks of a pool, and processor seconds of predicting it."""
        pool = [Candidate(str(i), crystal, "", "", "", 1) for i, crystal in enumerate(crystals)]
        started = time.process_time()
        ranked = (predictor if cascaded else in_full).rank(model.id, pool, hull, none, acquisition, silent)
        seconds = time.process_time() - started
        scores = scores_of([(pool[int(p.candidate_id)], p) for p in ranked])
        chosen, _ = acquisition.select(scores, np.random.default_rng(0))
        return {ranked[i].candidate_id for i in chosen}, seconds

    members = len(ensemble.networks)
    whole = f"{members} members x {len(VOLUMES)} volumes"
    peer = "CHGNet, one by one"
    rows = []
    for joined in (1, 4):
        starts = range(0, len(pools) - joined + 1, joined)
        groups = [CrystalBatch.concatenate(pools[i : i + joined]) for i in starts]
        runs = [(timed(group, True), timed(group, False)) for group in groups]
        wanted = sum(len(full) for _, (full, _) in runs)
        lost = sum(len(full - some) for (some, _), (full, _) in runs)
        per_candidate = [statistics.median(run[k][1] for run in runs) / (joined * n) for k in (0, 1)]
        name = f"cascade on {joined * n} candidates ({whole} for the best)"
        rows += [
            speed_row(f"candidates a second, {name}", "1/s", 1 / per_candidate[0], their_rate, peer, MIN_RATIO_CASCADE),
            speed_row(f"{name} beside the whole", "1/s", 1 / per_candidate[0], 1 / per_candidate[1], whole),
            Row(
                f"{name}: share of {wanted} picks of the whole computation that it loses",
                "1",
                lost / wanted,
                None,
                "",
                None,
                "<= 0.01",
                lost / wanted <= 0.01,
            ),
        ]
    return [
        speed_row(
            "candidates a second, one member at one volume", "1/s", len(pool) / one, their_rate, peer, MIN_RATIO_ONE
        ),
        Row("share of that spent on graphs", "1", graphs / one, None, "", None, "<= 0.15", graphs / one <= 0.15),
        *rows,
        speed_row(
            f"{members} members of 30 crystals, one by one beside stacked (vmap)",
            "1/s",
            30 / loop,
            30 / vmap,
            "torch.func.vmap",
        ),
    ]


def _memory(pool: CrystalBatch, effort: Effort) -> list[Row]:
    """How much the peak of memory rises when four times as many crystals are predicted."""
    from gnome_lite.assemble import load_references, make_predictor
    from gnome_lite.config import CampaignConfig
    from gnome_lite.pipeline import silent
    from gnome_lite.settings import Settings

    references = load_references()
    config = CampaignConfig.model_validate(campaign_settings(effort))
    predictor = make_predictor(config, Settings(), references.level)
    ensemble = predictor._ensemble(predictor.base(references, silent).id)
    peaks = []
    for copies in (3, 12):
        many = CrystalBatch.concatenate([pool] * copies)
        ensemble.predict(many)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    rise = peaks[1] - peaks[0]
    name = f"rise of peak memory from {3 * len(pool)} to {12 * len(pool)} candidates"
    return [Row(name, "MiB", rise, None, "", None, "<= 100", rise <= 100)]


def _training() -> list[Row]:
    """Crystals a second of an epoch on the bundled references, hold-out included."""
    import torch

    from gnome_lite.assemble import load_references
    from gnome_lite.predict.fit import Schedule, fit
    from gnome_lite.predict.graph import build_graphs
    from gnome_lite.predict.network import Architecture, Normalisation, StructuralNetwork

    references, schedule = load_references(), Schedule(2, 3e-3, 32, volume_jitter=0.2)
    graphs, ok = build_graphs(references.crystals, 4.0 * schedule.reach)
    targets = references.e_form_ev_per_atom[ok].astype(np.float32)
    held = np.arange(0, len(graphs), 10)
    torch.manual_seed(0)
    network = StructuralNetwork(Architecture(), Normalisation(float(targets.std()), float(targets.mean()), 16.0))
    holdout = (graphs.take(held).scaled(1.0, 4.0), targets[held])
    started = time.process_time()
    fit(network, graphs, targets, holdout, 4.0, schedule, (0, 0), lambda epoch, loss: None)
    rate = schedule.epochs * len(graphs) / (time.process_time() - started)
    name = f"training, width {Architecture().width}, batches of {schedule.batch_size}"
    return [Row(name, "crystals/s", rate, None, "", None, ">= 500", rate >= 500)]


def _seconds(call: Callable[[], object], repeats: int) -> float:
    """Median processor seconds of a few calls, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return statistics.median(times)
