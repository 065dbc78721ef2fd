from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.messages import crystal_from_wire, crystal_to_wire, pack, unpack

floats = st.floats(-1e6, 1e6)


crystals = st.integers(1, 5).flatmap(
    lambda n: st.builds(
        Crystal.make,
        arrays(np.int64, n, elements=st.integers(1, 118)),
        arrays(float, (n, 3), elements=floats),
        arrays(float, (3, 3), elements=floats),
    )
)


@given(crystals)
def test_crystals_arrive_bit_for_bit(sent: Crystal) -> None:
    message = unpack(bytearray(pack(crystal_to_wire(sent))))
    assert message is not None
    got = crystal_from_wire(message)
    assert (got.numbers == sent.numbers).all()
    assert (got.frac_coords == sent.frac_coords).all()
    assert (got.lattice == sent.lattice).all()


@given(st.lists(st.dictionaries(st.text(), st.floats(allow_nan=False) | st.text()), max_size=4), st.integers(1, 7))
def test_messages_survive_any_cutting_of_the_stream(messages: list[dict[str, object]], piece: int) -> None:
    stream = b"".join(pack(m) for m in messages)
    inbox, got = bytearray(), []
    for start in range(0, len(stream), piece):
        inbox += stream[start : start + piece]
        while (message := unpack(inbox)) is not None:
            got.append(message)
    assert got == messages
    assert not inbox
