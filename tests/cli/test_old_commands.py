"""Names of 0.1 on the command line: they work, are told in one line, and help does not show them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.conftest import Call

from gnome_lite.cli.old_commands import with_current_commands
from gnome_lite.core.errors import OldNameWarning


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["reverdict", "mine"], ["reevaluate", "mine"]),
        (["benchmark", "universe", "--seed", "1"], ["benchmark", "pool", "--seed", "1"]),
        (["benchmark", "replay", "--universe", "d"], ["benchmark", "replay", "--pool", "d"]),
        (["query", "--known"], ["query", "--no-novel"]),
        (["export", "out", "--known"], ["export", "out", "--no-novel"]),
        (["references", "Mg-O", "--level", "emt"], ["references", "compute", "Mg-O", "--level", "emt"]),
        (["benchmark", "replay", "--universe=d"], ["benchmark", "replay", "--pool=d"]),
    ],
)
def test_an_old_name_is_the_new_one(old: list[str], new: list[str]) -> None:
    with pytest.warns(OldNameWarning, match="is now `gnome-lite"):
        assert with_current_commands(old) == new


def test_other_words_stay(recwarn: pytest.WarningsRecorder) -> None:
    for words in (
        [],
        ["reevaluate", "reverdict"],
        ["query", "--universe", "x"],
        ["benchmark"],
        ["--help"],
        ["references", "add", "x"],
        ["references"],
    ):
        assert with_current_commands(words) == words
    assert not recwarn


def test_it_is_told_in_one_line_and_not_shown_in_help(call: Call, tmp_path: Path) -> None:
    said = call("reverdict", "--help")
    assert said.code == 0
    assert "Usage: gnome-lite reevaluate" in said.out
    assert said.err.startswith("notice: `gnome-lite reverdict` is now `gnome-lite reevaluate`")
    assert said.err.count("\n") == 1
    assert call("reevaluate", "--help").err == ""
    assert "reverdict" not in call("--help").out
    assert "universe" not in call("benchmark", "--help").out + call("benchmark", "replay", "--help").out


def test_old_settings_are_told_once_for_a_command(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[stop]\nfresh = 0.1\n")
    for _ in range(2):
        said = call("generate", tmp_path / "out.extxyz", "--campaign", path, "--formula", "nonsense")
        assert said.code == 2
        assert said.err.splitlines()[0].endswith("stop.fresh is now stop.min_new_fraction")
        assert sum("notice: " in line for line in said.err.splitlines()) == 1
