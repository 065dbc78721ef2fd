"""Messages between two processes over pipes: a length, then JSON. Nothing is pickled.

Only the standard library is imported here: an interpreter without gnome_lite loads this file by its path.
"""

from __future__ import annotations

import json
import os
import select
import time
from contextlib import suppress
from typing import Any

Message = dict[str, Any]
_LENGTH_BYTES = 8


class Channel:
    """One end of a conversation; floats arrive with all their digits (JSON writes their repr), NaN is allowed.

    Args:
        source, sink: file descriptors to read from and to write to.

    Attributes:
        patience_s: time after which `send` gives up on an end that has not read all of a message, if the sink does not
            block; None: never.
    """

    patience_s: float | None = None

    def __init__(self, source: int, sink: int) -> None:
        self.source, self._sink, self._inbox = source, sink, bytearray()

    @classmethod
    def to_parent(cls) -> Channel:
        """A child's end. What libraries print to standard output goes to standard error from now on."""
        answers = os.dup(1)
        os.dup2(2, 1)
        return cls(0, answers)

    def send(self, message: Message) -> None:
        """Send a message. That nobody reads it, or not all of it, is for `read` to say, or for a deadline."""
        body = json.dumps(message).encode()
        rest = memoryview(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
        limit = None if self.patience_s is None else time.monotonic() + self.patience_s
        room = select.poll()  # `select.select` knows no descriptors from 1024 on
        room.register(self._sink, select.POLLOUT)
        with suppress(BrokenPipeError):
            while rest and room.poll(None if limit is None else max(0.0, 1000 * (limit - time.monotonic()))):
                rest = rest[os.write(self._sink, rest) :]
                if limit is not None and time.monotonic() > limit:
                    return

    def read(self) -> list[Message]:
        """Wait for something to read; return the messages that are complete with it.

        Raises:
            EOFError: if the other end is closed.
            ValueError: if that is no message.
        """
        chunk = os.read(self.source, 1 << 16)
        if not chunk:
            raise EOFError
        self._inbox += chunk
        messages = []
        while len(self._inbox) >= (end := _LENGTH_BYTES + int.from_bytes(self._inbox[:_LENGTH_BYTES], "big")):
            messages.append(json.loads(self._inbox[_LENGTH_BYTES:end]))
            del self._inbox[:end]
        return messages

    def receive(self) -> Message:
        """Wait for the one message that is due; raises as `read` does."""
        while not (messages := self.read()):
            pass
        return messages[0]
