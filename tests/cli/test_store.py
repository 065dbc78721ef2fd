"""`store check` lists what is wrong and exits with 2; `store backup` copies only what is whole."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from cli.conftest import Call
from samples.judged import LIO, judged


def test_verdicts_are_looked_up_in_their_hulls_again(call: Call, tmp_path: Path) -> None:
    store, lio = judged(tmp_path / "oxides"), LIO.content_id
    assert call("store", "check", "--hulls", "--home", tmp_path / "oxides").code == 0
    (verdict,) = store.verdicts("oxides").values()
    wrong = replace(verdict, e_form_ev_per_atom=verdict.e_form_ev_per_atom - 0.01)
    store.add_verdicts("oxides", 1, [wrong], {"hull": wrong.hull_id})
    assert call("store", "check", "--home", tmp_path / "oxides").code == 0  # written as it is
    said = call("store", "check", "--hulls", "--home", tmp_path / "oxides")
    assert said.code == 2
    assert f"{lio}  is not what hull {wrong.hull_id} gives" in said.out


def test_campaigns_without_references_are_passed_over(call: Call) -> None:
    said = call("store", "check", "--hulls")
    assert said.code == 0
    assert "campaign first: verdicts not looked up again" in said.err


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
