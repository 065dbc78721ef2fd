"""Universes and replays: what they are made of, and where they lie."""

from __future__ import annotations

from functools import partial
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING

from gnome_lite.assemble.calculators import level_of
from gnome_lite.assemble.candidates import make_gate, make_mix, make_novelty, make_screen
from gnome_lite.assemble.known import load_references
from gnome_lite.assemble.networks import make_predictor
from gnome_lite.config import CampaignConfig
from gnome_lite.crystals import CrystalBatch
from gnome_lite.pipeline import Progress, silent
from gnome_lite.records import TrainingSet
from gnome_lite.references import ReferenceSet
from gnome_lite.settings import Settings, bundled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gnome_lite.replay_networks import ReplayNetworks
    from gnome_lite.replay_world import World
    from gnome_lite.universe import Universe
    from gnome_lite.universe_plan import UniverseParts

UNIVERSE, REFERENCES = "universe.parquet", "references.parquet"


def assemble_universe(config: CampaignConfig, settings: Settings) -> UniverseParts:
    """Everything that the candidates of a universe are made with, as in a campaign of these settings."""
    from gnome_lite.stability.hull import build_hull
    from gnome_lite.universe_plan import UniverseParts

    references = load_references(config, settings)
    return UniverseParts(
        references=references,
        generate=config.generate,
        candidates=make_mix(config, keep=make_screen(config, level_of(config), references)),
        gate=make_gate(config),
        novelty=make_novelty(),
        build_hull=build_hull,
    )


def load_universe(directory: Path | None = None) -> tuple[ReferenceSet, Universe]:
    """A universe and the references beside it: those in its directory, or else the bundled seed.

    Args:
        directory: of the universe; None is the shipped one.

    Raises:
        SourceError: if there is none, or a file is damaged.
    """
    from gnome_lite.sources.seed import SeedSource
    from gnome_lite.sources.universe import read_universe

    directory = bundled("replay") if directory is None else Path(directory)
    universe = read_universe(directory / UNIVERSE)
    own = directory / REFERENCES
    return SeedSource(own if own.is_file() else None).load(), universe


def open_replay(
    config: CampaignConfig,
    settings: Settings,
    directory: Path | None = None,
    progress: Progress = silent,
    known: float = 1.0,
) -> tuple[World, ReplayNetworks]:
    """A universe looked up beside its references, and the networks that a campaign would start with.

    Networks trained in replays, and what they say, are kept in `replay` in the home.

    Args:
        known: share of the references' formulas that the networks begin with. Below 1 they are trained from nothing
            on that part, as where little was computed before; hull and truth know all references.

    Raises:
        SourceError: if the universe cannot be read.
        LevelMismatchError: if universe and references are of two levels.
    """
    from gnome_lite.replay_networks import ReplayNetworks
    from gnome_lite.replay_world import make_world
    from gnome_lite.stability.hull import build_hull

    references, universe = load_universe(directory)
    world = make_world(references, universe, make_novelty(), build_hull, progress)
    home = settings.home / "replay"
    if directory is not None and (directory / REFERENCES).is_file():
        # The seed's unrelaxed crystals are not those of these references.
        config = config.model_copy(update={"sources": config.sources.model_copy(update={"seed": False})})
    settings = settings.model_copy(update={"home": home})
    may_know = partial(_known, share=known)
    predictor = make_predictor(config, settings, references.level, may_know, shipped=known >= 1)
    kept = zip(references.entries, may_know(references.crystals).tolist(), strict=True)
    references = ReferenceSet.make([entry for entry, keep in kept if keep])
    base = predictor.base(references, progress)
    learnt = TrainingSet(references.crystals, references.e_form_ev_per_atom)
    composition = bundled("models", f"composition-{references.level}")
    # The shipped composition networks know all.
    ask = partial(_ask_compositions, composition) if composition.is_dir() and known >= 1 else None
    return world, ReplayNetworks(predictor, base, learnt, universe, ask, home / "answers")


def _known(crystals: CrystalBatch, share: float) -> NDArray[np.bool_]:
    """Which crystals are of a share of all formulas, [n], by the formula alone; elements are."""
    import numpy as np

    # Not the digits that split training from hold-out.
    digests = (int(md5(f.encode(), usedforsecurity=False).hexdigest(), 16) // 100 for f in crystals.reduced_formulas())
    drawn = np.fromiter((digest % 1000 < 1000 * share for digest in digests), bool, len(crystals))
    return drawn | ((crystals.counts > 0).sum(axis=1) == 1)


def _ask_compositions(model: Path, counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.composition_ensemble import CompositionEnsemble

    return CompositionEnsemble(checkpoint.read(model)).predict(counts)
