"""Crystals in Parquet tables: what the files of references and of labelled pools share. Checked to the last value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.core.crystals import MAX_Z, CrystalBatch
from gnome_lite.core.errors import SourceError
from gnome_lite.core.limited_parquet import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

MIN_VOLUME_PER_ATOM_ANG3 = 0.5
"""Below this a cell is flat or damaged: diamond, the densest of solids per atom, has 5.7 Å^3."""

Refuse = Callable[[ArrayLike, str], None]
"""(which rows are bad [n], what is wrong with them): raises for the first of them."""


def list_field(kind: pa.DataType) -> pa.DataType:
    """Return the type of a list column whose values are all there."""
    import pyarrow as pa

    return pa.list_(pa.field("element", kind, nullable=False))


def table_schema(fields: Mapping[str, pa.DataType], metadata: Mapping[bytes, bytes]) -> pa.Schema:
    """Return a schema of columns without gaps."""
    import pyarrow as pa

    return pa.schema([pa.field(n, t, nullable=False) for n, t in fields.items()], metadata=dict(metadata))


def lists(values: NDArray[np.generic], offsets: NDArray[np.int64]) -> pa.ListArray:
    """Return a list column from flat values and offsets [n + 1]."""
    import pyarrow as pa

    flat = pa.array(values)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, type=list_field(flat.type))


def flat(table: pa.Table, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the values of a list column in one array, and the length of each row's list [n_rows]."""
    column = table[name].combine_chunks()
    sizes = column.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    return column.flatten().to_numpy(zero_copy_only=False), sizes


def write_whole(table: pa.Table, path: Path, what: str, repeated: Sequence[str], digits: Sequence[str]) -> None:
    """Write a table; the file appears whole or not at all.

    Args:
        table: rows to write.
        path: file, whose directory is made.
        what: name of the file's kind, for the message.
        repeated: columns of few values.
        digits: columns of floating-point numbers: their bytes of one significance lie side by side, which makes the
            digits of coordinates a fifth smaller.

    Raises:
        SourceError: if the file cannot be written.
    """
    import pyarrow.parquet as pq

    partial = Path(path).with_name(f".{Path(path).name}.{os.getpid()}.part")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            table, partial, compression="zstd", compression_level=19, use_dictionary=list(repeated),
            column_encoding=dict.fromkeys(digits, "BYTE_STREAM_SPLIT"), write_page_checksum=True,
        )  # fmt: skip
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SourceError(f"cannot write {what} {path}: {error.strerror or error}") from error


def read_whole(path: Path, schema: pa.Schema, mark: bytes, what: str, remedy: str) -> pa.Table:
    """Read a table of a schema, whose metadata must hold the same value under `mark`.

    Raises:
        SourceError: naming the file if it is missing, damaged or foreign.
    """
    import pyarrow as pa

    def check(here: pa.Schema) -> None:
        if (here.metadata or {}).get(mark) != schema.metadata[mark]:
            raise SourceError(f"{path} is not a {what} of this version of gnome_lite: rebuild it")
        if not here.equals(schema):
            raise SourceError(f"{path} has other columns than a {what}: rebuild it")

    try:
        return read_parquet(path, check)
    except FileNotFoundError as error:
        raise SourceError(f"there is no {what} {path}: {remedy}") from error
    except pa.ArrowException as error:
        said = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise SourceError(f"{what} {path} is damaged ({said}): restore or rebuild it") from error
    except OSError as error:
        raise SourceError(f"cannot read {what} {path}: {error.strerror or error}") from error


def refusing(ids: Sequence[str], path: Path) -> Refuse:
    """Return a function that raises SourceError naming the file, the row, its id and what is wrong."""

    def refuse(bad: ArrayLike, why: str) -> None:
        rows = np.flatnonzero(bad)
        if len(rows):
            row = int(rows[0])
            raise SourceError(f"{path}: row {row} ({ids[row]}) {why}: rebuild the file")

    return refuse


def check_ids(ids: Sequence[str], refuse: Refuse) -> None:
    """Refuse rows without an id of their own."""
    refuse(np.array([not i for i in ids]), "has no id")
    _, first = np.unique(ids, return_index=True)
    refuse(~np.isin(np.arange(len(ids)), first), "repeats an id")


def crystals_of(
    table: pa.Table, n: NDArray[np.int64], refuse: Refuse, lattice: str = "lattice", frac_coords: str = "frac_coords"
) -> CrystalBatch:
    """Return the crystals of columns numbers, lattice and fractional coordinates, checked; n sites in each row."""
    lattices, lattice_sizes = flat(table, lattice)
    coords, coord_sizes = flat(table, frac_coords)
    numbers, number_sizes = flat(table, "numbers")
    refuse(
        (n < 1) | (number_sizes != n) | (coord_sizes != 3 * n) | (lattice_sizes != 9), "has sites that do not add up"
    )
    of_row = np.repeat(np.arange(len(n)), n)

    def any_of_row(flags: ArrayLike) -> NDArray[np.bool_]:
        return np.bincount(of_row, weights=np.asarray(flags), minlength=len(n)) > 0

    cells = lattices.reshape(-1, 3, 3).astype(np.float64)
    coords = coords.reshape(-1, 3).astype(np.float64)
    refuse(~np.isfinite(cells).all(axis=(1, 2)), "has no finite lattice")
    refuse(any_of_row(~np.isfinite(coords).all(axis=1)), "has coordinates that are not finite")
    refuse(any_of_row((numbers < 1) | (numbers > MAX_Z)), "has an element that does not exist")
    volumes = np.abs(np.linalg.det(cells))
    refuse(~(volumes > MIN_VOLUME_PER_ATOM_ANG3 * n), "has a cell without volume")
    offsets = np.concatenate([[0], np.cumsum(n)]).astype(np.int64)
    return CrystalBatch(numbers.astype(np.int64), coords, cells, offsets)
