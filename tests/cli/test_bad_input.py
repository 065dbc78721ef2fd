"""Whatever a user gets wrong is one line naming the thing and the remedy, exit code 2, no traceback, nothing lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.conftest import Call, Said

from gnome_lite.cli.errors import guarded

ROOT = Path(__file__).resolve().parents[2]


def one_line(said: Said, *words: str) -> None:
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


def campaign(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "campaign.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[generate]\ncandidate = 5", ["campaign.toml", "generate.candidate", "allowed are", "candidates"]),
        ("[space]\nelements = ['Li', 'Xx']", ["campaign.toml", "Xx", "use symbols"]),
        ("[space]\nelements = []", ["space.elements", "name at least one"]),
        ("[space]\nchemical_systems = ['']", ["space.chemical_systems", "empty chemical system", "Li-Fe-O"]),
        ("rounds = 0", ["rounds"]),
        ("rounds = ", ["campaign.toml", "not TOML"]),
        ("[sources]\nmaterials_project = ['Li-O']", ["no Materials Project key", "set MP_API_KEY"]),
        ("[verify]\ncalculator = 'vasp'", ["'vasp'", "choose from chgnet, chgnet-r2scan", "module:factory"]),
        ("[verify]\ncalculator = 'chgnet'\ncalculator_kwargs = {colour = 'red'}", ["cannot be built", "colour"]),
        ("[verify]\ncalculator = 'chgnet'\ncalculator_kwargs = {checkpoint = 'no'}", ["no checkpoint no"]),
        ("[verify]\ncalculator = 'ase.build:bulk'", ["'ase.build:bulk' cannot be built", "calculator_kwargs"]),
        ("[space]\nelements = ['Li', 'U']\n[verify]\ncalculator = 'emt'", ["emt does not know U", "Z <= 79"]),
        ("[verify]\nlevels = ['chgnet', 'nothing']", ["'nothing'", "choose from"]),
        ("[verify]\nlevels = ['chgnet-r2scan']", ["levels begin with 'chgnet-r2scan'", "name that one first"]),
        ("[verify]\nlevels = ['chgnet', 'emt', 'emt']", ["'emt' twice"]),
        ("[verify.level.emt]\nbudget = 2", ["level.emt is not among levels", "add 'emt'"]),
        (
            "[verify]\nlevels = ['chgnet', 'emt']\n[verify.level.emt]\nbugdet = 2",
            ["verify.level.emt.bugdet", "allowed are budget"],
        ),
        (
            "[verify]\nlevels = ['chgnet', 'ase.calculators.lj:Nothing']",
            ["'ase.calculators.lj:Nothing'", "no attribute 'Nothing'"],
        ),
    ],
)
def test_campaign_files(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: list[str]
) -> None:
    monkeypatch.setenv("GNOME_LITE_TRUST", "1")  # else no code of a campaign's own is built
    one_line(call("run", campaign(tmp_path, text)), *words)


def test_a_wrong_materials_project_key_is_named_but_not_shown(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MP_API_KEY", "canary-key")
    said = call("run", campaign(tmp_path, "[sources]\nmaterials_project = ['Li-O']"))
    one_line(said, "MP_API_KEY has 10 characters", "32")
    assert "canary" not in said.err


def test_code_of_a_campaign_runs_after_trust_has_been_said_once(call: Call, home: Path, tmp_path: Path) -> None:
    left = tmp_path / "left"
    kwargs = f"calculator_kwargs = {{command = 'touch {left}'}}"
    path = campaign(tmp_path, f"[verify]\ncalculator = 'os:system'\n{kwargs}")
    for command in (["run", path], ["seed", "gases", path], ["benchmark", "pool", "--campaign", path]):
        one_line(call(*command), "calculator os:system", "--trust", "GNOME_LITE_TRUST=1")
    assert not left.exists()
    said = call("run", path, "--trust")
    assert said.err.startswith("trusted from now on: calculator os:system\n")
    assert "'os:system' gives no energy" in said.err
    assert left.exists()
    one_line(call("run", path), "'os:system' gives no energy")
    path.write_text(path.read_text().replace("touch", "touch "))
    one_line(call("run", path), "--trust")


def test_what_stands_on_the_command_line_needs_no_trust(call: Call, tmp_path: Path) -> None:
    command = ["references", "compute", "Mg-O", "--level", "ase.build:bulk", "--set", "name=Cu"]
    one_line(call(*command), "'ase.build:bulk' gives no energy")
    path = campaign(
        tmp_path, "[verify]\nlevels = ['chgnet', 'ase.build:bulk']\n"
        "[verify.level.'ase.build:bulk']\ncalculator_kwargs = {a = 4.0}"
    )  # fmt: skip
    one_line(call(*command, "--campaign", path), "calculator ase.build:bulk", "--trust")


def test_a_campaign_that_is_not_there(call: Call) -> None:
    one_line(call("run", "no.toml"), "no.toml", "gnome-lite init")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", "--elements", "Li,Xx"], ["Xx", "use symbols"]),
        (["references", "compute", "Mg-Xx", "--level", "emt"], ["Xx", "Mg-O"]),
        (["references", "compute", "Mg-O", "--level", "vasp"], ["'vasp'", "choose from"]),
        (
            ["references", "compute", "Mg-O", "--level", "chgnet"],
            ["both of level chgnet-0.3.0", "name another calculator"],
        ),
        (["references", "compute", "Mg-O", "--level", "emt", "--set", "rc"], ["--set rc", "KEY=VALUE"]),
        (["references", "compute", "Mg-Ra", "--level", "chgnet-r2scan"], ["no reference of Ra"]),
        (["references", "compute", "Mg-U", "--level", "emt"], ["emt does not know U"]),
        (["finetune"], ["--level LEVEL", "one of the two"]),
        (["finetune", "no.extxyz"], ["there is no file no.extxyz"]),
        (["finetune", "--level", "nothing-1"], ["has computed nothing at level nothing-1"]),
        (["finetune", "no.extxyz", "--format", "xml"], ["xml", "table, json"]),
        (["query", "--chemsys", ""], ["--chemsys is empty", "Li-Fe-O"]),
        (["query", "--chemsys", "Li-"], ["chemical_system", "no element"]),
        (["query", "--formula", "12"], ["'12'", "LiFePO4"]),
        (["query", "--nsites", "9-3"], ["9 and 3"]),
        (["query", "--nsites", "many"], ["'many'", "1-40"]),
        (["query", "--sg", "Xyz"], ["Xyz"]),
        (["query", "--sort", "beauty"], ["beauty", "e_above_hull"]),
        (["query", "--format", "xml"], ["xml", "ndjson"]),
        (["query", "--bogus"], ["--bogus"]),
        (["bogus"], ["bogus"]),
        (["show"], ["ID"]),
        (["show", "gl-nothing"], ["gl-nothing", "gnome-lite query"]),
        (["run", "--rounds", "0"], ["--rounds"]),
        (["predict", "no.cif"], ["no.cif", "check the path"]),
    ],
)
def test_arguments(call: Call, arguments: list[str], words: list[str]) -> None:
    one_line(call(*arguments), *words)


def test_a_cif_that_does_not_parse(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "broken.cif"
    path.write_text("data_x\n_cell_length_a notanumber\n")
    one_line(call("predict", path), "broken.cif")


def test_a_store_that_is_not_there(call: Call, tmp_path: Path) -> None:
    one_line(call("query", "--home", tmp_path / "elsewhere"), "elsewhere", "gnome-lite run")
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_of_a_newer_version_stays_as_it_is(call: Call, home: Path) -> None:
    path = home / "store.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
    connection.close()
    before = path.read_bytes()
    one_line(call("query"), "999")
    assert path.read_bytes() == before


def test_a_file_that_is_no_store(call: Call, home: Path) -> None:
    (home / "store.sqlite").write_bytes(b"not a database, but a text long enough to be one" * 50)
    one_line(call("status"), "store.sqlite")


def test_paths_that_cannot_be_written(call: Call, tmp_path: Path) -> None:
    # A file in the way is refused to root as well, which permission bits are not.
    (tmp_path / "file").write_text("")
    one_line(call("init", tmp_path / "file" / "campaign.toml"), "campaign.toml", "cannot write")
    one_line(call("export", tmp_path / "file" / "out"), "cannot write")
    one_line(call("run", "--home", tmp_path / "file" / "home"), "file")


def test_debug_shows_the_traceback_wherever_it_stands(call: Call) -> None:
    for arguments in (["--debug", "query", "--elements", "Xx"], ["query", "--elements", "Xx", "--debug"]):
        said = call(*arguments)
        assert said.code == 2
        assert "Traceback" in said.err
        assert said.err.splitlines()[-1].startswith("error: ")


def test_a_defect_is_one_line_and_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    app = typer.Typer()

    @app.command()
    def broken() -> None:
        raise ZeroDivisionError("division by zero")

    assert guarded(app, []) == 1
    assert capsys.readouterr().err.startswith("error: ZeroDivisionError: division by zero (a defect")


def test_ctrl_c_says_how_to_go_on() -> None:
    script = (
        "import time, typer\nfrom gnome_lite.cli.errors import guarded\napp = typer.Typer()\n"
        "@app.command()\ndef wait():\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "raise SystemExit(guarded(app, []))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        # Jobs in the background of a shell inherit that an interrupt is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err.strip() == "stopped; run again to go on"
