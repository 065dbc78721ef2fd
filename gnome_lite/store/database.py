"""`SqlStore`: `pipeline.Store` on SQLite or PostgreSQL.

Every method is one transaction. A method that is given a step's figures writes the step's rows and marks the step as
done in that same transaction, so a kill leaves both or neither; `finish` renews the mark with the seconds it
took. Rows of the same campaign and round are replaced, so repeating a step gives the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, exists, func, select, text, update

from gnome_lite.config import CampaignConfig
from gnome_lite.core.errors import ConfigError, StoreError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import (
    Candidate,
    CandidatePool,
    ModelRecord,
    Prediction,
    RoundReport,
    Verdict,
    Verification,
)
from gnome_lite.store import locks, migrations, rows, schema
from gnome_lite.store.codec import encode_crystal, to_json
from gnome_lite.store.connection import Database, chunks, parse_url
from gnome_lite.store.settings_check import require_same
from gnome_lite.store.verdicts import read_standing, write_judged, write_reissued
from gnome_lite.store.writes import insert, mark, now, of, replace

if TYPE_CHECKING:
    from gnome_lite.store.lineage import CrystalHistory
    from gnome_lite.store.query import Query, StoredCrystal
    from gnome_lite.store.status import StoreStatus


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
        database = Database(parse_url(url))
        path = database.path
        missing = f"there is no store at {database.name}: `gnome-lite run` makes one"
        if path is not None and not path.exists():
            if not create:
                raise StoreError(missing)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"cannot make {path.parent} for the store: {error.strerror}; set GNOME_LITE_HOME to another place"
                ) from error
        with database.reading() as connection:
            version = migrations.version_of(connection, database.name)
        if version == schema.SCHEMA_VERSION:
            return cls(database)
        if version is None and not create:
            raise StoreError(missing)
        if version is not None and path is not None:
            migrations.back_up(path, version)
        with database.writing() as connection:
            if path is None:  # two processes may come at once; SQLite's BEGIN IMMEDIATE has let in only one
                connection.execute(text("SELECT pg_advisory_xact_lock(7300)"))
            version = migrations.version_of(connection, database.name)
            if version is None:
                migrations.create(connection)
            else:
                migrations.migrate(connection, version)
        return cls(database)

    @property
    def name(self) -> str:
        """Path of the file, or the URL without its password."""
        return self._database.name

    def exclusive(self, campaign: str) -> AbstractContextManager[None]:
        """Held by one process at a time; freed when its holder dies.

        Raises:
            StoreError: if another process runs this campaign.
        """
        return locks.exclusive(self._database, campaign)

    # Campaigns and steps

    def begin(self, config: CampaignConfig, references: PhaseSet) -> None:
        """Record a campaign, or go on with it: more rounds and other numbers of processes are allowed.

        Raises:
            ConfigError: if it exists with other settings or other references.
        """
        table = schema.campaign
        wanted = json.loads(to_json(config.model_dump(mode="json")))
        with self._database.writing() as connection:
            found = connection.execute(select(table).where(table.c.name == config.name)).mappings().one_or_none()
            if found is None:
                row = {"name": config.name, "config": to_json(wanted), "begun_at": now()}
                row |= {"level": references.level, "reference_set_id": references.id}
                insert(connection, table, [row | {"n_references": len(references)}])
                return
            require_same(config.name, json.loads(found["config"]), wanted)
            if (found["level"], found["reference_set_id"]) != (references.level, references.id):
                raise ConfigError(
                    f"campaign {config.name!r} began with reference set {found['reference_set_id']} of level "
                    f"{found['level']}, not {references.id} of {references.level}: give the campaign another name"
                )
            connection.execute(update(table).where(table.c.name == config.name).values(config=to_json(wanted)))

    def done(self, campaign: str, round: int, stage: str) -> Mapping[str, Any] | None:
        """Figures of a finished step, None if it is not finished."""
        table = schema.stage
        query = select(table.c.figures).where(*of(table, campaign, round), table.c.name == stage)
        with self._database.reading() as connection:
            figures = connection.execute(query).scalar_one_or_none()
        return None if figures is None else dict(json.loads(figures))

    def finish(self, campaign: str, round: int, stage: str, figures: Mapping[str, Any]) -> None:
        """Mark a step as done, with its final figures."""
        with self._database.writing() as connection:
            mark(connection, campaign, round, stage, figures)

    # Candidates

    def add_candidates(
        self, campaign: str, pool: CandidatePool, fingerprints: Sequence[str], figures: Mapping[str, Any]
    ) -> int:
        """Store the candidates of a round; one that another campaign proposed is linked, not repeated.

        Returns:
            How many were new to the store.
        """
        formulas = pool.crystals.reduced_formulas()
        links = schema.campaign_candidate
        with self._database.writing() as connection:
            before = connection.execute(select(func.count()).select_from(schema.candidate)).scalar_one()
            connection.execute(delete(links).where(*of(links, campaign, pool.round)))
            for chunk in chunks(range(len(pool))):
                candidates = [pool.candidate(i) for i in chunk]
                named = zip(candidates, chunk, strict=True)
                found = [rows.from_candidate(campaign, c, formulas[i], fingerprints[i]) for c, i in named]
                insert(connection, schema.candidate, found, ignore=True)
                crystals = [
                    {"candidate_id": c.id, "level": schema.PROPOSED, "content": encode_crystal(c.crystal)}
                    for c in candidates
                ]
                insert(connection, schema.crystal, crystals, ignore=True)
                linked = [{"campaign": campaign, "round": pool.round, "candidate_id": c.id} for c in candidates]
                insert(connection, links, linked, ignore=True)
            mark(connection, campaign, pool.round, "generate", figures)
            after = connection.execute(select(func.count()).select_from(schema.candidate)).scalar_one()
        return int(after - before)

    def candidates_with_formulas(self, formulas: Iterable[str]) -> dict[str, list[Candidate]]:
        """Candidates of any campaign by reduced formula; one without any is absent."""
        found: dict[str, list[Candidate]] = {}
        column = schema.candidate.c.formula
        with self._database.reading() as connection:
            for chunk in chunks(sorted(set(formulas))):
                query = rows.candidates().add_columns(column).where(column.in_(chunk)).order_by(schema.candidate.c.id)
                for row in connection.execute(query).mappings():
                    found.setdefault(row["formula"], []).append(rows.to_candidate(row))
        return found

    def unverified(self, campaign: str, round: int, level: str, carry_over: int) -> list[Candidate]:
        """Candidates of this round without a verification at a level, and the `carry_over` older ones of the
        highest p_stable by their latest prediction, ordered by id."""
        links, done, predicted = schema.campaign_candidate, schema.verification, schema.prediction
        open_ = ~exists().where(done.c.candidate_id == links.c.candidate_id, done.c.level == level)
        fresh = select(links.c.candidate_id).where(*of(links, campaign, round), open_)
        later = predicted.alias()
        newer = exists().where(
            later.c.campaign == campaign,
            later.c.candidate_id == predicted.c.candidate_id,
            later.c.round < round,
            later.c.round > predicted.c.round,
        )
        older = (
            select(predicted.c.candidate_id)
            .where(predicted.c.campaign == campaign, predicted.c.round < round, ~newer)
            .where(~exists().where(done.c.candidate_id == predicted.c.candidate_id, done.c.level == level))
            .where(predicted.c.candidate_id.not_in(fresh))
            .order_by(predicted.c.p_stable.desc(), predicted.c.candidate_id)
            .limit(carry_over)
        )
        with self._database.reading() as connection:
            ids = [*connection.execute(fresh).scalars(), *connection.execute(older).scalars()]
            return _candidates(connection, sorted(set(ids)))

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
        table = schema.prediction
        query = select(table).where(*of(table, campaign, round)).order_by(table.c.candidate_id)
        with self._database.reading() as connection:
            found = [rows.to_prediction(row) for row in connection.execute(query).mappings()]
            candidates = _candidates(connection, [p.candidate_id for p in found])
        return list(zip(candidates, found, strict=True))

    def add_selection(
        self, campaign: str, round: int, chosen: Sequence[str], control: Sequence[str], figures: Mapping[str, Any]
    ) -> None:
        """Store what is to be verified, best first; what is both chosen and control counts as chosen."""
        role = dict.fromkeys(control, "control") | dict.fromkeys(chosen, "chosen")
        ranked = dict.fromkeys([*chosen, *control])
        found = [
            {"campaign": campaign, "round": round, "candidate_id": i, "rank": rank, "role": role[i]}
            for rank, i in enumerate(ranked)
        ]
        with self._database.writing() as connection:
            replace(connection, schema.selection, campaign, round, found)
            mark(connection, campaign, round, "select", figures)

    def selected(self, campaign: str, round: int) -> list[tuple[Candidate, str]]:
        """The selection of a round in rank order, with its role, "chosen" or "control"."""
        table = schema.selection
        query = select(table.c.candidate_id, table.c.role).where(*of(table, campaign, round)).order_by(table.c.rank)
        with self._database.reading() as connection:
            found = connection.execute(query).all()
            candidates = _candidates(connection, [row.candidate_id for row in found])
        return [(c, row.role) for c, row in zip(candidates, found, strict=True)]

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

    def verifications(self, level: str, campaign: str | None = None) -> list[Verification]:
        """All verifications at a level, or those that a campaign selected, ordered by candidate id."""
        table, selected = schema.verification, schema.selection
        query = rows.verifications().where(table.c.level == level).order_by(table.c.candidate_id)
        if campaign is not None:
            mine = select(selected.c.candidate_id).where(selected.c.campaign == campaign)
            query = query.where(table.c.candidate_id.in_(mine))
        with self._database.reading() as connection:
            return [rows.to_verification(row) for row in connection.execute(query).mappings()]

    def add_verdicts(self, campaign: str, round: int, verdicts: Sequence[Verdict], figures: Mapping[str, Any]) -> None:
        """Store the verdicts that a round issued, new or moved; earlier ones are kept, and no longer stand."""
        with self._database.writing() as connection:
            write_judged(connection, campaign, round, verdicts, figures)

    def reissue_verdicts(
        self,
        campaign: str,
        verdicts: Sequence[Verdict],
        cause: str,
        hull_id: str,
        figures: Mapping[str, Any],
        references: PhaseSet | None = None,
        verified: tuple[int, Verification] | None = None,
    ) -> None:
        """Store verdicts that moved after the campaign's last round, and why; earlier ones are kept.

        Args:
            hull_id: of the whole hull they were looked up in.
            figures: how many were looked at, moved and so on.
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
            write_reissued(connection, campaign, verdicts, cause, hull_id, figures, references)

    def verdicts(self, campaign: str, round: int | None = None) -> dict[str, Verdict]:
        """Verdicts that stand at the end of a round (None = now), by candidate id."""
        with self._database.reading() as connection:
            return read_standing(connection, campaign, round)

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
        table = schema.model
        query = (
            select(table)
            .where(table.c.campaign == campaign, table.c.round < max(round, 1))
            .where(table.c.promoted | (table.c.round == 0))
            .order_by(table.c.round.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise StoreError(f"store {self.name} has no model of campaign {campaign!r}: `gnome-lite run` makes one")
        return rows.to_model(row)

    def base_model(self, campaign: str) -> ModelRecord | None:
        """The model added for round 0."""
        with self._database.reading() as connection:
            query = select(schema.model).where(*of(schema.model, campaign, 0))
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else rows.to_model(row)

    def add_report(self, campaign: str, report: RoundReport) -> None:
        """Store the report of a round."""
        row = {"campaign": campaign, "round": report.round, "body": rows.from_report(report)}
        with self._database.writing() as connection:
            replace(connection, schema.report, campaign, report.round, [row])

    def reports(self, campaign: str) -> list[RoundReport]:
        """Reports of a campaign by round."""
        table = schema.report
        query = select(table.c.body).where(table.c.campaign == campaign).order_by(table.c.round)
        with self._database.reading() as connection:
            return [rows.to_report(body) for body in connection.execute(query).scalars()]

    # Reading for people

    def query(self, query: Query) -> list[StoredCrystal]:
        """Stored crystals that fit a query, with their latest verdict."""
        from gnome_lite.store.query import run_query

        with self._database.reading() as connection:
            return run_query(connection, query)

    def show(self, candidate_id: str) -> CrystalHistory:
        """Everything known of one crystal, by its id or a unique beginning of it.

        Raises:
            StoreError: if there is no such id, or more than one.
        """
        from gnome_lite.store.lineage import read_history

        with self._database.reading() as connection:
            return read_history(connection, candidate_id, self.name)

    def status(self) -> StoreStatus:
        """Campaigns, their rounds, failures and models."""
        from gnome_lite.store.status import read_status

        with self._database.reading() as connection:
            return read_status(connection, self.name)


def _candidates(connection: Connection, ids: Sequence[str]) -> list[Candidate]:
    """Candidates in the order of their ids."""
    found: dict[str, Candidate] = {}
    for chunk in chunks(ids):
        for row in connection.execute(rows.candidates().where(schema.candidate.c.id.in_(chunk))).mappings():
            found[row["id"]] = rows.to_candidate(row)
    return [found[i] for i in ids]
