"""The house keeps its order: no loose modules, short files, one name a module, tests on public names."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "gnome_lite").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TOP_LEVEL = {"__init__.py", "config.py", "pipeline.py", "settings.py"}
MOST_LINES = 350
NOT_OURS = ("._exit", "._replace", "._repr_html_", "._get_reduced_structure")
"""Underscored names of Python, IPython and pymatgen that tests call."""


def test_nothing_lies_loose_on_the_top_level() -> None:
    assert {path.name for path in (ROOT / "gnome_lite").glob("*.py")} == TOP_LEVEL


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "flows").glob("*.py"))], ids=lambda p: p.name)
def test_a_file_is_one_idea(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_no_two_modules_have_one_name() -> None:
    """Modules of the command line bear the names of their commands, versions of the schema those of Alembic."""
    apart = {ROOT / "gnome_lite" / "cli", ROOT / "gnome_lite" / "store" / "alembic" / "versions"}
    names = Counter(path.name for path in MODULES if path.parent not in apart and not path.name.startswith("__"))
    assert [name for name, n in names.items() if n > 1] == []


def test_every_module_is_tested_by_name() -> None:
    """A module has its mirrored test, or a test of its room says "Covers `it`", or a test names it in full."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in TESTS)
    without = []
    for path in MODULES:
        inside = path.relative_to(ROOT / "gnome_lite").with_suffix("")
        mirrored = ROOT / "tests" / inside.parent / f"test_{inside.name}.py"
        dotted = ".".join(("gnome_lite", *inside.parts))
        package, _, name = dotted.rpartition(".")
        named = dotted in text or re.search(rf"from {re.escape(package)} import [^\n]*\b{name}\b", text)
        covered = name in _covered_by(ROOT / "tests" / inside.parts[0])
        if not (path.name.startswith("__") or mirrored.exists() or named or covered):
            without.append(dotted)
    assert without == []


@cache
def _covered_by(room: Path) -> set[str]:
    """Return the modules that the docstrings of a room's test files say they cover."""
    tests = room.rglob("test_*.py")
    said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in tests)
    return {name for text in said for name in re.findall(r"`(?:\w+\.)*(\w+)`", text.partition("Covers ")[2])}


def test_tests_use_public_names_only() -> None:
    private = re.compile(
        r"from (?:gnome_lite|flows|benchmarks)[\w.]* import [^\n]*(?<!\w)_[a-z]\w*|(?<!self)(?<=\w)\._[a-z]\w*"
    )
    found = [(path.name, line) for path in TESTS for line in private.findall(path.read_text(encoding="utf-8"))]
    assert [(name, line) for name, line in found if line not in NOT_OURS] == []
