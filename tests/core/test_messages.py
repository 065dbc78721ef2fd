from __future__ import annotations

import fcntl
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.messages import Channel

floats = st.floats(-1e6, 1e6)


crystals = st.integers(1, 5).flatmap(
    lambda n: st.builds(
        Crystal.make,
        arrays(np.int64, n, elements=st.integers(1, 118)),
        arrays(float, (n, 3), elements=floats),
        arrays(float, (3, 3), elements=floats),
    )
)


@contextmanager
def piped() -> Iterator[tuple[Channel, int]]:
    """A channel that hears what it sends, and where else to write to it."""
    source, sink = os.pipe()
    try:
        yield Channel(source, sink), sink
    finally:
        os.close(source)
        os.close(sink)


@given(crystals)
def test_crystals_arrive_bit_for_bit(sent: Crystal) -> None:
    with piped() as (channel, _):
        channel.send(sent.as_lists())
        got = Crystal.make(**channel.receive())
    assert (got.numbers == sent.numbers).all()
    assert (got.frac_coords == sent.frac_coords).all()
    assert (got.lattice == sent.lattice).all()


@given(st.lists(st.dictionaries(st.text(), st.floats(allow_nan=False) | st.text()), max_size=4), st.integers(1, 7))
def test_messages_survive_any_cutting_of_the_stream(messages: list[dict[str, object]], piece: int) -> None:
    with piped() as (channel, sink), piped() as (other, _):
        for message in messages:
            other.send(message)
        other.send({})
        stream, got = os.read(other.source, 1 << 16), []
        for start in range(0, len(stream), piece):
            os.write(sink, stream[start : start + piece])
            got += channel.read()
    assert got == [*messages, {}]


def test_a_closed_end_and_what_is_no_message_are_told_apart() -> None:
    with piped() as (channel, sink):
        os.write(sink, (5).to_bytes(8, "big") + b"hello")
        with pytest.raises(ValueError, match="Expecting value"):
            channel.read()
    source, sink = os.pipe()
    os.close(sink)
    with pytest.raises(EOFError):
        Channel(source, -1).receive()
    os.close(source)
    source, sink = os.pipe()
    os.close(source)
    Channel(-1, sink).send({"nobody": "reads"})
    os.close(sink)


def test_an_end_that_reads_little_by_little_is_given_up_too() -> None:
    """Patience is for the whole message: each piece read does not begin it anew."""
    with piped() as (channel, sink):
        os.set_blocking(sink, False)
        channel.patience_s = 0.5
        over = Event()

        def read_slowly() -> None:
            while not over.wait(0.1):
                os.read(channel.source, 1 << 12)

        reader = Thread(target=read_slowly)
        reader.start()
        started = time.monotonic()
        channel.send({"ballast": "x" * (1 << 20)})
        seconds = time.monotonic() - started
        over.set()
        reader.join()
    assert 0.5 <= seconds < 1.5


def test_a_process_with_very_many_open_files_sends_as_ever() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, hard), hard))
    try:
        with piped() as (channel, sink):
            beyond = fcntl.fcntl(sink, fcntl.F_DUPFD, 1500)
            Channel(-1, beyond).send({"it": "arrives"})
            os.close(beyond)
            assert channel.receive() == {"it": "arrives"}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
