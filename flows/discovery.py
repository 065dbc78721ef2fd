"""The campaign as a Prefect flow: one task run a step, a table and a picture a round.

Prefect schedules and shows; the store decides what is done. Parameters are small JSON, steps pass
figures only, and a step that fails by logic is not tried again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.futures import as_completed
from prefect.logging import get_run_logger
from pydantic import ValidationError

from gnome_lite.assemble import assemble, open_store
from gnome_lite.campaign.engine import Direct
from gnome_lite.campaign.runner import run_campaign
from gnome_lite.campaign.stopping import reason_to_stop
from gnome_lite.config import CampaignConfig, explain
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.records import RoundReport
from gnome_lite.pipeline import Figures, Progress, silent
from gnome_lite.report.figures import data_uri, round_figure
from gnome_lite.report.learning import learning_figures
from gnome_lite.report.tables import round_markdown, round_rows
from gnome_lite.settings import Settings
from gnome_lite.store.database import SqlStore

T = TypeVar("T")
R = TypeVar("R")

_progress: ContextVar[Progress] = ContextVar("progress", default=silent)


@contextmanager
def showing(progress: Progress) -> Iterator[None]:
    """Let flows called in this context report to `progress`, which no flow parameter could carry."""
    token = _progress.set(progress)
    try:
        yield
    finally:
        _progress.reset(token)


def current_progress() -> Progress:
    """Return the progress that the running flow reports to."""
    return _progress.get()


@flow(name="discovery", flow_run_name="discovery", persist_result=False, retries=0)
def discovery(
    campaign: dict[str, Any] | str | None = None, home: str | None = None, more_rounds: int | None = None
) -> dict[str, Any]:
    """Run a campaign, or go on with it.

    Args:
        campaign: its settings, or the path of its TOML file; default is the bundled campaign.
        home: directory of the store and models; default from GNOME_LITE_HOME.
        more_rounds: this many rounds beyond those the store holds, in place of the campaign's own
            number: what a nightly schedule wants.

    Raises:
        GnomeLiteError: for anything a user can mend.
    """
    settings = Settings.at(home)
    config = read_campaign(campaign)
    stages = assemble(config, settings, current_progress())
    before = {r.round for r in stages.store.reports(config.name)}
    if more_rounds is not None:
        rounds = max(len(before) + more_rounds, rounds_given(config.name, settings))
        config = config.model_copy(update={"rounds": rounds})
        stages = replace(stages, config=config)

    def on_round(report: RoundReport) -> None:
        if followed() and (report.round not in before or report.round == config.rounds):
            reports = [r for r in stages.store.reports(config.name) if r.round <= report.round]
            publish(config.name, stages.verifier.level, reports)
            publish_learning(config.name, stages.store, report.round)

    reports = run_campaign(stages, engine=PrefectTasks() if followed() else Direct(), on_round=on_round)
    return {
        "campaign": config.name,
        "rounds": len(reports),
        "verified": sum(r.verified for r in reports),
        "hits": sum(r.hits for r in reports),
        "stopped": reason_to_stop(reports, config.stop),
    }


def followed() -> bool:
    """Return whether Prefect follows what runs now; a flow that `calling.call` carries on without it is not."""
    return FlowRunContext.get() is not None


def read_campaign(campaign: Mapping[str, Any] | str | None) -> CampaignConfig:
    """Return the settings that a flow's parameter names.

    Raises:
        ConfigError: naming the key and what is allowed there.
    """
    if campaign is None:
        return CampaignConfig()
    if isinstance(campaign, str):
        return CampaignConfig.from_toml(Path(campaign))
    try:
        return CampaignConfig.model_validate(campaign)
    except ValidationError as error:
        raise ConfigError(f"campaign: {explain(error)}") from error


def rounds_given(name: str, settings: Settings) -> int:
    """Return the most rounds that the store has seen this campaign given; 0 before it begins."""
    campaigns = {c.name: c for c in open_store(settings).status().campaigns}
    return int(campaigns[name].config["rounds"]) if name in campaigns else 0


class PrefectTasks(Direct):
    """The engine of flows: a step is a task run, a shard is another; the flow's task runner says where they run.

    Args:
        shard_size: crystals in one shard; None leaves a step's work to the process that runs the flow.
    """

    def __init__(self, shard_size: int | None = None) -> None:
        self.shard_size = shard_size

    def run(self, name: str, round: int, step: Callable[[], Figures]) -> Figures:
        """Run a step as a task run of its own."""
        return as_task(name, round, step)

    def map(self, function: Callable[[Sequence[T]], Iterable[R]], shards: Iterable[Sequence[T]]) -> Iterator[R]:
        """Submit each shard as a task run, and yield the results of whole shards as they are done."""
        if self.shard_size is None:
            yield from super().map(function, shards)
            return

        @task(name="shard", cache_policy=NO_CACHE, persist_result=False, retries=0)
        def work(shard: Sequence[T]) -> list[R]:
            return list(function(shard))

        for done in as_completed([work.submit(shard) for shard in shards]):
            yield from done.result()


def as_task(name: str, round: int, call: Callable[[], Figures]) -> Figures:
    """Run one step as one task run, named after its round. What it works on stays in the closure."""
    if not followed():
        return call()
    title = f"round {round} / {name}" if round else name

    @task(name=name, task_run_name=title, cache_policy=NO_CACHE, persist_result=False, retries=0)
    def step() -> dict[str, Any]:
        log = get_run_logger()
        log.info("%s begins", title)
        figures = dict(call())
        log.info("%s ends: %s", title, ", ".join(f"{key} {value}" for key, value in figures.items()))
        return figures

    return step()


def publish(name: str, level: str, reports: Sequence[RoundReport]) -> None:
    """Publish the table and the picture of a campaign's rounds so far, as artifacts that each round renews."""
    last = reports[-1]
    key = artifact_key(name)
    description = f"Campaign {name} after round {last.round}"
    create_table_artifact(round_rows(reports), key=f"{key}-rounds", description=description)
    picture = data_uri(round_figure(reports, f"campaign {name}, round {last.round}"))
    create_markdown_artifact(
        f"# Campaign {name}, round {last.round}\n\n"
        f"![counts, hit rate and network error of each round]({picture})\n\n{round_markdown(reports)}\n"
        f"Stable means *surrogate-stable*: on the hull at level {level}.\n",
        key=f"{key}-picture",
        description=f"Hit rate and error of campaign {name} after round {last.round}",
    )
    get_run_logger().info("round %d: %d hits of %d verified", last.round, last.hits, last.verified)


def publish_learning(name: str, store: SqlStore, round: int) -> None:
    """Publish the training and errors of the networks, as an artifact that each round renews."""
    pictures = (
        f"## {title}\n\n![{title}]({data_uri(f)})\n" for title, f in learning_figures(store, name, round).items()
    )
    create_markdown_artifact(
        f"# Campaign {name}, networks after round {round}\n\n" + "\n".join(pictures),
        key=f"{artifact_key(name)}-learning",
        description=f"Training, errors and reliability of the networks of campaign {name}",
    )


def artifact_key(name: str) -> str:
    """Return a campaign's name in the small letters, digits and dashes that Prefect allows."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "campaign"
