"""`SqlStore`: `pipeline.Store` on SQLite or PostgreSQL.

Every method is one transaction. A method that is given a step's figures writes the step's rows and marks the step as
done in that same transaction, so a kill leaves both or neither; `finish` renews the mark with the seconds it
took. Rows of the same campaign, level and round are replaced, so repeating a step gives the same rows. Where a method
takes a level of theory, None is the campaign's own; a step at another level is marked as "acquire LEVEL" and so on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gnome_lite.core.errors import StoreError
from gnome_lite.core.records import (
    Candidate,
    CandidatePool,
    ModelRecord,
    Prediction,
    RoundReport,
    Verdict,
    Verification,
)
from gnome_lite.core.verified_batch import VerifiedBatch
from gnome_lite.store import candidates, locks, opening, outcomes, rows, schema
from gnome_lite.store.campaigns import as_stored, begin_campaign, read_model, require_settings
from gnome_lite.store.connection import MEMORY, Database, parse_url
from gnome_lite.store.lineage import CrystalHistory, read_history
from gnome_lite.store.query import Query
from gnome_lite.store.result import QueryResult
from gnome_lite.store.search import run_query
from gnome_lite.store.status import StoreStatus, read_status
from gnome_lite.store.verdicts import read_standing, write_judged, write_reissued
from gnome_lite.store.writes import insert, mark, of, replace, write_selection

if TYPE_CHECKING:
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.phases import PhaseSet


class SqlStore:
    """The store of any number of campaigns. Open with `SqlStore.open`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str | Path, create: bool = True) -> SqlStore:
        """Open a store, bringing an older one to the present schema after a backup.

        Args:
            url: `sqlite:///path`, a path, or `postgresql://...`.
            create: make it (and its directory) where it does not exist.

        Raises:
            StoreError: if it cannot be opened, does not exist, is newer, or is no store.
        """
        return cls(opening.open_database(parse_url(url), create))

    @classmethod
    def in_memory(cls) -> SqlStore:
        """Make a store that is lost with this object: for replays and tests."""
        return cls(opening.open_database(MEMORY, create=True))

    @property
    def name(self) -> str:
        """Path of the file, or the URL without its password."""
        return self._database.name

    def exclusive(self, campaign: str) -> AbstractContextManager[None]:
        """Held by one process at a time, freed when its holder dies; StoreError if another one runs the campaign."""
        return locks.exclusive(self._database, campaign)

    def claim(self, level: str, candidate_ids: Iterable[str]) -> AbstractContextManager[list[str]]:
        """Those candidates that no other campaign relaxes at a level now, nor may until left; freed when we die."""
        return locks.claim(self._database, level, candidate_ids)

    # Campaigns and steps

    def begin(self, config: CampaignConfig, references: PhaseSet) -> None:
        """Record a campaign, or go on with it: more rounds and other numbers of processes are allowed.

        Raises:
            ConfigError: if it exists with other settings or other references.
        """
        with self._database.writing() as connection:
            begin_campaign(connection, config, references)

    def require_settings(self, config: CampaignConfig) -> None:
        """Raise ConfigError if a campaign of this name began with other settings; it names the first that differs."""
        with self._database.reading() as connection:
            require_settings(connection, config.name, as_stored(config))

    def done(self, campaign: str, round: int, stage: str) -> Mapping[str, Any] | None:
        """Figures of a finished step, None if it is not finished."""
        table = schema.stage
        query = select(table).where(*of(table, campaign, round), table.c.name == stage)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else rows.to_figures(row)

    def finish(self, campaign: str, round: int, stage: str, figures: Mapping[str, Any]) -> None:
        """Mark a step as done, with its final figures."""
        with self._database.writing() as connection:
            mark(connection, campaign, round, stage, figures)

    # Candidates

    def add_candidates(
        self,
        campaign: str,
        pool: CandidatePool,
        fingerprints: Sequence[str],
        figures: Mapping[str, Any],
        compared: Collection[str] | None = None,
    ) -> candidates.Added:
        """Store a round's candidates; one that another campaign proposed is linked.

        Args:
            compared: ids of the stored candidates that these were compared with. Should the store hold others of the
                same formulas by now, these are returned and nothing is stored. None: they need not be compared.
        """
        with self._database.writing() as connection:
            return candidates.add_candidates(connection, campaign, pool, fingerprints, figures, compared)

    def candidates_with_formulas(self, formulas: Iterable[str]) -> dict[str, list[Candidate]]:
        """Candidates of any campaign by reduced formula; one without any is absent."""
        with self._database.reading() as connection:
            return candidates.read_by_formula(connection, formulas)

    def unverified(self, campaign: str, round: int, level: str, carry_over: int) -> list[Candidate]:
        """Return a round's candidates without a verification at a level and the most likely older ones, by id."""
        with self._database.reading() as connection:
            return candidates.read_unverified(connection, campaign, round, level, carry_over)

    # Predictions and selection

    def add_predictions(
        self, campaign: str, round: int, predictions: Sequence[Prediction], figures: Mapping[str, Any]
    ) -> None:
        """Store the predictions of a round."""
        found = [rows.from_prediction(p) | {"campaign": campaign, "round": round} for p in predictions]
        with self._database.writing() as connection:
            replace(connection, schema.prediction, campaign, round, found)
            mark(connection, campaign, round, "predict", figures)

    def predictions(self, campaign: str, round: int) -> list[tuple[Candidate, Prediction]]:
        """Predictions of a round, ordered by candidate id."""
        with self._database.reading() as connection:
            return candidates.read_predicted(connection, campaign, round)

    def add_selection(
        self,
        campaign: str,
        round: int,
        chosen: Sequence[str],
        control: Sequence[str],
        figures: Mapping[str, Any],
        level: str | None = None,
    ) -> None:
        """Store what is to be verified at a level, best first; what is both chosen and control counts as chosen.

        Raises:
            StoreError: if the campaign selected one of them for that level in another round.
        """
        with self._database.writing() as connection:
            write_selection(connection, campaign, round, chosen, control, figures, level)

    def selected(self, campaign: str, round: int, level: str | None = None) -> list[tuple[Candidate, str]]:
        """The selection of a round at a level in rank order, with its role, "chosen" or "control"."""
        with self._database.reading() as connection:
            return candidates.read_selected(connection, campaign, round, level)

    # Verifications and verdicts

    def add_verification(self, campaign: str, round: int, verification: Verification) -> None:
        """Store one outcome at once; of two of the same candidate and level the first is kept.

        A success without a finite energy is stored as a failure.
        """
        self.add_verifications(campaign, round, [verification])

    def add_verifications(self, campaign: str, round: int, verifications: Iterable[Verification]) -> None:
        """`add_verification` of many, all or none of them."""
        found = [rows.from_verification(campaign, round, v) for v in verifications]
        with self._database.writing() as connection:
            insert(connection, schema.crystal, [crystal for _, crystal in found], ignore=True)
            insert(connection, schema.verification, [row for row, _ in found], ignore=True)

    def verifications(
        self, level: str, campaign: str | None = None, ids: Iterable[str] | None = None
    ) -> list[Verification]:
        """Verifications at a level, of what a campaign selected for it, of some candidates; by candidate id."""
        with self._database.reading() as connection:
            return outcomes.read_verifications(connection, level, campaign, ids)

    def verified_ids(self, level: str) -> list[str]:
        """Candidates verified at a level without failure, in order."""
        with self._database.reading() as connection:
            return list(connection.execute(outcomes.verified_ids(level)).scalars())

    def verified_batch(self, level: str, ids: Sequence[str] | None = None) -> VerifiedBatch:
        """Return what is verified at a level without failure: all ordered by id, or those of some ids in order."""
        with self._database.reading() as connection:
            return outcomes.read_batch(connection, level, ids)

    def outcomes(self, campaign: str, round: int, level: str | None = None) -> list[Verification]:
        """Verifications of a round's selection at a level, failures too, in rank order."""
        with self._database.reading() as connection:
            found = connection.execute(outcomes.outcomes(campaign, round, level)).mappings()
            return [rows.to_verification(row) for row in found]

    def predicted_and_verified(
        self, campaign: str, before_round: int
    ) -> list[tuple[Candidate, Prediction, Verification]]:
        """Return what earlier rounds verified at the campaign's level, with its prediction, by round and rank."""
        with self._database.reading() as connection:
            found = connection.execute(outcomes.predicted_and_verified(campaign, before_round))
            return [outcomes.to_triple(row) for row in found]

    def set_fingerprints(self, fingerprints: Mapping[str, str], level: str) -> None:
        """Keep the Wyckoff fingerprints of crystals relaxed at a level, by candidate id."""
        with self._database.writing() as connection:
            outcomes.write_fingerprints(connection, fingerprints, level)

    def add_verdicts(
        self,
        campaign: str,
        round: int,
        verdicts: Sequence[Verdict],
        figures: Mapping[str, Any],
        level: str | None = None,
    ) -> None:
        """Store the verdicts that a round issued at a level, new or moved; earlier ones are kept, and no longer stand.

        Args:
            figures: of the step; "hull" is the id of the whole hull, "reference_set" that of the competing phases
                where the level is not the campaign's own.

        Raises:
            LevelMismatchError: if a verdict is of another level.
        """
        with self._database.writing() as connection:
            write_judged(connection, campaign, round, verdicts, figures, level)

    def reissue_verdicts(
        self,
        campaign: str,
        verdicts: Sequence[Verdict],
        cause: str,
        hull_id: str,
        figures: Mapping[str, Any],
        references: PhaseSet | None = None,
        verified: tuple[int, Verification] | None = None,
        level: str | None = None,
    ) -> None:
        """Store verdicts that moved, or are new, after the campaign's last round, and why; earlier ones are kept.

        Args:
            hull_id, figures: of the whole hull they were looked up in; how many were looked at, moved and so on.
            references: the campaign goes on with these.
            verified: (round, outcome) that moved them, stored with them as by `add_verification`.

        Raises:
            StoreError: if the campaign has judged nothing yet.
        """
        found = None if verified is None else rows.from_verification(campaign, *verified)
        with self._database.writing() as connection:
            if found is not None:
                insert(connection, schema.crystal, [found[1]], ignore=True)
                insert(connection, schema.verification, [found[0]], ignore=True)
            write_reissued(connection, campaign, verdicts, cause, hull_id, figures, references, level)

    def verdicts(self, campaign: str, round: int | None = None, level: str | None = None) -> dict[str, Verdict]:
        """Verdicts at a level that stand at the end of a round (None = now), by candidate id."""
        with self._database.reading() as connection:
            return read_standing(connection, campaign, round, level)

    # Models and reports

    def add_model(self, campaign: str, round: int, model: ModelRecord, figures: Mapping[str, Any]) -> None:
        """Store the model that a round (0 = the base) ended with."""
        with self._database.writing() as connection:
            replace(connection, schema.model, campaign, round, [rows.from_model(campaign, round, model)])
            if round > 0:
                mark(connection, campaign, round, "learn", figures)

    def model(self, campaign: str, round: int) -> ModelRecord:
        """The model in force at the start of a round: the last promoted one, else the base.

        Raises:
            StoreError: if the campaign has none.
        """
        with self._database.reading() as connection:
            found = read_model(connection, campaign, round)
        if found is None:
            raise StoreError(f"store {self.name} has no model of campaign {campaign!r}: `gnome-lite run` makes one")
        return found

    def base_model(self, campaign: str) -> ModelRecord | None:
        """The model added for round 0."""
        with self._database.reading() as connection:
            return read_model(connection, campaign, 0)

    def add_report(self, campaign: str, report: RoundReport) -> None:
        """Store the report of a round."""
        row = {"campaign": campaign, "round": report.round, "body": rows.from_report(report)}
        with self._database.writing() as connection:
            replace(connection, schema.report, campaign, report.round, [row])

    def reports(self, campaign: str) -> list[RoundReport]:
        """Reports of a campaign by round."""
        table = schema.report
        query = select(table).where(table.c.campaign == campaign).order_by(table.c.round)
        with self._database.reading() as connection:
            return [rows.to_report(row) for row in connection.execute(query).mappings()]

    # Reading for people

    def query(self, query: Query | None = None, /, **filters: Any) -> QueryResult:
        """Return the stored crystals that fit a query, or its fields given as keywords, with their latest verdict.

        Raises:
            ConfigError: if a filter is unknown or its value not allowed, or the store has no such campaign or level.
        """
        wanted = Query.make(query, **filters)
        with self._database.reading() as connection:
            return QueryResult(run_query(connection, wanted))

    def show(self, candidate_id: str) -> CrystalHistory:
        """Everything known of one crystal, by its id or a unique beginning of it.

        Raises:
            StoreError: if there is no such id, or more than one.
        """
        with self._database.reading() as connection:
            return read_history(connection, candidate_id, self.name)

    def status(self) -> StoreStatus:
        """Campaigns, their rounds, failures and models."""
        with self._database.reading() as connection:
            return read_status(connection, self.name)
