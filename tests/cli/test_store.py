"""`store check` lists what is wrong and exits with 2; `store backup` copies only what is whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cli.conftest import Call


def test_check_and_backup(call: Call, home: Path) -> None:
    sound = call("store", "check")
    assert (sound.code, sound.out) == (0, "")
    assert "is as it was written" in sound.err
    copied = call("store", "backup", home / "copy.sqlite")
    assert (copied.code, copied.out.strip()) == (0, str(home / "copy.sqlite"))
    named = call("store", "backup")
    assert named.code == 0
    assert Path(named.out.strip()).name.startswith("store.sqlite.20")
    with sqlite3.connect(home / "store.sqlite") as connection:
        connection.execute("UPDATE verification SET energy_ev = energy_ev - 1e-6 WHERE failure IS NULL")
        connection.execute("DROP INDEX ix_verdict_latest")
    connection.close()
    damaged = call("store", "check")
    assert damaged.code == 2
    lines = damaged.out.splitlines()
    assert lines[0].split() == ["table", "row", "what", "is", "wrong", "what", "to", "do"]
    assert len(lines) == 1 + 4
    assert all("verification" in line and "restore a backup" in line for line in lines[1:])
    assert damaged.err.splitlines()[-1].startswith("error: store ")
    assert "damaged in 4 places" in damaged.err
    refused = call("store", "backup", home / "another.sqlite")
    assert refused.code == 2
    assert not (home / "another.sqlite").exists()
    assert call("store", "backup", home / "copy.sqlite", "--home", home).code == 2
