"""Reference entries as one compact Parquet file: lossless, checksummed, readable by pandas, strictly checked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import SourceError
from gnome_lite.core.records import Phase
from gnome_lite.sources import crystal_tables as tables

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = b"gnome_lite.references"
VERSION = b"1"
_TEXTS = ("level", "source", "licence", "fingerprint")


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
        **{name: [getattr(e, name) for e in ordered] for name in ("id", "energy_ev", *_TEXTS)},
        "formula": batch.reduced_formulas(),
        "n_sites": batch.n_atoms,
        "lattice": tables.lists(batch.lattices.ravel(), 9 * np.arange(len(ordered) + 1)),
        "frac_coords": tables.lists(batch.frac_coords.ravel(), 3 * batch.offsets),
        "numbers": tables.lists(batch.numbers.astype(np.int16), batch.offsets),
    }
    schema = _schema()
    table = pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)
    _entries(table, Path(path))
    repeated = ["level", "source", "licence", "formula"]
    digits = ["energy_ev", "lattice.list.element", "frac_coords.list.element"]
    tables.write_whole(table, path, "references", repeated, digits)


def read_references(path: Path) -> list[Phase]:
    """Read a file of `write_references`, in the order of ids.

    Raises:
        SourceError: naming the file and the row if it is missing, damaged, foreign or holds a value
            that no crystal can have.
    """
    remedy = "`gnome-lite seed build` makes the bundled one"
    return _entries(tables.read_whole(path, _schema(), FORMAT, "reference file", remedy), Path(path))


def _schema() -> pa.Schema:
    import pyarrow as pa

    fields = {
        "id": pa.string(),
        "formula": pa.string(),
        "n_sites": pa.int32(),
        "energy_ev": pa.float64(),
        **dict.fromkeys(_TEXTS, pa.string()),
        "lattice": tables.list_field(pa.float64()),
        "frac_coords": tables.list_field(pa.float64()),
        "numbers": tables.list_field(pa.int16()),
    }
    return tables.table_schema(fields, {FORMAT: VERSION})


def _entries(table: pa.Table, path: Path) -> list[Phase]:
    """Check a table of the right schema and make its entries."""
    if table.num_rows == 0:
        raise SourceError(f"{path} holds no references: rebuild it")
    energies = table["energy_ev"].to_numpy()
    ids, (levels, *texts) = table["id"].to_pylist(), (table[name].to_pylist() for name in _TEXTS)
    refuse = tables.refusing(ids, path)
    crystals = tables.crystals_of(table, table["n_sites"].to_numpy().astype(np.int64), refuse)
    refuse(~np.isfinite(energies), "has no finite energy")
    refuse(np.array([not level for level in levels]), "names no level of theory")
    tables.check_ids(ids, refuse)
    return list(map(Phase, ids, crystals, energies.tolist(), levels, *texts))
