"""Re-evaluation of verdicts as a Prefect flow: one task for each campaign of the store."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow

from flows.discovery import as_task, current_progress
from gnome_lite.assemble import open_store, reevaluate_campaign
from gnome_lite.pipeline import Progress
from gnome_lite.settings import Settings
from gnome_lite.store.database import SqlStore


@flow(name="reevaluate", flow_run_name="reevaluate", persist_result=False, retries=0)
def reevaluate(campaigns: list[str] | None = None, home: str | None = None) -> dict[str, dict[str, Any]]:
    """Look verdicts up again where references or verified crystals have changed, and re-issue those that moved.

    Args:
        campaigns: names; default is every campaign of the store.
        home: directory of the store; default from GNOME_LITE_HOME.

    Returns:
        Figures of each campaign by name.

    Raises:
        GnomeLiteError: for anything a user can mend.
    """
    settings = Settings.at(home)
    store, progress = open_store(settings), current_progress()
    names = campaigns or [c.name for c in store.status().campaigns]
    return {n: dict(as_task(f"reevaluate {n}", 0, partial(_reissue, n, store, settings, progress))) for n in names}


def _reissue(name: str, store: SqlStore, settings: Settings, progress: Progress) -> dict[str, Any]:
    outcome = reevaluate_campaign(name, store, settings, progress)
    figures = {key: getattr(outcome, key) for key in ("cause", "standing", "affected", "gained", "lost")}
    return figures | {
        "reference_set": outcome.reference_set_id, "hull": outcome.hull_id, "moved": len(outcome.moved)
    }  # fmt: skip
