"""Whatever a structure file holds, its parser imports and runs nothing foreign, connects nowhere and writes nothing.

The oracle is the interpreter's own audit hook in a real child (`samples/audited_reader.py`), the corpus mutated files.
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soak import counted

from gnome_lite.core.processes import Child

from .test_files import FILES, kind

WORDS = (
    b"@module", b"@class", b"@call", b"__import__('os').system('true')", b"os", b"eval", b"_JSON", b"nan", b"1e308",
    b"-1", b"\0", b'"', b"'", b"\n", b"loop_\n", b"_cell_length_a", b"data_", b"../../etc/passwd", b"file:///dev/zero",
    b"{", b"[",
)  # fmt: skip


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    child = Child.of_module("samples.audited_reader")
    assert child.receive() == {"imported": True}
    child.send({"first": [(kind(name), b64encode(content).decode()) for name, content in FILES.items()]})
    assert child.receive() == {"ready": True}
    yield child
    child.stop()


def ask(child: Child, form: str, content: bytes) -> dict[str, object]:
    child.send({"kind": form, "content": b64encode(content).decode()})
    return child.receive()


def mutated(rng: random.Random) -> tuple[str, bytes]:
    """A format, and a file of it or another into which words and noise were put, or of which parts were copied."""
    name = rng.choice(sorted(FILES))
    content = bytearray(FILES[name])
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(content) + 1)
        if rng.random() < 0.5:
            new = rng.choice(WORDS)
        else:
            start = rng.randrange(len(content) + 1)
            new = rng.choice([rng.randbytes(rng.randint(0, 4)), bytes(content[start : start + rng.randint(0, 64)])])
        content[at : at + rng.choice([0, 0, len(new), rng.randint(0, 8)])] = new
    return (kind(rng.choice(sorted(FILES))) if rng.random() < 0.05 else kind(name)), bytes(content)


@pytest.mark.parametrize(
    "deed",
    [
        "import antigravity",
        "eval('1')",
        "open('/etc/passwd').close()",
        "import tempfile; tempfile.TemporaryFile().close()",
        "import os; os.system('true')",
        "import subprocess; subprocess.Popen(['true'])",
        "import socket; socket.socket().connect_ex(('127.0.0.1', 1))",
        "import sqlite3; sqlite3.connect('/dev/null').close()",
        "import pickle; pickle.loads(pickle.dumps(print))",
        "import os; os.remove('/nowhere/a')",
    ],
)
def test_the_oracle_sees(child: Child, deed: str) -> None:
    """Each deed is done in the child, between files; `exec` of it is an event already, what it does another."""
    child.send({"run": f"try:\n {deed}\nexcept OSError: pass"})
    events = child.receive()["events"]
    assert len(events) >= 3 - (deed == "import antigravity"), events


@settings(max_examples=150, deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_mutated_files_make_the_interpreter_do_nothing_else(child: Child, rng: random.Random) -> None:
    """Promise 6: mutated files in the reader's child, under an audit hook: no import, program, connection or file."""
    form, content = mutated(rng)
    assert ask(child, form, content)["events"] == [], (form, content)


@counted(1, 3600, "CPU seconds", parts=12)
def test_an_hour_of_mutated_files(child: Child, trials: range) -> None:
    """Promise 6: an hour of processor time of mutated files in the reader's child, under an audit hook."""
    rng, spent, before = random.Random(trials.start), 0.0, None
    while spent < len(trials):
        form, content = mutated(rng)
        said = ask(child, form, content)
        assert said["events"] == [], (form, content)
        now = float(str(said["cpu_s"]))
        before = now if before is None else before
        spent = now - before
