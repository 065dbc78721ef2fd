from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from samples.killed import TINY
from samples.small_campaign import report

from gnome_lite.assemble import open_store
from gnome_lite.config import CampaignConfig
from gnome_lite.core.errors import ConfigError
from gnome_lite.settings import Settings


def ask(what: str, until: Callable[[list[dict[str, Any]]], bool], **filters: Any) -> list[dict[str, Any]]:
    """Rows of the Prefect server, as soon as they are as wanted: task runs reach it as events, a little later."""
    from prefect.settings import PREFECT_API_URL

    deadline = time.monotonic() + 60
    while True:
        answer = httpx.post(f"{PREFECT_API_URL.value()}/{what}/filter", json=filters, timeout=30)
        answer.raise_for_status()
        rows = list(answer.json())
        if until(rows) or time.monotonic() > deadline:
            return rows
        time.sleep(0.2)


def names(rows: list[dict[str, Any]]) -> set[str]:
    return {str(row["name"]) for row in rows}


def test_each_step_is_one_named_task_run(prefect: None) -> None:
    from prefect import flow

    from flows.discovery import as_task

    @flow(name="two-steps")
    def two() -> list[Any]:
        return [as_task("prepare", 0, lambda: {"references": 3}), as_task("verify", 2, lambda: {"verified": 1})]

    assert two() == [{"references": 3}, {"verified": 1}]
    wanted = {"prepare", "round 2 / verify"}
    runs = ask("task_runs", lambda rows: names(rows) == wanted, flows={"name": {"any_": ["two-steps"]}})
    assert names(runs) == wanted
    # What a step works on must not travel through the engine.
    assert all(not r["task_inputs"] for r in runs)


def test_a_failing_step_is_not_tried_again_and_keeps_its_error(prefect: None) -> None:
    from prefect import flow

    from flows.discovery import as_task

    calls: list[int] = []

    def broken() -> dict[str, Any]:
        calls.append(1)
        raise ConfigError("the thing and the remedy")

    @flow(name="broken")
    def one() -> None:
        as_task("learn", 1, broken)

    with pytest.raises(ConfigError, match=r"^the thing and the remedy$"):
        one()
    assert len(calls) == 1


def test_each_round_publishes_a_table_and_a_picture(prefect: None) -> None:
    from prefect import flow

    from flows.discovery import publish

    @flow(name="publishing")
    def both() -> None:
        publish("First_one", "test-1", [report(1)])
        publish("First_one", "test-1", [report(1), replace(report(2), hits=3)])

    both()
    keys = {"any_": ["first-one-rounds", "first-one-picture"]}
    by_key: dict[str, list[dict[str, Any]]] = {}
    for artifact in ask("artifacts", lambda rows: len(rows) == 4, artifacts={"key": keys}):
        by_key.setdefault(artifact["key"], []).append(artifact)
    assert {k: len(v) for k, v in by_key.items()} == {"first-one-rounds": 2, "first-one-picture": 2}
    assert {a["type"] for a in by_key["first-one-rounds"]} == {"table"}
    newest = max(by_key["first-one-picture"], key=lambda a: len(a["data"]))
    assert newest["type"] == "markdown"
    assert "](data:image/png;base64," in newest["data"]
    assert "| hits | 2 | 3 |" in newest["data"]
    assert "surrogate-stable" in newest["data"]


@pytest.mark.parametrize(
    ("campaign", "words"),
    [
        ({"generate": {"candidate": 5}}, "unknown key 'generate.candidate'"),
        ({"space": {"elements": ["Xx"]}}, "no element 'Xx'"),
        ("nowhere.toml", "cannot read campaign nowhere.toml"),
        ({"verify": {"calculator": "os:system"}}, "calculator os:system: .* --trust"),
    ],
)
def test_bad_campaigns_leave_the_flow_as_they_are(
    prefect: None, tmp_path: Path, campaign: dict[str, Any] | str, words: str
) -> None:
    from flows.discovery import discovery

    with pytest.raises(ConfigError, match=words):
        discovery(campaign, str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_campaign_parameter_is_a_dict_a_path_or_nothing(tmp_path: Path) -> None:
    from flows.discovery import read_campaign

    (tmp_path / "c.toml").write_text("name = 'mine'")
    assert read_campaign(None) == CampaignConfig()
    assert read_campaign(str(tmp_path / "c.toml")).name == "mine"
    assert read_campaign(TINY.model_dump(mode="json")) == TINY


@pytest.mark.slow
@pytest.mark.usefixtures("small_world")
def test_a_real_campaign_as_a_flow(prefect: None, tmp_path: Path) -> None:
    """Generated, predicted, relaxed with CHGNet, judged; then one more round, as a schedule asks for."""
    from flows.discovery import discovery, showing

    seen: list[str] = []
    campaign = TINY.model_copy(update={"rounds": 1}).model_dump(mode="json")
    with showing(lambda stage, done, total, note="": seen.append(stage)):
        assert discovery(campaign, str(tmp_path))["rounds"] == 1
    assert {"generate", "predict", "verify", "judge", "learn"} <= set(seen)
    first = open_store(Settings(home=tmp_path)).reports("tiny")
    assert discovery(campaign, str(tmp_path), more_rounds=1)["rounds"] == 2
    reports = open_store(Settings(home=tmp_path)).reports("tiny")
    assert reports[:1] == first
    assert [r.round for r in reports] == [1, 2]
    assert all(r.verified for r in reports)
    wanted = {"prepare", "round 1 / verify", "round 2 / report"}
    runs = ask("task_runs", lambda rows: wanted <= names(rows), flows={"name": {"any_": ["discovery"]}})
    assert wanted <= names(runs)
