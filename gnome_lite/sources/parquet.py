"""Reference entries as one compact Parquet file: lossless, checksummed, readable by pandas, strictly checked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.crystals import MAX_Z, Crystal, CrystalBatch
from gnome_lite.errors import SourceError
from gnome_lite.references import ReferenceEntry

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = b"gnome_lite.references"
VERSION = b"1"
MIN_VOLUME_PER_ATOM_ANG3 = 0.5
"""Below this a cell is flat or damaged: diamond, the densest of solids per atom, has 5.7 Å^3."""


def write_references(path: Path, entries: Iterable[ReferenceEntry]) -> None:
    """Write entries in the order of their ids; the file appears whole or not at all.

    Coordinates and energies are float64 as they are: ids are content hashes, and a rounded coordinate
    that crosses a rounding limit of the hash would no longer be the crystal that its id names.

    Raises:
        SourceError: if the file cannot be written or an entry would not be readable again.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

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
        "lattice": _lists(batch.lattices.ravel(), 9 * np.arange(len(ordered) + 1)),
        "frac_coords": _lists(batch.frac_coords.ravel(), 3 * batch.offsets),
        "numbers": _lists(batch.numbers.astype(np.int16), batch.offsets),
    }
    schema = _schema()
    table = pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)
    _entries(table, Path(path))
    partial = Path(path).with_name(f".{Path(path).name}.{os.getpid()}.part")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        # Bytes of one significance side by side: digits of coordinates compress a fifth better.
        pq.write_table(
            table,
            partial,
            compression="zstd",
            compression_level=19,
            use_dictionary=["level", "source", "licence", "formula"],
            column_encoding={
                "energy_ev": "BYTE_STREAM_SPLIT",
                "lattice.list.element": "BYTE_STREAM_SPLIT",
                "frac_coords.list.element": "BYTE_STREAM_SPLIT",
            },
            write_page_checksum=True,
        )
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SourceError(f"cannot write references {path}: {error.strerror or error}") from error


def read_references(path: Path) -> list[ReferenceEntry]:
    """Read a file of `write_references`, in the order of ids.

    Raises:
        SourceError: naming the file and the row if it is missing, damaged, foreign or holds a value
            that no crystal can have.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if (file.schema_arrow.metadata or {}).get(FORMAT) != VERSION:
                raise SourceError(f"{path} is not a reference file of this version of gnome_lite: rebuild it")
            if not file.schema_arrow.equals(_schema()):
                raise SourceError(f"{path} has other columns than a reference file: rebuild it")
            table = file.read()
    except FileNotFoundError as error:
        raise SourceError(
            f"there is no reference file {path}: `gnome-lite seed build` makes the bundled one"
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"reference file {path} is damaged ({_first_line(error)}): restore or rebuild it") from error
    return _entries(table, Path(path))


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
        "lattice": pa.list_(pa.field("element", pa.float64(), nullable=False)),
        "frac_coords": pa.list_(pa.field("element", pa.float64(), nullable=False)),
        "numbers": pa.list_(pa.field("element", pa.int16(), nullable=False)),
    }
    return pa.schema([pa.field(n, t, nullable=False) for n, t in fields.items()], metadata={FORMAT: VERSION})


def _lists(values: NDArray[np.generic], offsets: NDArray[np.int64]) -> pa.ListArray:
    """A list column from flat values and offsets [n + 1]."""
    import pyarrow as pa

    flat = pa.array(values)
    kind = pa.list_(pa.field("element", flat.type, nullable=False))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, type=kind)


def _entries(table: pa.Table, path: Path) -> list[ReferenceEntry]:
    """Check a table of the right schema and make its entries."""
    if table.num_rows == 0:
        raise SourceError(f"{path} holds no references: rebuild it")
    n = table["n_sites"].to_numpy().astype(np.int64)
    lattices, lattice_sizes = _flat(table, "lattice")
    frac_coords, coord_sizes = _flat(table, "frac_coords")
    numbers, number_sizes = _flat(table, "numbers")
    energies = table["energy_ev"].to_numpy()
    ids, levels = table["id"].to_pylist(), table["level"].to_pylist()

    def refuse(bad: ArrayLike, why: str) -> None:
        rows = np.flatnonzero(bad)
        if len(rows):
            row = int(rows[0])
            raise SourceError(f"{path}: row {row} ({ids[row]}) {why}: rebuild the file")

    refuse(
        (n < 1) | (number_sizes != n) | (coord_sizes != 3 * n) | (lattice_sizes != 9), "has sites that do not add up"
    )
    offsets = np.concatenate([[0], np.cumsum(n)])
    of_row = np.repeat(np.arange(len(n)), n)
    cells = lattices.reshape(-1, 3, 3)
    coords = frac_coords.reshape(-1, 3)
    refuse(~np.isfinite(energies), "has no finite energy")
    refuse(~np.isfinite(cells).all(axis=(1, 2)), "has no finite lattice")
    refuse(_any_of_row(~np.isfinite(coords).all(axis=1), of_row, len(n)), "has coordinates that are not finite")
    refuse(_any_of_row((numbers < 1) | (numbers > MAX_Z), of_row, len(n)), "has an element that does not exist")
    volumes = np.abs(np.linalg.det(cells))
    refuse(~(volumes > MIN_VOLUME_PER_ATOM_ANG3 * n), "has a cell without volume")
    refuse(np.array([not i for i in ids]), "has no id")
    refuse(np.array([not level for level in levels]), "names no level of theory")
    _, first = np.unique(ids, return_index=True)
    refuse(~np.isin(np.arange(len(ids)), first), "repeats an id")
    whole = numbers.astype(np.int64)
    return [
        ReferenceEntry(
            ids[i],
            Crystal(whole[offsets[i] : offsets[i + 1]], coords[offsets[i] : offsets[i + 1]], cells[i]),
            float(energies[i]),
            levels[i],
            source,
            licence,
            fingerprint,
        )
        for i, (source, licence, fingerprint) in enumerate(
            zip(*(table[c].to_pylist() for c in ("source", "licence", "fingerprint")), strict=True)
        )
    ]


def _flat(table: pa.Table, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values of a list column in one array, and the length of each row's list [n_rows]."""
    column = table[name].combine_chunks()
    sizes = column.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    return column.flatten().to_numpy(zero_copy_only=False), sizes


def _any_of_row(flags: ArrayLike, of_row: NDArray[np.int64], n_rows: int) -> NDArray[np.bool_]:
    return np.bincount(of_row, weights=np.asarray(flags, dtype=np.float64), minlength=n_rows) > 0


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
