"""A store that came from elsewhere: it chooses no program, no place to write to, and nothing that a terminal obeys."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Call
from samples.judged import LIO, judged
from samples.resealed import reseal

from gnome_lite.assemble import open_store
from gnome_lite.core.errors import StoreError

ROOT = Path(__file__).resolve().parents[2]
EVIL = "\x1b]0;owned\x07\x1b[31m\u202e\r\n"
"""Sets the title, colours what follows, writes from right to left, and begins another line."""


@pytest.fixture(scope="module")
def judged_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("judged")
    judged(home)
    return home


@pytest.fixture
def marked(judged_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a judged campaign, and the environment that an owner of keys has."""
    home = tmp_path / "foreign"
    shutil.copytree(judged_home, home)
    monkeypatch.setenv("MP_API_KEY", "canary0123456789canary0123456789")
    return home


def change(home: Path, statement: str, *values: str) -> None:
    with sqlite3.connect(home / "store.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        assert connection.execute(statement, values).rowcount > 0
    connection.close()
    reseal(home)


def plant(home: Path, verify: dict[str, Any]) -> None:
    """Have the stored settings of the campaign name another calculator."""
    with sqlite3.connect(home / "store.sqlite") as connection:
        ((stored,),) = connection.execute("SELECT config FROM campaign").fetchall()
        config = json.loads(stored)
        config["verify"] |= verify
        connection.execute("UPDATE campaign SET config = ?", [json.dumps(config)])
    connection.close()
    reseal(home)


def script(tmp_path: Path, left: Path) -> Path:
    """A program that leaves its environment in a file."""
    path = tmp_path / "evil.sh"
    path.write_text(f"#!/bin/sh\nenv > {left}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


PROGRAMS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "interpreter": lambda evil, left: {"calculator": "mace", "calculator_kwargs": {"python": str(evil)}},
    "factory": lambda evil, left: {"calculator": "os:system", "calculator_kwargs": {"command": f"touch {left}"}},
    "level": lambda evil, left: {
        "levels": ["chgnet", "mace"], "level": {"mace": {"calculator_kwargs": {"python": str(evil)}}},
    },
}  # fmt: skip
READERS = (
    ("analyse", LIO.content_id),
    ("plot", "Li-O", "li-o.png"),
    ("release", "released"),
    ("synthesis", LIO.content_id),
    ("reevaluate",),
    ("show", LIO.content_id, "--dft"),
    ("query",),
    ("status",),
    ("export", "out"),
)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_stored_campaign_chooses_no_program(call: Call, marked: Path, tmp_path: Path, kind: str) -> None:
    left = tmp_path / "left"
    plant(marked, PROGRAMS[kind](script(tmp_path, left), left))
    for command in READERS:
        said = call(*command, "--home", marked)
        assert said.code == 0, (command, said.err)
        assert not left.exists(), command


ESCAPES = (
    ("candidate", "formula"),
    ("candidate", "change"),
    ("verification", "detail"),
    ("verification", "space_group"),
    ("verdict", "prototype"),
    ("verdict", "nearest_known"),
)


@pytest.mark.parametrize(("table", "column"), ESCAPES)
def test_what_is_stored_reaches_no_terminal_as_it_is(call: Call, marked: Path, table: str, column: str) -> None:
    change(marked, f"UPDATE {table} SET {column} = ?", EVIL)
    commands = [["query"], ["query", "-f", "csv"], ["query", "-f", "json"], ["show", LIO.content_id]]
    commands += [["status", "--failures"], ["export", "out", "-f", "cif"], ["export", "out", "-f", "poscar"]]
    for command in commands:
        said = call(*command, "--home", marked)
        assert said.code == 0, said.err
        for character in "\x1b\x07\u202e\r":
            assert character not in said.out + said.err, command
    for file in Path("out").iterdir():
        assert file.name.isprintable()
        text = file.read_text()
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\\x1b]0;owned" in text or column not in ("formula", "change")


