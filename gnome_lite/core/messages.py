"""Messages between the verifier and its own worker processes: a length, then JSON. Nothing is pickled."""

from __future__ import annotations

import json
from typing import Any

from gnome_lite.core.crystals import Crystal

Message = dict[str, Any]
_LENGTH_BYTES = 8


def pack(message: Message) -> bytes:
    """A message as bytes; floats keep all their digits (JSON writes their repr), NaN is allowed."""
    body = json.dumps(message).encode()
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def unpack(buffer: bytearray) -> Message | None:
    """Take the first message off a buffer; None if it is not complete yet."""
    end = _LENGTH_BYTES + int.from_bytes(buffer[:_LENGTH_BYTES], "big")
    if len(buffer) < max(end, _LENGTH_BYTES):
        return None
    message: Message = json.loads(bytes(buffer[_LENGTH_BYTES:end]))
    del buffer[:end]
    return message


def crystal_to_wire(crystal: Crystal) -> Message:
    return crystal.as_lists()


def crystal_from_wire(message: Message) -> Crystal:
    """Raises ValueError if it is no crystal."""
    return Crystal.make(message["numbers"], message["frac_coords"], message["lattice"])
