"""Rows of the store <-> records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, FromClause, Select, Table, select

from gnome_lite.core.crystals import Crystal, symbol
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.records import (
    Candidate,
    Credibility,
    Failure,
    ModelRecord,
    Prediction,
    RoundReport,
    Verdict,
    Verification,
)
from gnome_lite.store import schema
from gnome_lite.store.checksums import Named, damaged, lost, require_sound
from gnome_lite.store.codec import (
    crystal_id,
    decode_crystal,
    decode_crystals,
    element_masks,
    encode_crystal,
    finite_or_none,
    number_or_nan,
    to_json,
)
from gnome_lite.store.relaxed_symmetry import space_group_of

AMU_PER_ANG3_IN_G_PER_CM3 = 1.66053906660

SHAPE_COLUMNS = ("volume_per_atom", "density", "space_group_number", "space_group")


def with_crystal(table: Table, crystal: FromClause = schema.crystal) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of a table, and of a crystal beside it: its content, and its checksum as "crystal"."""
    return *table.c, crystal.c.content, crystal.c.checksum.label("crystal")


def candidates() -> Select[Any]:
    """Every candidate with its crystal as proposed."""
    table, crystal = schema.candidate, schema.crystal
    joined = table.outerjoin(crystal, (crystal.c.candidate_id == table.c.id) & (crystal.c.level == schema.PROPOSED))
    return select(*with_crystal(table)).select_from(joined)


def sound_content(candidate_id: str, level: str, content: bytes | None, checksum: int) -> bytes:
    """Return the content of a row of the table `crystal`.

    Raises:
        StoreError: if it is not there or not as it was written.
    """
    if content is None:
        raise lost(schema.crystal, candidate_id, level)
    row = {"candidate_id": candidate_id, "level": level, "content": content, "checksum": checksum}
    require_sound(schema.crystal, row)
    return content


def to_crystals(found: Sequence[tuple[str, str, bytes | None, int]]) -> list[Crystal]:
    """Return crystals of the table `crystal`, given as candidate id, level, content and checksum.

    Raises:
        StoreError: as `sound_content`, and if one as proposed is another than its candidate's id tells.
    """
    crystals = decode_crystals([sound_content(*row) for row in found])
    proposed = [i for i, row in enumerate(found) if row[1] == schema.PROPOSED]
    for i, content_id in zip(proposed, crystals.take(proposed).content_ids if proposed else (), strict=True):
        if found[i][0] != content_id:
            raise damaged(schema.crystal, {"candidate_id": found[i][0], "level": schema.PROPOSED})
    return list(crystals)


def to_candidates(found: Sequence[Named]) -> list[Candidate]:
    """Return the candidates of rows of `candidates`.

    Raises:
        StoreError: here as in all that follow, if a row is not as it was written.
    """
    for row in found:
        require_sound(schema.candidate, row)
    crystals = to_crystals([(row["id"], schema.PROPOSED, row["content"], row["crystal"]) for row in found])
    return [
        Candidate(
            row["id"],
            crystal,
            row["parent_id"],
            row["generator"],
            row["change"],
            row["round"],
            number_or_nan(row["probability"]),
            row["multiplicity"],
        )
        for row, crystal in zip(found, crystals, strict=True)
    ]


def to_candidate(row: Named) -> Candidate:
    """Return the candidate of one row of `candidates`."""
    return to_candidates([row])[0]


def from_candidate(campaign: str, candidate: Candidate, formula: str, fingerprint: str) -> dict[str, Any]:
    """Return the columns of a candidate."""
    numbers = {int(z) for z in candidate.crystal.numbers}
    low, high = element_masks(numbers)
    return {
        "id": candidate.id,
        "formula": formula,
        "chemical_system": "-".join(sorted(symbol(z) for z in numbers)),
        "n_sites": len(candidate.crystal),
        "elements_low": low,
        "elements_high": high,
        "fingerprint": fingerprint,
        "parent_id": candidate.parent_id,
        "generator": candidate.generator,
        "change": candidate.change,
        "probability": finite_or_none(candidate.probability),
        "multiplicity": candidate.multiplicity,
        "campaign": campaign,
        "round": candidate.round,
    }


PREDICTION_FIELDS = (
    "candidate_id", "e_form_ev_per_atom", "spread_ev_per_atom", "e_above_hull_ev_per_atom", "p_stable", "model_id",
    "expected_improvement_ev_per_atom",
)  # fmt: skip


def to_prediction(row: Named) -> Prediction:
    """Return the prediction of a row."""
    require_sound(schema.prediction, row)
    return Prediction(*(row[name] for name in PREDICTION_FIELDS))


def from_prediction(prediction: Prediction) -> dict[str, Any]:
    """Return the columns of a prediction."""
    return {name: getattr(prediction, name) for name in PREDICTION_FIELDS}


def verifications() -> Select[Any]:
    """Every verification with its relaxed crystal."""
    table, crystal = schema.verification, schema.crystal
    same = (crystal.c.candidate_id == table.c.candidate_id) & (crystal.c.level == table.c.level)
    return select(*with_crystal(table)).select_from(table.outerjoin(crystal, same))


