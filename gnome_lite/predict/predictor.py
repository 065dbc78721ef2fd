"""`EnsemblePredictor`: the `pipeline.Predictor` of this room; `train_base` makes the ensemble that is shipped."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.config import Expert, Predict
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import CheckpointError, MissingReferenceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, ModelRecord, Prediction, TrainingSet
from gnome_lite.pipeline import Acquisition, Engine, Hull, PredictionHistory, Progress, silent
from gnome_lite.predict import checkpoint
from gnome_lite.predict.build import Recipe, build, join
from gnome_lite.predict.cascade import Energies
from gnome_lite.predict.checkpoint import Checkpoint
from gnome_lite.predict.ensemble import Ensemble
from gnome_lite.predict.error_model import FEWEST_RESIDUALS, NEAR_EV_PER_ATOM, ErrorModel
from gnome_lite.predict.fit import Schedule
from gnome_lite.predict.prediction_cache import keep_cached, read_cached
from gnome_lite.predict.ranking import rank_candidates
from gnome_lite.predict.recipes import architecture, base_recipe, build_base, joined, some, widths
from gnome_lite.predict.residual_gp import ResidualGP
from gnome_lite.predict.sharded import ShardedEnergies
from gnome_lite.predict.train import training_folder
from gnome_lite.settings import bundled


class EnsemblePredictor:
    """Predicts with ensembles kept on disk by id; trains them on references and on what was verified.

    Args:
        config: the campaign's `predict` section.
        models_dir: where ensembles trained here are kept; made when the first one is.
        shipped_dir: the ensemble that comes with gnome_lite for this level, or None.
        level: level of theory that all energies are of.
        inputs: unrelaxed crystals of known ones, with the formation energies of what they relaxed to: what the base
            saw of candidates beside relaxed crystals, and what it must not forget.
        expert: the campaign's `expert` section.
    """

    def __init__(
        self,
        config: Predict,
        models_dir: Path,
        shipped_dir: Path | None,
        level: str,
        inputs: Callable[[], TrainingSet | None] | None = None,
        expert: Expert | None = None,
    ) -> None:
        self._config = config
        self._expert = expert or Expert()
        self._read_inputs = inputs
        self._models_dir = Path(models_dir)
        self._shipped_dir = shipped_dir
        self._level = level
        self._loaded: Ensemble | None = None
        self._holdout: tuple[TrainingSet, NDArray[np.float64], NDArray[np.float64]] | None = None

    def base(self, references: PhaseSet, progress: Progress) -> ModelRecord:
        """Return the shipped ensemble, or one trained now on the references and kept.

        The shipped one serves if it was trained for the references' level and has the architecture and the number of
        members that are asked for.

        Raises:
            CheckpointError: if the shipped ensemble is damaged.
            SourceError: if no reference can be trained on.
        """
        if self._shipped_dir is not None and self._shipped_dir.is_dir():
            card = checkpoint.read_card(self._shipped_dir)
            wanted = architecture(self._config, self._expert, card.architecture.width), self._config.members
            if card.level == references.level and (card.architecture, card.members) == wanted:
                return card.record(self._shipped_dir)
        known = TrainingSet(references.crystals, references.e_form_ev_per_atom)
        data = joined(known, self._inputs)
        # One of the other width is as good: it was made before the campaign moved to this machine.
        recipes = [base_recipe(self._config, self._expert, references.level, 0, width) for width in widths()]
        for recipe in recipes:
            kept = self._kept(recipe.hash(data, ""))
            if kept is not None:
                return kept
        recipe, processes = recipes[0], self._config.processes
        train = partial(build_base, known, self._inputs, recipe, processes=processes, progress=progress)
        return self._once(recipe.hash(data, ""), train)

    def predict(
        self, model_id: str, crystals: CrystalBatch, progress: Progress
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict formation energies after relaxation and spreads, eV/atom, [n] each; see `Ensemble.predict`.

        Raises:
            CheckpointError: if there is no sound ensemble of that id.
        """
        return self._ensemble(model_id).predict(crystals, self._config.volume_scan, self._threads, progress)

    def rank(
        self,
        model_id: str,
        candidates: Sequence[Candidate],
        hull: Hull,
        history: PredictionHistory,
        acquisition: Acquisition,
        progress: Progress,
        engine: Engine | None = None,
    ) -> list[Prediction]:
        """See `rank_candidates`; an engine with shards works the energies out elsewhere.

        Raises:
            CheckpointError: if there is no sound ensemble of that id.
        """
        errors, residual = self.error_model(model_id, hull, history), self.residual_gp(model_id, history)
        asks = acquisition if self._config.cascade and acquisition.by_prediction else None
        ensemble, scan = self._ensemble(model_id), self._config.volume_scan
        energies: Energies = ensemble.energies
        if engine is not None and engine.shard_size is not None:
            energies = ShardedEnergies(engine, self._path(model_id))
        return rank_candidates(
            ensemble, lambda crystals: self.predict(model_id, crystals, progress), energies, candidates, hull, errors,
            residual, asks, scan, self._threads, progress,
        )  # fmt: skip

    def out_of_domain(self, model_id: str, crystal: Crystal, predicted: bool) -> str:
        """See `Ensemble.out_of_domain`."""
        return self._ensemble(model_id).out_of_domain(crystal, predicted)

    def error_model(self, model_id: str, hull: Hull, history: PredictionHistory | None = None) -> ErrorModel:
        """Fit how far predictions are off to the errors of the base's hold-out and of what was verified since.

        Only errors of crystals predicted near the hull count: predictions far above it err more, and would make those
        near it seem less sure than they are.

        Raises:
            CheckpointError: if there is no sound ensemble of that id.
        """
        known = [] if history is None else zip(history.predictions, history.verified_ev_per_atom, strict=True)
        rows = [(p.e_above_hull_ev_per_atom, v - p.e_form_ev_per_atom, p.spread_ev_per_atom) for p, v in known]
        away, error, spread = np.concatenate(
            [self._holdout_errors(model_id, hull), np.reshape(rows, (-1, 3)).T], axis=1
        )
        near = np.nan_to_num(away, nan=np.inf) < NEAR_EV_PER_ATOM
        if near.sum() < FEWEST_RESIDUALS:
            near[:] = True
        if near.sum() < FEWEST_RESIDUALS:
            return ErrorModel.of_mae(self._ensemble(model_id).card.holdout_mae_ev_per_atom)
        return ErrorModel.fitted(error[near], spread[near])

    def residual_gp(self, model_id: str, history: PredictionHistory) -> ResidualGP:
        """Fit what is still to be added to predictions of like compositions to a model's errors of what was verified.

        They are this model's own errors, whichever model the crystals were predicted by: it may have learnt from them
        since, and errors of the model before would correct a second time what it knows by now.

        Raises:
            CheckpointError: if there is no sound ensemble of that id.
        """
        predicted = np.array([p.e_form_ev_per_atom for p in history.predictions])
        others = np.array([p.model_id != model_id for p in history.predictions], dtype=bool)
        if others.any():
            predicted[others] = self.predict(model_id, history.crystals.take(others), silent)[0]
        return ResidualGP.fitted(history.crystals.counts, history.verified_ev_per_atom - predicted)

    @cached_property
    def _inputs(self) -> TrainingSet | None:
        return None if self._read_inputs is None else self._read_inputs()

    @property
    def _threads(self) -> int:
        return self._config.processes or os.cpu_count() or 1

    def _ensemble(self, model_id: str) -> Ensemble:
        if self._loaded is None or self._loaded.card.id != model_id:
            self._loaded = Ensemble(self._read(model_id))
            self._holdout = None
        return self._loaded

    def _holdout_errors(self, model_id: str, hull: Hull) -> NDArray[np.float64]:
        """Return distance to the hull, error and spread of a model's predictions of its base's hold-out.

        In eV/atom, [3, m]; m = 0 if there is no hold-out.
        """
        ensemble = self._ensemble(model_id)
        if self._holdout is None:
            try:
                base = self._read(ensemble.card.base_id or ensemble.card.id)
            except CheckpointError:
                return np.empty((3, 0))
            if base.holdout is None:
                return np.empty((3, 0))
            # Relaxed crystals are asked for as they are: their volumes are no guesses.
            scan = self._config.volume_scan if base.card.holdout_unrelaxed else min(self._config.volume_scan, 1)
            path = self._models_dir / "answers" / f"{model_id}-{base.card.id}-{scan}.safetensors"
            shipped = bundled("models", "answers", path.name)
            said = read_cached(path, len(base.holdout)) or read_cached(shipped, len(base.holdout))
            if said is None:
                said = ensemble.predict(base.holdout.crystals, scan, self._threads)
                keep_cached(path, said)
            self._holdout = base.holdout, *said
        holdout, predicted, spread = self._holdout
        try:
            away = hull.distances(holdout.crystals.counts, predicted)
        except MissingReferenceError:  # it holds elements that this hull does not know
            away = np.full(len(holdout), np.nan)
        return np.stack([away, holdout.e_form_ev_per_atom - predicted, spread])

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        """Train on what is new and on what was known before, beginning with the origin's weights.

        Formulas that are not for training are left out.

        It is judged by the hold-out that travels with the base, the same in every round; see `build.build`. The same
        arguments give the same model, and one that is kept already is not trained again.

        Raises:
            CheckpointError: if the origin or its base is not there, is damaged or has no hold-out.
        """
        begin = self._read(origin.id)
        base = self._read(begin.card.base_id) if begin.card.base_id else begin
        if base.holdout is None:
            raise CheckpointError(f"model {base.card.id} has no hold-out of its own: name a base model")
        data = join([some(joined(known, self._inputs), self._config.replay_buffer, seed), new])
        recipe = Recipe(
            base.card.level,
            base.card.architecture,
            Schedule(
                self._config.retrain_epochs,
                self._config.retrain_learning_rate,
                self._config.batch_size,
                warm_up=0.1,
                volume_jitter=self._expert.volume_jitter,
                patience=self._config.patience,
            ),
            base.card.members,
            seed,
        )
        train = partial(
            build,
            data,
            base.holdout,
            recipe,
            begin,
            processes=self._config.processes,
            progress=progress,
            stage="learn",
            unrelaxed=base.card.holdout_unrelaxed,
        )
        return self._once(recipe.hash(data, begin.card.id), train)

    def _once(self, recipe: str, train: Callable[[Path], Checkpoint]) -> ModelRecord:
        """A sound ensemble made by this recipe before, or trained now, by one process at a time."""
        if (kept := self._kept(recipe)) is not None:
            return kept
        self._models_dir.mkdir(parents=True, exist_ok=True)
        with training_folder(self._models_dir, recipe) as folder:
            # Another process may have made it while we waited.
            return self._kept(recipe) or self._keep(train(folder))

    def _kept(self, recipe: str) -> ModelRecord | None:
        """A sound ensemble made by this recipe before."""
        for path in sorted(self._models_dir.glob("gnn-*")):
            try:
                card = checkpoint.read_card(path)
            except CheckpointError:
                continue  # damaged: it is trained again and replaced
            if card.recipe == recipe and card.id == path.name:
                return card.record(path)
        return None

    def _keep(self, made: Checkpoint) -> ModelRecord:
        path = self._models_dir / made.card.id
        checkpoint.write(made, path)
        return made.card.record(path)

    def _path(self, model_id: str) -> Path:
        path, shipped = self._models_dir / model_id, self._shipped_dir
        return shipped if shipped is not None and shipped.is_dir() and not path.is_dir() else path

    def _read(self, model_id: str) -> Checkpoint:
        path = self._path(model_id)
        if not path.is_dir():
            raise CheckpointError(f"there is no model {model_id} in {self._models_dir}: restore it")
        read = checkpoint.read(path)
        if read.card.id != model_id:
            raise CheckpointError(f"model {model_id} was asked for, {path} holds {read.card.id}: restore it")
        return read


def train_base(
    known: TrainingSet,
    level: str,
    config: Predict,
    out_dir: Path,
    seed: int,
    progress: Progress,
    inputs: TrainingSet | None = None,
    expert: Expert | None = None,
    without: tuple[str, ...] = (),
) -> ModelRecord:
    """Train a base ensemble and write it to `out_dir` itself: the way the shipped ones are made.

    Args:
        known: labelled crystals, relaxed.
        level: of the labels.
        inputs: unrelaxed inputs of the known ones with the formation energies of what they relaxed to. Those of
            formulas that are not for training are the hold-out; without any inputs, those of the known are.
        without: see `ModelCard`; the card says it, and the data must be so.

    Raises:
        SourceError: if no crystal can be trained on.
        CheckpointError: if `out_dir` cannot be written.
    """
    out_dir = Path(out_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    recipe = base_recipe(config, expert or Expert(), level, seed, widths()[0])
    with training_folder(out_dir.parent, recipe.hash(joined(known, inputs), "")) as folder:
        made = build_base(known, inputs, recipe, folder, config.processes, progress)
        made = replace(made, card=made.card.model_copy(update={"without": without}))
        checkpoint.write(made, out_dir)
    return made.card.record(out_dir)
