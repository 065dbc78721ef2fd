"""`Stages`: the parts of a campaign, one implementation of each stage of `pipeline`, and its store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gnome_lite.config import CampaignConfig, Level
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.pipeline import (
    Acquisition,
    BuildHull,
    Candidates,
    Gate,
    Novelty,
    Predictor,
    Progress,
    Source,
    Verifier,
    silent,
)

if TYPE_CHECKING:
    from gnome_lite.store.database import SqlStore


@dataclass(frozen=True, slots=True, eq=False)
class FurtherParents:
    """Known crystals without energies at this level: parents of candidates, never part of a hull.

    Attributes:
        skipped: files that could not be used, those of references among them, by cause.
    """

    crystals: CrystalBatch
    ids: tuple[str, ...]
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HigherLevel:
    """A level of theory above the campaign's own.

    Attributes:
        name: name of its calculator.
        settings: budget, and how near the hull of the level below a survivor must lie.
        results_log: file of the phases computed for this level's hulls, shared by all campaigns of a home.
    """

    name: str
    verifier: Verifier
    settings: Level
    results_log: Path


@dataclass(frozen=True, slots=True)
class Stages:
    """Everything a campaign needs, assembled once."""

    config: CampaignConfig
    source: Source
    candidates: Candidates
    further_parents: FurtherParents
    gate: Gate
    novelty: Novelty
    predictor: Predictor
    acquisition: Acquisition
    verifier: Verifier
    build_hull: BuildHull
    store: SqlStore
    progress: Progress = silent
    higher_levels: tuple[HigherLevel, ...] = ()
