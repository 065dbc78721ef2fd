"""The setup of replays: a labelled pool, its references, and the networks that a campaign would start with."""

from __future__ import annotations

from functools import partial
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.assemble.generators import make_novelty
from gnome_lite.assemble.predictors import make_predictor
from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import TrainingSet
from gnome_lite.pipeline import Progress, silent
from gnome_lite.settings import Settings, bundled

if TYPE_CHECKING:
    from gnome_lite.evaluation.ground_truth import GroundTruth
    from gnome_lite.evaluation.labelled_pool import LabelledPool
    from gnome_lite.evaluation.replay_predictors import Networks

UNIVERSE, REFERENCES, HIGHER = "universe.parquet", "references.parquet", "higher.parquet"


def load_pool(directory: Path | None = None) -> tuple[PhaseSet, LabelledPool]:
    """Return the references in a labelled pool's directory, or else the bundled seed, and the labelled pool.

    Args:
        directory: directory of the labelled pool; None is the shipped one.

    Raises:
        SourceError: if there is none, or a file is damaged.
    """
    from gnome_lite.evaluation.pool_files import read_pool
    from gnome_lite.sources.bundled_seed import SeedSource

    directory = bundled("replay") if directory is None else Path(directory)
    labelled = read_pool(directory / UNIVERSE)
    own = directory / REFERENCES
    return SeedSource(own if own.is_file() else None, reported=False).load(), labelled


def open_truth(directory: Path | None = None, progress: Progress = silent) -> GroundTruth:
    """Return the ground truth of a labelled pool; None is the shipped one.

    Raises:
        SourceError: if the labelled pool cannot be read.
        LevelMismatchError: if labelled pool and references are of two levels.
    """
    from gnome_lite.evaluation.ground_truth import make_ground_truth
    from gnome_lite.stability.hull import build_hull

    references, labelled = load_pool(directory)
    return make_ground_truth(references, labelled, make_novelty(), build_hull, progress)


def open_replay(
    config: CampaignConfig,
    settings: Settings,
    directory: Path | None = None,
    progress: Progress = silent,
    known: float = 1.0,
) -> tuple[GroundTruth, Networks]:
    """Return the ground truth of a labelled pool, and the networks that a campaign would start with.

    Networks trained in replays, and their predictions, are kept in `replay` in the home.

    Args:
        config: settings of the networks.
        settings: home, models and device.
        directory: directory of the labelled pool; None is the shipped one.
        progress: told while hull and networks are made.
        known: share of the references' formulas that the networks begin with. Below 1 they are trained from nothing
            on that part, as where little was computed before; hull and truth know all references.

    Raises:
        SourceError: if the labelled pool cannot be read.
        LevelMismatchError: if labelled pool and references are of two levels.
    """
    from gnome_lite.evaluation.replay_predictors import Networks, PooledPredictor

    truth = open_truth(directory, progress)
    references, labelled = truth.references, truth.labelled
    home = settings.home / "replay"
    if directory is not None and (directory / REFERENCES).is_file():
        # The seed's unrelaxed crystals are not those of these references.
        config = config.model_copy(update={"sources": config.sources.model_copy(update={"seed": False})})
    # The whole pool is asked about once a model: the cascade would only ask for parts of it again and again.
    config = config.model_copy(update={"predict": config.predict.model_copy(update={"cascade": False})})
    settings = settings.model_copy(update={"home": home})
    may_know = partial(_known, share=known)
    predictor = make_predictor(config, settings, references.level, may_know, known >= 1, PooledPredictor)
    assert isinstance(predictor, PooledPredictor), "asked for"
    predictor.pool, predictor.pool_id, predictor.kept = truth.start, labelled.id, home / "answers"
    kept = may_know(references.crystals)
    references = references if kept.all() else PhaseSet.make([references[i] for i in np.flatnonzero(kept).tolist()])
    base = predictor.base(references, progress)
    learnt = TrainingSet(references.crystals, references.e_form_ev_per_atom)
    composition = bundled("models", f"composition-{references.level}")
    # The shipped composition networks know all.
    ask = partial(_ask_compositions, composition) if composition.is_dir() and known >= 1 else None
    return truth, Networks(predictor, base, learnt, ask)


def _known(crystals: CrystalBatch, share: float) -> NDArray[np.bool_]:
    """Return which crystals are elements or of a share of all formulas, drawn by the formula alone, [n]."""
    # Other digits than those that split training from hold-out.
    digests = (int(md5(f.encode(), usedforsecurity=False).hexdigest(), 16) // 100 for f in crystals.reduced_formulas())
    drawn = np.fromiter((digest % 1000 < 1000 * share for digest in digests), bool, len(crystals))
    return drawn | ((crystals.counts > 0).sum(axis=1) == 1)


def _ask_compositions(model: Path, counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.composition_ensemble import CompositionEnsemble

    return CompositionEnsemble(checkpoint.read(model)).predict(counts)
