"""`train`: an ensemble from random weights, on the bundled seed or on labelled crystals of one's own, with plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import config_of, print_line, say, show_progress, split_system

if TYPE_CHECKING:
    from gnome_lite.core.records import TrainingSet


def train(
    out: Annotated[
        Path | None,
        typer.Argument(help="Directory of the ensemble. Default: data/models/base-LEVEL or composition-LEVEL."),
    ] = None,
    pretrain: Annotated[bool, typer.Option("--pretrain", help="Train from random weights.")] = False,
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="CSV tables with columns cif, formation_energy_per_atom. Default: the bundled seed."),
    ] = None,
    level: Annotated[str | None, typer.Option(help="Level of theory of the labels, e.g. mp-GGA_GGA+U-MP2020.")] = None,
    compositions: Annotated[
        bool, typer.Option("--compositions", help="Networks of formulas, which screen those of random search.")
    ] = False,
    delta: Annotated[
        bool, typer.Option("--delta", help="The Δ-model, from CHGNet's formation energies to those of --labels.")
    ] = False,
    without: Annotated[
        str | None,
        typer.Option(
            metavar="Fe-Li-O",
            help="Elements whose compounds (three and more of them; Δ-model: all crystals) are left out.",
        ),
    ] = None,
    campaign: Annotated[Path | None, typer.Option(help="campaign.toml, for its predict and expert sections.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
) -> None:
    """Train an ensemble.

    Formulas are split by their md5: 85 % for training, the others as the hold-out. With the weights come history.png
    (loss by epoch) and, for networks of structures, parity.png (the hold-out). The same call continues a training that
    was killed.
    """
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.evaluation.rediscovery import concealed
    from gnome_lite.predict.build import join
    from gnome_lite.predict.composition_screen import train_compositions
    from gnome_lite.predict.predictor import train_base

    if delta:
        _delta(out, labels, level, without, seed)
        return
    if not pretrain:
        raise ConfigError("a campaign retrains in each round by itself: say --pretrain to train from nothing")
    if labels and level is None:
        raise ConfigError("--labels needs --level: energies of two levels never meet, e.g. --level mp-GGA_GGA+U-MP2020")
    config = config_of(campaign)
    known, inputs, of = (_labelled(labels), None, level) if labels and level is not None else _seed()
    kept_out = split_system(without) if without else ()
    known = known.take(~concealed(known.crystals, kept_out))
    inputs = None if inputs is None else inputs.take(~concealed(inputs.crystals, kept_out))
    place = out if out is not None else Path("data/models") / f"{'composition' if compositions else 'base'}-{of}"
    with show_progress() as progress:
        if compositions:
            if inputs is not None:
                known = join([known, inputs])
            model = train_compositions(known, of, place, seed, config.predict.processes, progress, kept_out)
        else:
            model = train_base(known, of, config.predict, place, seed, progress, inputs, config.expert, kept_out)
    _draw(place)
    say(f"written to {place}, with its figures")
    print_line(
        f"model {model.id}: {model.n_train} trained on, "
        f"{1000 * model.holdout_mae_ev_per_atom:.1f} meV/atom on {model.n_holdout} held out"
    )


def _delta(out: Path | None, labels: list[Path] | None, level: str | None, without: str | None, seed: int) -> None:
    from gnome_lite.assemble import make_describe
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.predict import delta
    from gnome_lite.predict.delta_train import DeltaPlan, train_delta

    if not labels or level is None:
        raise ConfigError("--delta learns from --labels CSV of --level, e.g. mp-GGA_GGA+U-MP2020: name both")
    data = _labelled(labels)
    corrects = "chgnet-0.3.0"
    place = out if out is not None else Path("data/models") / f"delta-{corrects}"
    kept_out = split_system(without) if without else ()
    with show_progress() as progress:
        features = make_describe(corrects)(data.crystals, progress)
        model = train_delta(
            features, data.e_form_ev_per_atom, corrects, level, DeltaPlan(seed=seed), kept_out, progress
        )
    delta.write(model, place)
    card = model.card
    say(f"written to {place}")
    print_line(
        f"model {card.id}: {card.n_train} trained on, {1000 * card.holdout_mae_ev_per_atom:.1f} meV/atom on chemical "
        f"systems held out, {1000 * card.linear_mae_ev_per_atom:.1f} with one number an element"
    )


def _labelled(paths: list[Path]) -> TrainingSet:
    from gnome_lite.predict.build import join
    from gnome_lite.sources.labelled import read_labelled

    return join([read_labelled(path) for path in paths])


def _seed() -> tuple[TrainingSet, TrainingSet | None, str]:
    """Return the bundled crystals but the hypothetical ones, those as they were before relaxation, and their level.

    Of a hypothetical compound the unrelaxed crystal is what a candidate looks like: relaxed ones beside it took as much
    time again and told little more.
    """
    import numpy as np

    from gnome_lite.core.origins import Origin, origins
    from gnome_lite.core.records import TrainingSet
    from gnome_lite.sources.bundled_seed import SeedSource

    seed = SeedSource()
    references = seed.load()
    kept = np.array([origin is Origin.REPORTED for origin in origins(references)])
    known = TrainingSet(references.crystals, references.e_form_ev_per_atom).take(kept)
    return known, seed.inputs(), references.level


def _draw(place: Path) -> None:
    """Write the figures of an ensemble beside its weights."""
    from gnome_lite.predict import checkpoint
    from gnome_lite.predict.ensemble import Ensemble
    from gnome_lite.report.figures import png
    from gnome_lite.report.learning import history_figure, parity_figure

    made = checkpoint.read(place)
    (place / "history.png").write_bytes(png(history_figure(made.history, made.card.id)))
    if made.holdout is not None and len(made.holdout):
        predicted, _ = Ensemble(made).predict(made.holdout.crystals)
        known = predicted == predicted
        figure = parity_figure(made.holdout.e_form_ev_per_atom[known], predicted[known], f"hold-out of {made.card.id}")
        (place / "parity.png").write_bytes(png(figure))
