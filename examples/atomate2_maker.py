"""Make jobflow flows of the folders of `gnome-lite ask`, by atomate2, and put their results back.

    pip install atomate2     # VASP and its POTCARs as atomate2's settings say
    gnome-lite ask out --level vasp-mp
    python examples/atomate2_maker.py out
    gnome-lite tell out

This runs the flows here, one after another; hand `flows(out)` to jobflow-remote or FireWorks to run them on a cluster,
and call `put_back` for each when it is done.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any


def maker(level: str) -> Any:
    """Return atomate2's maker for a level.

    Raises:
        SystemExit: if it has none.
    """
    if level == "vasp-mp":
        from atomate2.vasp.flows.mp import MPGGADoubleRelaxStaticMaker

        return MPGGADoubleRelaxStaticMaker()
    if level == "vasp-r2scan":
        from atomate2.vasp.flows.mp import MPMetaGGADoubleRelaxStaticMaker

        return MPMetaGGADoubleRelaxStaticMaker()
    if level == "vasp-matpes":
        from atomate2.vasp.jobs.matpes import MatPesGGAStaticMaker

        return MatPesGGAStaticMaker()
    sys.exit(f"atomate2 runs the levels of VASP, not {level}: use run.sh of the folder")


def flows(out: Path) -> dict[Path, Any]:
    """Return a flow for each folder that holds no result yet."""
    from pymatgen.core import Structure

    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    make = maker(manifest["level"])
    folders = [out / member["folder"] for member in manifest["members"]]
    return {f: make.make(Structure.from_file(f / "POSCAR")) for f in folders if not (f / "vasprun.xml").exists()}


def put_back(finished: Path, folder: Path) -> None:
    """Copy the vasprun.xml of a finished job, gzipped or not, into its folder: whole or not at all."""
    packed, partial = finished / "vasprun.xml.gz", folder / "vasprun.xml.part"
    plain = gzip.decompress(packed.read_bytes()) if packed.exists() else (finished / "vasprun.xml").read_bytes()
    partial.write_bytes(plain)
    partial.replace(folder / "vasprun.xml")


def main(out: Path) -> None:
    """Run what is open here; the last job of a flow is the one that counts."""
    made = flows(out)
    from jobflow import run_locally

    for folder, flow in made.items():
        last = (flow.jobs[-1] if hasattr(flow, "jobs") else flow).uuid
        answers = run_locally(flow, create_folders=True, raise_immediately=False)
        if last not in answers:
            print(f"{folder.name} failed: see its job's folder", file=sys.stderr)
            continue
        document = max(answers[last].items())[1].output
        put_back(Path(document.dir_name.split(":")[-1]), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