def test_names_and_flags_that_hold_escapes_are_shown_escaped(call: Call, marked: Path) -> None:
    change(marked, "UPDATE verdict SET flags = ?", json.dumps([EVIL]))
    change(marked, "UPDATE verdict SET products = ?", json.dumps([["x", EVIL, 1.0]]))
    change(marked, "UPDATE verdict SET hull_id = ?", "[bold]hull[/nothing] :skull:")
    said = call("show", LIO.content_id, "--home", marked)
    assert said.code == 0, said.err
    assert "beware: \\x1b]0;owned\\x07\\x1b[31m\\u202e\\r\\n\n" in said.out
    assert "\x1b" not in said.out
    assert "hull [bold]hull[/nothing] :skull:" in said.out


def test_a_kind_of_novelty_that_there_is_not_is_an_error_of_one_line(call: Call, marked: Path) -> None:
    change(marked, "UPDATE verdict SET novelty = ?", EVIL)
    said = call("show", LIO.content_id, "--home", marked)
    assert (said.code, said.out) == (2, "")
    assert "is of no kind of novelty that there is" in said.err
    listed = call("query", "--home", marked)
    assert listed.code == 0
    assert not {"\x1b", "\x07"} & {*said.err, *listed.out}


def test_cells_are_no_markup(call: Call, marked: Path) -> None:
    change(marked, "UPDATE candidate SET formula = ?", "[/nothing] :skull:")
    assert "[/nothing] :skull:" in call("query", "--home", marked).out


def test_an_error_names_what_is_wrong_without_obeying_it(call: Call, tmp_path: Path) -> None:
    (tmp_path / "\x1b[31m.cif").write_text("data_\x1b[2J\n_cell_length_a \x1b[2J\n")
    said = call("predict", tmp_path / "\x1b[31m.cif")
    assert said.code == 2
    assert "\\x1b[31m.cif" in said.err
    assert "\x1b" not in said.err


@pytest.mark.parametrize("formula", ["../../../above", "/tmp/above", "a/b", ".", "..", "-rf", "x" * 400])
@pytest.mark.parametrize("format", ["cif", "poscar"])
def test_a_formula_that_is_a_path_stays_in_the_folder(
    call: Call, marked: Path, tmp_path: Path, formula: str, format: str
) -> None:
    change(marked, "UPDATE candidate SET formula = ?", formula)
    before = set(tmp_path.rglob("*"))
    said = call("export", "deep/er/out", "-f", format, "--home", marked)
    assert said.code == 0, said.err
    (file,) = (path for path in set(tmp_path.rglob("*")) - before if path.is_file())
    assert file.parent == tmp_path / "deep" / "er" / "out"
    assert file.name.startswith(LIO.content_id)


@pytest.mark.parametrize("id", ["../../../above", "gl-../../above", "gl-0123456789abcdeF", EVIL])
def test_an_id_that_is_no_id_is_refused(call: Call, marked: Path, tmp_path: Path, id: str) -> None:
    for table, column in (("candidate", "id"), *((t, "candidate_id") for t in ("crystal", "verification", "verdict"))):
        change(marked, f"UPDATE {table} SET {column} = ?", id)
    before = set(tmp_path.rglob("*"))
    said = call("export", "deep/er/out", "--home", marked)
    assert said.code == 2
    assert "gl- and 16 hexadecimal digits" in said.err
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err
    assert {path for path in set(tmp_path.rglob("*")) - before if path.is_file()} == set()
    with pytest.raises(StoreError, match="no crystal's id"):
        open_store(marked).verifications("test-1")


def test_commands_print_through_one_place() -> None:
    """What prints by itself could print what a store holds as it is."""
    by_itself = re.compile(r"(?<![\w.])print\(|typer\.(?:s?echo)|sys\.std(?:out|err)\.write|console\(")
    places = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "gnome_lite" / "cli").glob("*.py")}
    assert {name for name, text in places.items() if by_itself.search(text)} == {"common.py", "errors.py"}
