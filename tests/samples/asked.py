"""A campaign whose crystals can be asked for: the small one, with its reference phases in a file of its home."""

from __future__ import annotations

from pathlib import Path

from samples.small_campaign import CRYSTALS, begin, play_round, references

from gnome_lite.config import CampaignConfig, Sources
from gnome_lite.core.phases import PhaseSet
from gnome_lite.sources.reference_files import write_references
from gnome_lite.store.database import SqlStore

STABLE = (CRYSTALS[0].content_id,)
"""LiF: on the hull and novel. NaCl lies 0.1 eV/atom above it, NaMnF3 0.03; KCl is known."""


def home_with_campaign(home: Path) -> SqlStore:
    """Make a home whose campaign "first" has played one round, with references that `open_phases` can read."""
    home.mkdir(parents=True, exist_ok=True)
    write_references(home / "elements.parquet", list(references()))
    store = SqlStore.open(home / "store.sqlite")
    begin(store, rounds=1, sources=Sources(seed=False, files=(home / "elements.parquet",)))
    play_round(store, "first")
    return store


def phases(store: SqlStore) -> PhaseSet:
    """Return what `open_phases` returns for that campaign."""
    known = references()
    return known.add([v for v in store.verifications(known.level) if v.ok])


def config(store: SqlStore) -> CampaignConfig:
    """Return the settings of the campaign."""
    return CampaignConfig(name="first")
