"""A labelled pool as one compact Parquet file: checksummed, readable by pandas, strictly checked.

Unrelaxed crystals are float64, as their ids are content hashes. Relaxed ones are float32: 1e-7 of a lattice vector is
far below the accuracy of a relaxation, and further digits would be half of the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import SourceError
from gnome_lite.core.licences import LICENCE
from gnome_lite.core.records import Candidate, Failure, Verification
from gnome_lite.evaluation.labelled_pool import LabelledPool
from gnome_lite.sources.crystal_tables import (
    check_ids,
    crystals_of,
    flat,
    list_field,
    lists,
    read_whole,
    refusing,
    table_schema,
    write_whole,
)

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = b"gnome_lite.universe"  # as the files of earlier versions say
VERSION = b"1"


def write_pool(path: Path, labelled: LabelledPool) -> None:
    """Write all candidates and outcomes in the order of their ids; the file appears whole or not at all.

    Raises:
        SourceError: if the file cannot be written or a row would not be readable again.
    """
    import pyarrow as pa

    start, ok = labelled.crystals, np.array([v.ok for v in labelled.outcomes])
    end = CrystalBatch.from_crystals(v.crystal for v in labelled.outcomes if v.ok)
    if not np.array_equal(start.take(ok).offsets, end.offsets) or (start.take(ok).numbers != end.numbers).any():
        raise SourceError(f"cannot write labelled pool {path}: a relaxed crystal has other sites than its candidate")
    relaxed_sites = np.concatenate([[0], np.cumsum(np.where(ok, start.n_atoms, 0))])
    relaxed_cells = np.concatenate([[0], np.cumsum(np.where(ok, 9, 0))])
    candidates, outcomes = labelled.candidates, labelled.outcomes
    columns = {
        "id": [c.id for c in candidates],
        "formula": start.reduced_formulas(),
        "n_sites": start.n_atoms,
        "generator": [c.generator for c in candidates],
        "parent_id": [c.parent_id for c in candidates],
        "change": [c.change for c in candidates],
        "probability": [c.probability for c in candidates],
        "energy_ev": [v.energy_ev if v.ok else np.nan for v in outcomes],
        "failure": [str(v.failure or "") for v in outcomes],
        "max_force_ev_per_ang": [v.max_force_ev_per_ang for v in outcomes],
        "n_steps": [v.n_steps for v in outcomes],
        "seconds": [v.seconds for v in outcomes],
        "lattice": lists(start.lattices.ravel(), 9 * np.arange(len(start) + 1)),
        "frac_coords": lists(start.frac_coords.ravel(), 3 * start.offsets),
        "numbers": lists(start.numbers.astype(np.int16), start.offsets),
        "relaxed_lattice": lists(end.lattices.ravel().astype(np.float32), relaxed_cells),
        "relaxed_frac_coords": lists(end.frac_coords.ravel().astype(np.float32), 3 * relaxed_sites),
    }
    schema = _schema().with_metadata(
        {
            FORMAT: VERSION,
            b"level": labelled.level.encode(),
            b"references_id": labelled.references_id.encode(),
            b"licence": LICENCE.encode(),
        }
    )
    table = pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)
    _labelled(table, Path(path))
    repeated = ["formula", "generator", "parent_id", "change", "failure"]
    digits = ["energy_ev", "probability", "max_force_ev_per_ang", "seconds"]
    digits += [f"{c}.list.element" for c in ("lattice", "frac_coords", "relaxed_lattice", "relaxed_frac_coords")]
    write_whole(table, path, "universe", repeated, digits)


def read_pool(path: Path) -> LabelledPool:
    """Read a file of `write_pool`.

    A failed candidate's outcome holds the crystal that it started from.

    Raises:
        SourceError: naming the file and the row if it is missing, damaged, foreign or holds a value that no crystal
            or outcome can have.
    """
    remedy = "`gnome-lite benchmark pool` makes one"
    return _labelled(read_whole(path, _schema(), FORMAT, "labelled pool file", remedy), Path(path))


def _schema() -> pa.Schema:
    import pyarrow as pa

    fields = {
        "id": pa.string(),
        "formula": pa.string(),
        "n_sites": pa.int32(),
        "generator": pa.string(),
        "parent_id": pa.string(),
        "change": pa.string(),
        "probability": pa.float64(),
        "energy_ev": pa.float64(),
        "failure": pa.string(),
        "max_force_ev_per_ang": pa.float32(),
        "n_steps": pa.int32(),
        "seconds": pa.float32(),
        "lattice": list_field(pa.float64()),
        "frac_coords": list_field(pa.float64()),
        "numbers": list_field(pa.int16()),
        "relaxed_lattice": list_field(pa.float32()),
        "relaxed_frac_coords": list_field(pa.float32()),
    }
    return table_schema(fields, {FORMAT: VERSION})


def _labelled(table: pa.Table, path: Path) -> LabelledPool:
    """Check a table of the right schema and make its labelled pool."""
    if table.num_rows == 0:
        raise SourceError(f"{path} holds no candidates: rebuild it")
    said = {key: (table.schema.metadata or {}).get(key, b"").decode() for key in (b"level", b"references_id")}
    level, references_id = said[b"level"], said[b"references_id"]
    if not level:
        raise SourceError(f"{path} names no level of theory: rebuild it")
    ids, failures = table["id"].to_pylist(), table["failure"].to_pylist()
    energies, n = table["energy_ev"].to_numpy(), table["n_sites"].to_numpy().astype(np.int64)
    refuse = refusing(ids, path)
    check_ids(ids, refuse)
    start = crystals_of(table, n, refuse)
    causes = {str(f) for f in Failure} | {""}
    refuse([f not in causes for f in failures], "failed for a cause that is not known")
    ok = np.array([not f for f in failures])
    refuse(ok != np.isfinite(energies), "has an energy and a failure, or neither")
    _, sizes = flat(table, "relaxed_lattice")
    refuse(np.where(ok, 9, 0) != sizes, "has a relaxed crystal and a failure, or neither")

    def refuse_relaxed(bad: object, why: str) -> None:
        whole: NDArray[np.bool_] = np.zeros(len(ids), dtype=bool)
        whole[ok] = bad
        refuse(whole, f"{why} when relaxed")

    end = crystals_of(table.filter(ok), n[ok], refuse_relaxed, "relaxed_lattice", "relaxed_frac_coords")
    relaxed = iter(end)
    names = ("parent_id", "generator", "change", "probability", "max_force_ev_per_ang", "n_steps", "seconds")
    rows = zip(ids, start, energies.tolist(), failures, *(table[name].to_pylist() for name in names), strict=True)
    pairs = []
    for name, crystal, energy, cause, parent, generator, change, probability, force, steps, seconds in rows:
        candidate = Candidate(name, crystal, parent, generator, change, 0, probability)
        failure = Failure(cause) if cause else None
        last = crystal if failure else next(relaxed)
        outcome = Verification(name, last, energy, force, steps, failure is None, level, seconds, failure)
        pairs.append((candidate, outcome))
    return LabelledPool.make(pairs, references_id)
