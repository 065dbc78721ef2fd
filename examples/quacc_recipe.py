"""Run the folders of `gnome-lite ask --level vasp-mp` by quacc, and put their results back.

    pip install quacc[mp]    # VASP and its POTCARs as quacc's settings say
    gnome-lite ask out --level vasp-mp
    python examples/quacc_recipe.py out
    gnome-lite tell out

quacc's recipe runs the Materials Project's settings: two relaxations and a static run, whose vasprun.xml is what
`tell` reads. Each crystal is a flow of its own; with one of quacc's workflow engines they go to a cluster.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def recipe(level: str) -> Callable[..., Any]:
    """Return quacc's flow for a level.

    Raises:
        SystemExit: if it has none.
    """
    if level == "vasp-mp":
        from quacc.recipes.vasp.mp_legacy import mp_gga_relax_flow

        return mp_gga_relax_flow
    sys.exit(f"this recipe runs vasp-mp, not {level}: use run.sh of the folder")


def waiting(out: Path) -> Iterator[Path]:
    """Yield the folders that hold no result yet, in the order of the manifest."""
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    for member in manifest["members"]:
        folder = out / member["folder"]
        if not (folder / "vasprun.xml").exists():
            yield folder


def put_back(finished: Path, folder: Path) -> None:
    """Copy the vasprun.xml of a finished run, gzipped or not, into its folder: whole or not at all."""
    packed, partial = finished / "vasprun.xml.gz", folder / "vasprun.xml.part"
    plain = gzip.decompress(packed.read_bytes()) if packed.exists() else (finished / "vasprun.xml").read_bytes()
    partial.write_bytes(plain)
    partial.replace(folder / "vasprun.xml")


def main(out: Path) -> None:
    """Run what is open, one crystal after another; a failure is named, and the next one goes on."""
    from ase.io import read

    level = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["level"]
    run = recipe(level)
    for folder in waiting(out):
        try:
            result = run(read(folder / "POSCAR"))
        except Exception as error:  # VASP fails in as many ways as there are crystals
            print(f"{folder.name} failed: {error}", file=sys.stderr)
            continue
        put_back(Path(result["static"]["dir_name"].split(":")[-1]), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
