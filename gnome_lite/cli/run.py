"""`init` writes a campaign file; `run` runs or continues a campaign as a Prefect flow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import (
    CampaignFile,
    Home,
    Trust,
    config_of,
    local_prefect,
    print_drawn,
    print_line,
    remember,
    say,
    settings_of,
)

if TYPE_CHECKING:
    from gnome_lite.config import CampaignConfig
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
    campaign: CampaignFile = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds in total, in place of the campaign's.")] = None,
    trust: Trust = False,
    home: Home = None,
) -> None:
    """Run a campaign, or continue one.

    A killed campaign continues where it stopped; a finished one can be given more rounds.
    """
    from gnome_lite.assemble import check_calculators, open_store, require_files

    config = config_of(campaign)
    if rounds is not None:
        config = config.model_copy(update={"rounds": rounds})
    settings = settings_of(home)
    # All that can be checked without a server is.
    remember(config, settings, trust)
    require_files(config)
    check_calculators(config, settings)
    if config.sources.materials_project:
        settings.require_mp_key()
    store = open_store(settings, create=True)
    store.require_settings(config)
    say(f"campaign {config.name}, up to round {config.rounds}, in {settings.home}")
    if not _has_ended(config, store):
        with local_prefect(settings, bool(context.obj)) as call:
            from flows.discovery import discovery

            call(discovery, config.model_dump(mode="json"), str(settings.home.resolve()))
    _summary(config, store, home)


def _has_ended(config: CampaignConfig, store: SqlStore) -> bool:
    from gnome_lite.campaign.stopping import reason_to_stop

    reports = store.reports(config.name)
    return len(reports) >= config.rounds or bool(reason_to_stop(reports, config.stop))


def _summary(config: CampaignConfig, store: SqlStore, home: Path | None) -> None:
    from gnome_lite.campaign.stopping import reason_to_stop
    from gnome_lite.core.novelty_kinds import count_kinds, kinds_in_words
    from gnome_lite.report.tables import round_table
    from gnome_lite.store.query import Query

    reports = store.reports(config.name)
    campaign = next(c for c in store.status().campaigns if c.name == config.name)
    hits = [c for c in store.query(Query(campaign=config.name, novel=True)) if c.stable]
    plain = sum(not c.ordering_suspect for c in hits)
    where = f" --home {home}" if home is not None else ""
    print_drawn(round_table(reports, title=f"Campaign {config.name} after round {len(reports)}"))
    lines = [
        "",
        f"Found {len(hits)} surrogate-stable crystals that are not in the reference set, {plain} of them without "
        "suspicion of being an ordering of a solid solution.",
        *([f"Of these: {kinds}."] if (kinds := kinds_in_words(count_kinds(c.novelty for c in hits))) else []),
        f"Stable means: on the hull at level {campaign.level}, relative to reference set "
        f"{campaign.reference_set_id} ({campaign.n_references} entries).",
        f"See them:     gnome-lite query --novel --stable{where}",
    ]
    if reason := reason_to_stop(reports, config.stop):
        lines.append(f"Ended after round {len(reports)} of {config.rounds}: {reason}. More with [stop] patience = 0.")
    if hits:
        lines.append(f"See one:      gnome-lite show {hits[0].id}{where}")
        lines.append(f"Take them:    gnome-lite export --novel --stable{where}")
    for line in lines:
        print_line(line)
