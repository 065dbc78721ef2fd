"""`benchmark`: how much a campaign finds where the answer is known: replays and rediscovery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gnome_lite.cli.calibrate import calibrate
from gnome_lite.cli.common import (
    Home,
    Trust,
    config_of,
    print_drawn,
    print_line,
    remember,
    say,
    settings_of,
    show_progress,
    split_list,
)
from gnome_lite.cli.rediscover import rediscover
from gnome_lite.cli.wbm import wbm

app = typer.Typer(help="Test campaigns where the answer is known.", no_args_is_help=True)

app.command()(rediscover)
app.command()(wbm)
app.command()(calibrate)

DEFAULT_STRATEGIES = "perfect,random,ion_exchange,composition,greedy,p_stable,expected_improvement"


@app.command()
def pool(
    out: Annotated[Path, typer.Option(help="Directory for universe.parquet.")] = Path("data/replay"),
    candidates: Annotated[int, typer.Option(min=1, help="Candidates to verify.")] = 5050,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the candidates.")] = 0,
    campaign: Annotated[Path | None, typer.Option(help="campaign.toml. Default: the default campaign.")] = None,
    trust: Trust = False,
    home: Home = None,
) -> None:
    """Make a labelled pool: a campaign's candidates, all of them verified.

    It takes hours; a killed build continues where it stopped.
    """
    from gnome_lite.assemble import assemble, make_verifier
    from gnome_lite.evaluation.labelled_pool import LabelledPool, plan_pool
    from gnome_lite.evaluation.pool_files import write_pool
    from gnome_lite.evaluation.replay_setup import UNIVERSE
    from gnome_lite.store.database import SqlStore
    from gnome_lite.verify.results_log import relax_all

    config = config_of(campaign)
    settings = settings_of(home)
    remember(config, settings, trust)
    with show_progress() as progress:
        stages = assemble(config, settings, progress, SqlStore.in_memory())
        references = stages.source.load()
        planned, made = plan_pool(candidates, seed, stages)
        with make_verifier(config, references.elemental_ev_per_atom, settings) as verifier:
            outcomes = relax_all(planned, verifier, settings.home / "universe" / "ledger.jsonl", progress)
    labelled = LabelledPool.make([(c, outcomes[c.id]) for c in planned], references.id)
    write_pool(out / UNIVERSE, labelled)
    for name, figure in {"id": labelled.id, "level": labelled.level, **labelled.census(), **made, "out": out}.items():
        print_line(f"{name}: {figure}")


@app.command()
def higher(
    level: Annotated[str, typer.Argument(metavar="CALCULATOR", help="Of the dearer level.")] = "7net-l3i5",
    out: Annotated[Path, typer.Option(help="Directory for higher.parquet.")] = Path("data/replay"),
    pool: Annotated[Path | None, typer.Option(metavar="DIR", help="Labelled pool. Default: the shipped one.")] = None,
    trust: Trust = False,
    home: Home = None,
) -> None:
    """Verify at a dearer level what a labelled pool found, and its competing phases: for replays of who climbs.

    It takes an hour; a killed call continues where it stopped.
    """
    from gnome_lite.assemble import make_higher_level
    from gnome_lite.config import CampaignConfig
    from gnome_lite.evaluation.higher_truth import verify_higher
    from gnome_lite.evaluation.replay_setup import HIGHER, open_truth
    from gnome_lite.sources.reference_files import write_references
    from gnome_lite.verify.verifier import ProcessVerifier

    config = CampaignConfig.model_validate({"verify": {"levels": ["chgnet", level]}})
    settings = settings_of(home)
    remember(config, settings, trust)
    with show_progress() as progress:
        truth = open_truth(pool, progress)
        dear = make_higher_level(level, config, settings)
        assert isinstance(dear.verifier, ProcessVerifier), "made so"
        with dear.verifier:
            made = verify_higher(truth, dear.verifier, dear.results_log, progress)
    write_references(out / HIGHER, made)
    print_line(f"{len(made)} phases at level {dear.verifier.level}")


@app.command()
def replay(
    pool: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Labelled pool (and its own references, if any). Default: the shipped one."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each replay.")] = 6,
    budget: Annotated[int, typer.Option(min=1, help="Verifications in each round.")] = 50,
    seeds: Annotated[int, typer.Option(min=1, help="Replays of each strategy, each on another part of the pool.")] = 5,
    strategies: Annotated[str, typer.Option(metavar="A,B", help="Strategies to compare.")] = DEFAULT_STRATEGIES,
    retrain: Annotated[str, typer.Option(metavar="A,B", help="Any of frozen, none, base, continue.")] = "none",
    known: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of the references that the networks are first trained on.")
    ] = 1.0,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures of every round here.")] = None,
    plots: Annotated[Path | None, typer.Option(metavar="DIR", help="Write plots (PNG) here.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Repeat replays that are kept from earlier calls.")] = False,
    campaign: Annotated[Path | None, typer.Option(help="campaign.toml, for its predict and select sections.")] = None,
    home: Home = None,
) -> None:
    """Run campaigns on a labelled pool and compare strategies.

    The pool's outcomes stand in for relaxations; medians over the seeds are printed. Each finished replay is kept,
    and is not run again by a later call.
    """
    from json import dumps

    from gnome_lite.evaluation.plans import make_plans
    from gnome_lite.evaluation.replay_runs import as_json, run_replays
    from gnome_lite.evaluation.replay_setup import open_replay
    from gnome_lite.report.replay_figures import replay_figures, replay_table

    plans = make_plans(split_list(strategies), split_list(retrain), seeds, budget, rounds)
    config = config_of(campaign)
    settings = settings_of(home)
    for place in (json.parent if json is not None else None, plots):
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)  # before hours are spent
    kept = settings.home / "replay" / "results.jsonl"
    with show_progress() as progress:
        truth, networks = open_replay(config, settings, pool, progress, known)
        training = config.model_dump(mode="json", include={"predict", "expert"})
        replays = run_replays(truth, plans, networks, config.select, training, kept, again, progress)
    if json is not None:
        what = {"pool": truth.labelled.id, "references": truth.references.id, "model": networks.base.id}
        json.write_text(dumps({**what, "replays": as_json(replays)}, indent=1) + "\n", encoding="utf-8")
    if plots is not None:
        for name, figure in replay_figures(replays).items():
            figure.savefig(plots / f"{name}.png")
    print_drawn(replay_table(replays))
    say(
        f"labelled pool {truth.labelled.id}: {len(truth)} candidates, {int(truth.stable.sum())} truly stable "
        f"({truth.stable.mean():.1%}); medians of {seeds} seeds, lowest and highest in brackets"
    )
