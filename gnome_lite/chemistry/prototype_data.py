"""The tables that pymatgen ships with its prototypes, read from its files.

Importing `pymatgen.analysis.prototypes` for them parses 288 bibliographies: seconds in every process.
"""

from __future__ import annotations

import gzip
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gnome_lite.core.errors import SourceError


def prototype_data(name: str) -> Any:
    """Return what pymatgen's `analysis/prototypes/NAME.json.gz` holds.

    Raises:
        SourceError: if pymatgen no longer ships it.
    """
    spec = find_spec("pymatgen.analysis")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "prototypes" / f"{name}.json.gz"
        if path.is_file():
            return json.loads(gzip.decompress(path.read_bytes()))
    raise SourceError(f"pymatgen ships no {name}.json.gz here: install pymatgen >= 2025.10.7")
