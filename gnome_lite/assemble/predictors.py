"""Assembly of predictors: the shipped ensembles, Δ-models and errors of levels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.records import TrainingSet
from gnome_lite.settings import Settings, bundled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnome_lite.analysis.dft_correction import Describe, DftCorrection
    from gnome_lite.core.phases import PhaseSet
    from gnome_lite.predict.delta import Corrected
    from gnome_lite.predict.level_errors import LevelErrors
    from gnome_lite.predict.predictor import EnsemblePredictor


def make_predictor(
    config: CampaignConfig,
    settings: Settings,
    level: str,
    may_know: Callable[[CrystalBatch], NDArray[np.bool_]] | None = None,
    shipped: bool = True,
    kind: type[EnsemblePredictor] | None = None,
    elements: Collection[str] | None = None,
) -> EnsemblePredictor:
    """Return the network ensemble, with the shipped one as its base where that is of this level.

    Whatever the campaign's references, the seed's unrelaxed crystals are trained on beside them where they are of this
    level: the shipped networks know them, and forget unrelaxed crystals when they are retrained without any.

    Args:
        config: settings of networks and training.
        settings: directory of the models.
        level: level of theory.
        may_know: tells which of the seed's crystals may be trained on, [n]; None is all of them.
        shipped: False trains a base of its own, from nothing.
        kind: class of the predictor; default: `EnsemblePredictor`.
        elements: what it must know; default: the elements of the campaign's space.
    """
    from gnome_lite.predict.predictor import EnsemblePredictor
    from gnome_lite.sources.bundled_seed import SeedSource

    def inputs() -> TrainingSet | None:
        seed = SeedSource()
        if seed.load().level != level:
            return None
        known = seed.inputs()
        return known if may_know is None else known.take(may_know(known.crystals))

    base = shipped_model(level, config.space.all_elements if elements is None else elements) if shipped else None
    return (kind or EnsemblePredictor)(config.predict, settings.models_dir, base, level, inputs, config.expert)


def shipped_model(level: str, elements: Collection[str] | None = None) -> Path | None:
    """Return the directory of the ensemble shipped for a level, None if there is none.

    Of some levels there are two, one of which knows all elements, the other few and these better.

    Args:
        level: level of theory.
        elements: what it must know; None asks for the one of few elements.
    """
    path, wide = bundled("models", f"base-{level}"), bundled("models", f"wide-{level}")
    if elements is not None and wide.is_dir() and path.is_dir():
        from gnome_lite.predict.checkpoint import read_card

        if not set(elements) <= set(read_card(path).elements):
            return wide
    return path if path.is_dir() else None


def shipped_levels() -> list[str]:
    """Return the levels of theory that an ensemble is shipped for."""
    return sorted(path.name.removeprefix("base-") for path in bundled("models").glob("base-*"))


def shipped_delta(level: str) -> Path | None:
    """Return the directory of the Δ-model shipped for a level, None if there is none."""
    path = bundled("models", f"delta-{level}")
    return path if path.is_dir() else None


def make_describe(level: str) -> Describe:
    """Return the function that gives the features of crystals for the Δ-model of a level.

    Raises:
        ConfigError: if there is no such potential.
    """
    if level != "chgnet-0.3.0":
        raise ConfigError(f"no features are made at level {level!r}: a Δ-model corrects chgnet-0.3.0")
    from gnome_lite.verify.chgnet.features import CHGNetFeatures

    return CHGNetFeatures()


def shipped_errors(level: str) -> Path | None:
    """Return the file of a level's errors (`LevelErrors`), None if none is shipped."""
    path = bundled("models", f"errors-{level}.json")
    return path if path.is_file() else None


def knows_dft(level: str) -> bool:
    """Return whether anything shipped tells what DFT would say of crystals at a level."""
    return shipped_delta(level) is not None or shipped_errors(level) is not None


def dft_correction(phases: PhaseSet, ids: Sequence[str]) -> list[DftCorrection | None]:
    """Return the DFT corrections of phases; None where nothing is shipped for their level or it cannot tell."""
    from gnome_lite.analysis.dft_correction import dft_corrections
    from gnome_lite.predict import delta
    from gnome_lite.predict.level_errors import LevelErrors

    if path := shipped_delta(phases.level):
        model, describe = delta.read(path), make_describe(phases.level)
        return dft_corrections(
            phases, ids, lambda some: model.correct(describe(some.crystals)), model.card.target, model.card.id
        )
    if path := shipped_errors(phases.level):
        errors = LevelErrors.read(path)
        return dft_corrections(phases, ids, partial(_by_errors, errors), errors.target, errors.id)
    return [None] * len(ids)


def _by_errors(errors: LevelErrors, phases: PhaseSet) -> Corrected:
    from gnome_lite.core.origins import MATERIALS_PROJECT, is_reported
    from gnome_lite.verify.chgnet.features import CHGNetFeatures

    chgnet = CHGNetFeatures()(phases.crystals).energies_ev_per_atom[:, 0]
    energies = np.column_stack([phases.energies_ev / phases.crystals.n_atoms, chgnet])
    alone = (phases.counts > 0).sum(axis=1) == 1
    seen = alone | np.array([is_reported(s) or s.startswith(MATERIALS_PROJECT) for s in phases.sources], dtype=bool)
    return errors.correct(phases.crystals, energies, seen)
