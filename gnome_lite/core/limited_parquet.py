"""Parquet tables that somebody else may have made: what they hold is added up before any of it is unpacked.

A few hundred bytes of Parquet can claim a billion values, and the sizes in a file's footer need not be those of its
pages, which Arrow believes. So the header of each page is read first, as Arrow will come by it. Format:
https://parquet.apache.org/docs/file-format/data-pages and Thrift's compact protocol.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnome_lite.core.limited import allowance, read_limited

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 1_000_000_000
"""Of a file, and of its table in memory."""
_BYTES_PER_VALUE = 16
"""A number or an index, its levels, and its part of the offsets of lists."""
_MOST_PAGES = 100_000
"""Of a file: each has a megabyte or 20,000 rows, unless somebody wants it otherwise."""
_DICTIONARY, _DATA_1, _DATA_2 = 7, 5, 8
"""Fields of a page's header that hold the header of its kind, of which field 1 is the number of values."""
_ENCODING = {_DATA_1: 2, _DATA_2: 4}
_DELTA_TEXTS = 7
"""Encoding in which each text is told by the one before, and a long one may be repeated at no cost."""


def read_parquet(path: Path, check: Callable[[pa.Schema], None] | None = None) -> pa.Table:
    """Return the table of a Parquet file.

    Args:
        path: file.
        check: called with the schema before anything is unpacked; what it raises is raised.

    Raises:
        OSError: if it is no regular file, or unpacks to more than allowed.
        pyarrow.ArrowException: if it is damaged, or has columns of neither numbers nor texts nor lists of numbers.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = read_limited(path, MOST_BYTES)
    metadata = pq.read_metadata(pa.BufferReader(content))
    schema = metadata.schema.to_arrow_schema()
    if check is not None:
        check(schema)
    most = allowance(len(content), MOST_BYTES)
    claimed = _claimed_bytes(metadata, content, texts := [field.name for field in schema if _is_text(field.type)])
    if claimed <= most:
        # A text that is repeated stays one text until the length of all is known.
        source = pa.BufferReader(content)
        with pq.ParquetFile(source, metadata=metadata, read_dictionary=texts, page_checksum_verification=True) as file:
            table = file.read()
        claimed += sum(_text_bytes(table[name]) for name in texts)
    if claimed > most:
        raise OSError(errno.EFBIG, f"it unpacks to more than {most / 1e6:g} MB: split it", str(path))
    return table.cast(schema)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Return the bytes of all texts of a column that is kept as dictionaries."""
    import pyarrow.compute as pc

    total = 0
    for part in column.chunks:
        lengths = pc.call_function("binary_length", [part.dictionary]).to_numpy(zero_copy_only=False)
        total += int(lengths[part.indices.drop_null().to_numpy()].sum(dtype=np.int64))
    return total


def _claimed_bytes(metadata: Any, content: bytes, texts: Sequence[str]) -> int:
    """Return what the headers of all pages claim, as bytes in memory; raises ArrowInvalid where they cannot be so."""
    import pyarrow as pa

    total = pages = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        total += _BYTES_PER_VALUE * group.num_rows
        for column in map(group.column, range(metadata.num_columns)):
            name, kind = column.path_in_schema, column.physical_type
            if kind == "FIXED_LEN_BYTE_ARRAY" or (kind == "BYTE_ARRAY" and name not in texts):
                raise pa.ArrowInvalid(f"column {name} is neither of numbers nor of texts")
            try:
                for size in _page_bytes(column, content):
                    total, pages = total + size, pages + 1
                    if pages > _MOST_PAGES:
                        raise pa.ArrowInvalid(f"more than {_MOST_PAGES} pages")
            except (IndexError, KeyError, TypeError) as error:
                raise pa.ArrowInvalid(f"column {name} has no sound pages") from error
    return total


def _page_bytes(column: Any, content: bytes) -> Iterator[int]:
    """Yield what each page of a column chunk takes in memory, up to the page at which Arrow stops reading."""
    at = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
    end, seen = at + column.total_compressed_size, 0
    while seen < column.num_values:
        header, at = _struct(content, at)
        unpacked, packed = header[2], header[3]
        values = {kind: header[kind][1] for kind in (_DICTIONARY, _DATA_1, _DATA_2) if kind in header}
        encodings = [header[kind][field] for kind, field in _ENCODING.items() if kind in header]
        at += packed
        if at > end or min(unpacked, packed, *values.values()) < 0 or _DELTA_TEXTS in encodings:
            raise IndexError
        seen += sum(n for kind, n in values.items() if kind != _DICTIONARY)
        yield unpacked + _BYTES_PER_VALUE * sum(values.values())


def _struct(content: bytes, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Return the numbers and structures of a Thrift structure by field number, and where it ends."""
    fields: dict[int, Any] = {}
    number = 0
    while head := _byte(content, at):
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _number(content, at)
        kind = head & 15
        if kind in (1, 2):  # true and false are in the head
            pass
        elif kind == 3:
            at += 1
        elif kind in (4, 5, 6):  # of 16, 32 and 64 bits; a reader takes a field of its own type only
            value, at = _number(content, at)
            fields |= {number: value} if kind == 5 else {}
        elif kind == 8:  # bytes of the statistics
            length, at = _varint(content, at)
            at += length
        elif kind == 12 and depth < 3:
            fields[number], at = _struct(content, at, depth + 1)
        else:
            raise KeyError(kind)
    return fields, at + 1


def _byte(content: bytes, at: int) -> int:
    if at < 0:
        raise IndexError
    return content[at]


def _number(content: bytes, at: int) -> tuple[int, int]:
    raw, at = _varint(content, at)
    return (raw >> 1) ^ -(raw & 1), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    raw = shift = 0
    while True:
        byte = _byte(content, at)
        raw |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return raw, at
        if shift > 63:
            raise IndexError
