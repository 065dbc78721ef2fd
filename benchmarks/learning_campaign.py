"""A real campaign of six rounds and 1,056 verifications on the default space: hit rates, errors, suspects by round."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.sizes import Effort, campaign_settings, size
from gnome_lite.config import CampaignConfig

CAMPAIGN = Path(__file__).parents[1] / "data" / "campaigns" / "thousand.toml"
HIT_RATE = 0.8


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    """Yield rows in a long run only: the better part of an hour.

    One that was begun in the home goes on, a finished one is read.
    """
    fewest = size("learning_campaign.verifications", effort)
    if not fewest:
        return
    from gnome_lite.assemble import assemble, open_store
    from gnome_lite.campaign.runner import run_campaign
    from gnome_lite.report.progress import progress_on
    from gnome_lite.settings import Settings
    from gnome_lite.store.query import Query

    config = CampaignConfig.from_toml(CAMPAIGN) if effort is Effort.LONG else _small(fewest)
    with progress_on(sys.stderr) as progress:
        stages = assemble(config, Settings(), progress)
        reports = run_campaign(stages)
    n, n_control = sum(r.verified for r in reports), sum(r.control for r in reports)
    won = sum(r.control * (r.control_hit_rate or 0.0) for r in reports)
    yield Row("campaign: verifications", "", n, None, "", None, f">= {fewest}", n >= fewest)
    for r in reports:
        yield Row(
            f"campaign: hit rate of round {r.round}",
            "",
            r.hit_rate or 0.0,
            won / n_control,
            f"random control, all {n_control} of it",
            (r.hit_rate or 0.0) / (won / n_control) if won else None,
            f">= {HIT_RATE}" if r is reports[-1] else "",
            (r.hit_rate or 0.0) >= HIT_RATE if r is reports[-1] else None,
        )
    for r in reports:
        yield Row(
            f"campaign: error of predictions of what round {r.round} verified, MAE",
            "eV/atom",
            r.mae_ev_per_atom or float("nan"),
            None,
            "",
            None,
        )
    for r in reports:
        yield Row(f"campaign: calibration error of round {r.round}", "", r.calibration_error or 0.0, None, "", None)
    found = [c for c in open_store(Settings()).query(Query(campaign=config.name, novel=True)) if c.stable]
    suspects = sum(bool(c.ordering_suspect) for c in found) / max(1, len(found))
    yield Row("campaign: stable and novel crystals after the last round", "", len(found), None, "", None)
    yield Row("campaign: of these, ordering-suspects", "", suspects, None, "", None)


def _small(verifications: int) -> CampaignConfig:
    return CampaignConfig.model_validate(
        {
            "name": "small",
            "rounds": 1,
            "space": {"elements": ["Li", "Na", "F", "Cl", "O"], "max_elements": 3},
            "generate": {"candidates": 10 * verifications, "max_atoms": 4, "mix": {"substitution": 1.0}},
            **campaign_settings(Effort.SMOKE),
            "select": {"budget": verifications - 1, "control": 1},
        }
    )