def to_verification(row: Named) -> Verification:
    """Return the verification of a row of `verifications`."""
    require_sound(schema.verification, row)
    content = sound_content(row["candidate_id"], row["level"], row["content"], row["crystal"])
    return Verification(
        crystal_id(row["candidate_id"]),
        decode_crystal(content),
        number_or_nan(row["energy_ev"]),
        number_or_nan(row["max_force_ev_per_ang"]),
        row["n_steps"],
        row["converged"],
        row["level"],
        row["seconds"],
        Failure(row["failure"]) if row["failure"] is not None else None,
        row["detail"],
        row["fingerprint"],
    )


def from_verification(campaign: str, round: int, v: Verification) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows of `verification` and of `crystal`.

    A success whose numbers are not finite or whose cell is flat is kept as the failure that it is.
    """
    energy, force = _bounded(v.energy_ev), _bounded(v.max_force_ev_per_ang)
    cell = np.isfinite(v.crystal.lattice).all() and np.isfinite(v.crystal.frac_coords).all() and v.crystal.volume > 0
    failure, detail = v.failure, v.detail
    if failure is None and (energy is None or force is None or not cell):
        failure, detail = (
            Failure.NON_FINITE,
            f"energy {v.energy_ev!r} eV, force {v.max_force_ev_per_ang!r} eV/Å, or cell",
        )
    row = {
        "candidate_id": v.candidate_id,
        "level": v.level,
        "campaign": campaign,
        "round": round,
        "energy_ev": energy,
        "max_force_ev_per_ang": force,
        "n_steps": int(v.n_steps),
        "converged": bool(v.converged),
        "seconds": float(v.seconds),
        "failure": None if failure is None else str(failure),
        "detail": detail,
        "fingerprint": v.fingerprint,
        **(shape_of(v.crystal) if failure is None else dict.fromkeys(SHAPE_COLUMNS)),
    }
    crystal = {"candidate_id": v.candidate_id, "level": v.level, "content": encode_crystal(v.crystal)}
    return row, crystal


def _bounded(value: float) -> float | None:
    return float(value) if abs(value) <= schema.ENERGY_LIMIT_EV else None  # also None for NaN


def shape_of(crystal: Crystal) -> dict[str, Any]:
    """Volume (Å^3/atom), density (g/cm^3) and space group of a relaxed crystal."""
    from ase.data import atomic_masses

    density = atomic_masses[crystal.numbers].sum() / crystal.volume * AMU_PER_ANG3_IN_G_PER_CM3
    number, name = space_group_of(crystal) or (None, None)
    return dict(zip(SHAPE_COLUMNS, (crystal.volume / len(crystal), float(density), number, name), strict=True))


def to_verdict(row: Named) -> Verdict:
    """Return the verdict of a row."""
    require_sound(schema.verdict, row)
    return Verdict(
        crystal_id(row["candidate_id"]),
        row["e_form_ev_per_atom"],
        row["e_above_hull_ev_per_atom"],
        row["decomposition_ev_per_atom"],
        to_products(row["products"]),
        row["hull_id"],
        row["level"],
        row["novel"],
        row["nearest_known"],
        row["prototype"],
        Credibility(row["ordering_suspect"], tuple(json.loads(row["flags"])), row["analogue"], row["new_prototype"]),
        _to_kind(row),
    )


def _to_kind(row: Named) -> NoveltyKind | None:
    try:
        return None if row["novelty"] is None else NoveltyKind(row["novelty"])
    except ValueError as error:
        raise damaged(schema.verdict, row, "is of no kind of novelty that there is") from error


def from_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return the columns of a verdict."""
    row = {name: getattr(verdict, name) for name in Verdict.__slots__ if name != "credibility"}
    row |= {"products": to_json(verdict.products), "novel": bool(verdict.novel)}
    row["novelty"] = None if verdict.novelty is None else str(verdict.novelty)
    seen = verdict.credibility
    row |= {"ordering_suspect": bool(seen.ordering_suspect), "flags": to_json(seen.flags), "analogue": seen.analogue}
    return row | {"new_prototype": bool(seen.new_prototype)}


def to_products(text: str) -> tuple[tuple[str, str, float], ...]:
    """Return decomposition products as (entry id, formula, fraction of atoms)."""
    return tuple((entry_id, formula, fraction) for entry_id, formula, fraction in json.loads(text))


def to_model(row: Named) -> ModelRecord:
    """Return the model of a row."""
    require_sound(schema.model, row)
    return ModelRecord(
        row["id"],
        row["path"],
        row["n_train"],
        row["n_holdout"],
        number_or_nan(row["holdout_mae_ev_per_atom"]),
        row["promoted"],
    )


def from_model(campaign: str, round: int, model: ModelRecord) -> dict[str, Any]:
    """Return the columns of a model."""
    row = {name: getattr(model, name) for name in ModelRecord.__slots__}
    mae = finite_or_none(model.holdout_mae_ev_per_atom)
    return row | {"campaign": campaign, "round": round, "holdout_mae_ev_per_atom": mae}


def to_report(row: Named) -> RoundReport:
    """A report of this or an older version: figures it did not have yet take their defaults."""
    require_sound(schema.report, row)
    return RoundReport(**json.loads(row["body"]))


def to_figures(row: Named) -> dict[str, Any]:
    """Return the figures of a finished step."""
    require_sound(schema.stage, row)
    return dict(json.loads(row["figures"]))


def from_report(report: RoundReport) -> str:
    """Return a round's report as JSON."""
    fields: Mapping[str, Any] = {name: getattr(report, name) for name in RoundReport.__slots__}
    return to_json(fields)
