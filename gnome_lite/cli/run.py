"""`init` writes a campaign file; `run` runs or continues a campaign as a Prefect flow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, console, say, settings_of
from gnome_lite.cli.errors import Invocation

if TYPE_CHECKING:
    from gnome_lite.config import CampaignConfig
    from gnome_lite.settings import Settings
    from gnome_lite.store.database import SqlStore


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("campaign.toml"),
    every: Annotated[bool, typer.Option("--all", help="Write every setting, not only the usual ones.")] = False,
) -> None:
    """Write a campaign.toml with comments."""
    from gnome_lite.cli.template import campaign_toml
    from gnome_lite.core.errors import ConfigError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(campaign_toml(every=every))
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already: name another file, e.g. gnome-lite init other.toml") from error
    except OSError as error:
        raise ConfigError(
            f"cannot write {path} ({error.strerror}): name a file in a directory you can write"
        ) from error
    say(f"wrote {path}; edit it, then: gnome-lite run {path}")


def run(
    context: typer.Context,
    campaign: Annotated[Path | None, typer.Argument(help="campaign.toml. Default: the bundled campaign.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds in total, in place of the campaign's.")] = None,
    home: Home = None,
) -> None:
    """Run a campaign, or continue one.

    A killed campaign continues where it stopped; a finished one can be given more rounds.
    """
    from gnome_lite.config import CampaignConfig

    invocation = context.find_object(Invocation) or Invocation(debug=False)
    config = CampaignConfig.from_toml(campaign) if campaign is not None else CampaignConfig()
    if rounds is not None:
        config = config.model_copy(update={"rounds": rounds})
    settings = settings_of(home)
    store = _checked(config, settings)
    say(f"campaign {config.name}, up to round {config.rounds}, in {settings.home}")
    _run_flow(config, settings, invocation.debug)
    _summary(config, store, home)


def _checked(config: CampaignConfig, settings: Settings) -> SqlStore:
    """Return the store, once all that can be checked without a server has been."""
    from gnome_lite.assemble import check_calculators, open_store

    check_calculators(config)
    if config.sources.materials_project:
        settings.require_mp_key()
    return open_store(settings, create=True)


def _run_flow(config: CampaignConfig, settings: Settings, debug: bool) -> None:
    from flows.local import local_server, prepare_environment

    prepare_environment(settings, debug)
    from gnome_lite.report.progress import progress_on

    with progress_on(sys.stderr) as progress:
        progress("prefect", 0, 0, "starting")
        from flows.discovery import discovery, showing

        with local_server(), showing(progress):
            discovery(config.model_dump(mode="json"), str(settings.home.resolve()))


def _summary(config: CampaignConfig, store: SqlStore, home: Path | None) -> None:
    from gnome_lite.campaign.stopping import reason_to_stop
    from gnome_lite.report.tables import round_table
    from gnome_lite.store.query import Query

    out = console()
    reports = store.reports(config.name)
    campaign = next(c for c in store.status().campaigns if c.name == config.name)
    found = [c for c in store.query(Query(campaign=config.name, novel=True)) if c.stable]
    plain = sum(not c.ordering_suspect for c in found)
    where = f" --home {home}" if home is not None else ""
    out.print(round_table(reports, title=f"Campaign {config.name} after round {len(reports)}"))
    lines = [
        "",
        f"Found {len(found)} surrogate-stable crystals that are not in the reference set, {plain} of them without "
        "suspicion of being an ordering of a solid solution.",
        f"Stable means: on the hull at level {campaign.level}, relative to reference set "
        f"{campaign.reference_set_id} ({campaign.n_references} entries).",
        f"See them:     gnome-lite query --novel --stable{where}",
    ]
    if reason := reason_to_stop(reports, config.stop):
        lines.append(f"Ended after round {len(reports)} of {config.rounds}: {reason}. More with [stop] patience = 0.")
    if found:
        lines.append(f"See one:      gnome-lite show {found[0].id}{where}")
        lines.append(f"Take them:    gnome-lite export --novel --stable{where}")
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
