"""Recipes for quacc and atomate2: they compile, are short, put results back, and import what there is."""

from __future__ import annotations

import gzip
import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))


def loaded(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_a_recipe_puts_results_back(path: Path, tmp_path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 100
    module = loaded(path)
    finished, folder = tmp_path / "finished", tmp_path / "gl-0123456789abcdef"
    finished.mkdir()
    folder.mkdir()
    (finished / "vasprun.xml.gz").write_bytes(gzip.compress(b"<modeling></modeling>"))
    module.put_back(finished, folder)
    assert (folder / "vasprun.xml").read_bytes() == b"<modeling></modeling>"
    (tmp_path / "manifest.json").write_text(json.dumps({"level": "gpaw", "members": [{"folder": folder.name}]}))
    with pytest.raises(SystemExit, match=r"not gpaw: use run.sh"):
        module.main(tmp_path)


@pytest.mark.parametrize(
    ("package", "example", "function"), [("quacc", "quacc_recipe", "recipe"), ("atomate2", "atomate2_maker", "maker")]
)
def test_a_recipe_finds_what_it_names(package: str, example: str, function: str) -> None:
    pytest.importorskip(package)
    (path,) = (p for p in EXAMPLES if p.stem == example)
    assert getattr(loaded(path), function)("vasp-mp") is not None
