"""JSON lines survive a kill: a torn last line is left out, and what follows it is whole."""

from __future__ import annotations

from pathlib import Path

from gnome_lite.core.jsonl import append_line, read_lines


def test_lines_come_back_and_a_torn_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "log.jsonl"
    assert list(read_lines(path)) == []
    for n in range(3):
        append_line(path, {"n": n})
    assert [row["n"] for row in read_lines(path)] == [0, 1, 2]
    with path.open("ab") as file:
        file.write(b'{"n": 3')
    assert [row["n"] for row in read_lines(path)] == [0, 1, 2]
    append_line(path, {"n": 4})
    assert [row["n"] for row in read_lines(path)][:3] == [0, 1, 2]
    assert [row["n"] for row in read_lines(path)][-1] == 4
