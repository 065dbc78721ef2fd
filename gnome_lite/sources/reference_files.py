"""Reference entries as one compact Parquet file: lossless, checksummed, readable by pandas, strictly checked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import SourceError
from gnome_lite.core.phases import Phase
from gnome_lite.sources.crystal_tables import (
    check_ids,
    crystals_of,
    list_field,
    lists,
    read_whole,
    refusing,
    table_schema,
    write_whole,
)

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = b"gnome_lite.references"
VERSION = b"1"


def write_references(path: Path, entries: Iterable[Phase]) -> None:
    """Write entries in the order of their ids; the file appears whole or not at all.

    Coordinates and energies are float64 as they are: ids are content hashes, and a rounded coordinate
    that crosses a rounding limit of the hash would no longer be the crystal that its id names.

    Raises:
        SourceError: if the file cannot be written or an entry would not be readable again.
    """
    import pyarrow as pa

    ordered = sorted(entries, key=lambda e: e.id)
    batch = CrystalBatch.from_crystals(e.crystal for e in ordered)
    columns = {
        "id": [e.id for e in ordered],
        "formula": batch.reduced_formulas(),
        "n_sites": batch.n_atoms,
        "energy_ev": [e.energy_ev for e in ordered],
        "level": [e.level for e in ordered],
        "source": [e.source for e in ordered],
        "licence": [e.licence for e in ordered],
        "fingerprint": [e.fingerprint for e in ordered],
        "lattice": lists(batch.lattices.ravel(), 9 * np.arange(len(ordered) + 1)),
        "frac_coords": lists(batch.frac_coords.ravel(), 3 * batch.offsets),
        "numbers": lists(batch.numbers.astype(np.int16), batch.offsets),
    }
    schema = _schema()
    table = pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)
    _entries(table, Path(path))
    repeated = ["level", "source", "licence", "formula"]
    digits = ["energy_ev", "lattice.list.element", "frac_coords.list.element"]
    write_whole(table, path, "references", repeated, digits)


def read_references(path: Path) -> list[Phase]:
    """Read a file of `write_references`, in the order of ids.

    Raises:
        SourceError: naming the file and the row if it is missing, damaged, foreign or holds a value
            that no crystal can have.
    """
    remedy = "`gnome-lite seed build` makes the bundled one"
    return _entries(read_whole(path, _schema(), FORMAT, "reference file", remedy), Path(path))


def _schema() -> pa.Schema:
    import pyarrow as pa

    fields = {
        "id": pa.string(),
        "formula": pa.string(),
        "n_sites": pa.int32(),
        "energy_ev": pa.float64(),
        "level": pa.string(),
        "source": pa.string(),
        "licence": pa.string(),
        "fingerprint": pa.string(),
        "lattice": list_field(pa.float64()),
        "frac_coords": list_field(pa.float64()),
        "numbers": list_field(pa.int16()),
    }
    return table_schema(fields, {FORMAT: VERSION})


def _entries(table: pa.Table, path: Path) -> list[Phase]:
    """Check a table of the right schema and make its entries."""
    if table.num_rows == 0:
        raise SourceError(f"{path} holds no references: rebuild it")
    energies = table["energy_ev"].to_numpy()
    ids, levels = table["id"].to_pylist(), table["level"].to_pylist()
    refuse = refusing(ids, path)
    crystals = crystals_of(table, table["n_sites"].to_numpy().astype(np.int64), refuse)
    refuse(~np.isfinite(energies), "has no finite energy")
    refuse(np.array([not level for level in levels]), "names no level of theory")
    check_ids(ids, refuse)
    texts = zip(*(table[c].to_pylist() for c in ("source", "licence", "fingerprint")), strict=True)
    return [
        Phase(ids[i], crystals[i], float(energies[i]), levels[i], source, licence, fingerprint)
        for i, (source, licence, fingerprint) in enumerate(texts)
    ]
