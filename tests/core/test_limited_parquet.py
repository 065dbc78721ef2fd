"""What a table of Parquet holds is known before it is unpacked, whatever its footer says."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.measured import cheaply

from gnome_lite.core.limited_parquet import read_parquet


def lists(n: int, length: int) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1) * length, pa.int32()), pa.array(np.zeros(n * length)))


@settings(max_examples=10, deadline=None)
@given(
    rows=st.lists(st.tuples(st.text(max_size=4), st.lists(st.floats(allow_nan=False), max_size=4)), max_size=50),
    options=st.fixed_dictionaries(
        {
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "compression": st.sampled_from(["zstd", "snappy", "none"]),
            "use_dictionary": st.booleans(),
            "data_page_size": st.sampled_from([16, 1 << 20]),
            "row_group_size": st.sampled_from([7, 1000]),
            "write_page_checksum": st.booleans(),
            "write_page_index": st.booleans(),
        }
    ),
)
def test_what_arrow_writes_is_read(tmp_path_factory: Any, rows: list[Any], options: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("t") / "a.parquet"
    kinds = pa.schema([("text", pa.string()), ("numbers", pa.list_(pa.float64()))], metadata={b"key": b"value"})
    table = pa.Table.from_pylist([{"text": t, "numbers": x} for t, x in rows], schema=kinds)
    pq.write_table(table, path, **options)
    schemas: list[pa.Schema] = []
    found = read_parquet(path, schemas.append)
    assert found.equals(table)
    assert schemas[0].equals(kinds, check_metadata=False)
    assert found.schema.metadata[b"key"] == b"value"


def test_the_check_comes_before_all_else(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": lists(1, 10_000_000)}), tmp_path / "a.parquet")

    def refuse(schema: pa.Schema) -> None:
        raise LookupError(schema.names[0])

    with cheaply(), pytest.raises(LookupError, match="a"):
        read_parquet(tmp_path / "a.parquet", refuse)


@pytest.mark.parametrize(
    "table",
    [pa.table({"a": lists(1, 10_000_000)}), pa.table({"a": pa.array(np.zeros(5_000_000))})],
    ids=["one long row", "many rows"],
)
def test_a_bomb_of_numbers(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 30_000
    with cheaply(), pytest.raises(OSError, match=r"unpacks to more than 16 MB: split it"):
        read_parquet(tmp_path / "a.parquet")


def varint(number: int, length: int = 1) -> bytes:
    """A number as Thrift writes it (zigzag), padded with zeros that change nothing."""
    number, out = 2 * number, []
    while number or len(out) < length:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out[:-1], out[-1] & 127])


def test_a_footer_that_lies(tmp_path: Path) -> None:
    """Arrow goes by its pages; 651 bytes become 80 MB there, and could become 16 GB."""
    n, path = 10_000_000, tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"a": lists(1, n)}), path, compression="zstd", data_page_size=1 << 30, write_statistics=False
    )
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    honest = varint(n)
    assert honest in content[start:]
    path.write_bytes(content[:start] + content[start:].replace(honest, varint(10, len(honest))))
    assert pq.read_metadata(path).row_group(0).column(0).num_values == 10
    with cheaply(), pytest.raises(OSError, match="unpacks to more than 16 MB"):
        read_parquet(path)


def test_a_bomb_of_texts(tmp_path: Path) -> None:
    """A long text that stands in each of many rows is kept once, until somebody asks for the rows."""
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, np.int32)), pa.array(["x" * 100_000]))
    pq.write_table(pa.table({"a": text}), tmp_path / "a.parquet", compression="zstd", store_schema=False)
    with cheaply(), pytest.raises(OSError, match="unpacks to more than 16 MB"):
        read_parquet(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (pa.array(["a" * 1000 + str(i) for i in range(100)]), {"column_encoding": "DELTA_BYTE_ARRAY"}),
        (pa.array([b"aa"], pa.binary(2)), {}),
        (pa.array([["a"]]), {}),
        (pa.array([b"a"]), {}),
    ],
    ids=["texts told by the one before", "width of one's choice", "lists of texts", "bytes"],
)
def test_columns_whose_size_pages_do_not_tell(tmp_path: Path, column: pa.Array, options: dict[str, Any]) -> None:
    pq.write_table(pa.table({"a": column}), tmp_path / "a.parquet", use_dictionary=False, **options)
    with pytest.raises(pa.ArrowInvalid, match="column a"):
        read_parquet(tmp_path / "a.parquet")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_told(tmp_path_factory: Any, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("t") / "a.parquet"
    pq.write_table(pa.table({"a": lists(20, 3), "b": ["x"] * 20}), path, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) - 20, len(content)))])
    with cheaply(), suppress(OSError, pa.ArrowException):
        read_parquet(path)
