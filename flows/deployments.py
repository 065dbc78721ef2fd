"""Serve the discovery flow on a schedule: `python -m flows.deployments --cron "0 2 * * *"`.

Needs a running Prefect server, because an ephemeral one schedules nothing. One run at a time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.local import prepare_environment
from gnome_lite.assemble.trust import remember_trust, require_trust
from gnome_lite.config import CampaignConfig
from gnome_lite.core.errors import ConfigError, GnomeLiteError
from gnome_lite.core.plain_text import printable
from gnome_lite.settings import Settings


def serve(
    config: CampaignConfig,
    settings: Settings,
    name: str = "nightly",
    cron: str | None = None,
    interval_s: float | None = None,
    rounds: int = 1,
) -> None:
    """Serve the campaign until stopped; each scheduled run goes on by `rounds` rounds.

    Args:
        config: the campaign.
        settings: whose home holds its store.
        name: of the deployment.
        cron: when, e.g. "0 2 * * *" for two o'clock each night (UTC).
        interval_s: or every so many seconds.
        rounds: that each run adds.

    Raises:
        ConfigError: if no Prefect server is named or the schedule cannot be read.
    """
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.flows import EntrypointType
    from prefect.settings import PREFECT_API_URL

    from flows.discovery import discovery

    if not PREFECT_API_URL.value():
        raise ConfigError(
            "schedules need a running Prefect server: start one with `prefect server start` "
            "and set PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    if (cron is None) == (interval_s is None):
        raise ConfigError("name one schedule: --cron '0 2 * * *' or --interval 3600")
    if cron is not None:
        try:
            CronSchedule(cron=cron)
        except ValueError as error:
            raise ConfigError(
                f"{cron!r} is not a cron schedule: write e.g. '0 2 * * *' (minute hour day month weekday)"
            ) from error
    discovery.serve(
        name=name,
        cron=cron,
        interval=interval_s,
        parameters={"campaign": config.model_dump(mode="json"), "home": str(settings.home.resolve())}
        | {"more_rounds": rounds},
        limit=1,
        # By module, so that it is found from a wheel and from any directory.
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the campaign that a command line describes; returns the exit code, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m flows.deployments", description=__doc__)
    parser.add_argument("campaign", nargs="?", type=Path, help="campaign.toml; default: the bundled campaign")
    parser.add_argument("--cron", help="when, e.g. '0 2 * * *'")
    parser.add_argument("--interval", type=float, metavar="SECONDS", help="or every so many seconds")
    parser.add_argument("--rounds", type=int, default=1, help="rounds that each run adds")
    parser.add_argument("--name", default="nightly", help="name of the deployment")
    parser.add_argument("--trust", action="store_true", help="run the code that the campaign names, in this home")
    parser.add_argument("--home", type=Path, help="directory of store and models")
    given = parser.parse_args(arguments)
    settings = Settings.at(given.home)
    try:
        config = CampaignConfig.from_toml(given.campaign) if given.campaign else CampaignConfig()
        if given.trust:
            remember_trust(config, settings)
        require_trust(config, settings)  # now, not at two o'clock in the night
        prepare_environment(settings, debug=True)
        serve(config, settings, given.name, given.cron, given.interval, given.rounds)
    except GnomeLiteError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
