"""Shell scripts beside the folders: `job.sh` runs one, `run.sh` all one after another, `slurm.sh` an array of them.

Folders that hold a finished result are passed over, so each script can be run again.
"""

from __future__ import annotations

from pathlib import Path

from gnome_lite.core.disk import umask
from gnome_lite.verify.files.dft_levels import Program

FOLDERS = "folders.txt"

_HEAD = """\
#!/bin/sh
# sh job.sh FOLDER: run one crystal. {command_help}
set -eu
cd "$(dirname "$0")/$1"
"""

_JOBS: dict[Program, str] = {
    "vasp": _HEAD.format(command_help="VASP_COMMAND: how VASP is called (default: mpirun vasp_std).")
    + """\
if grep -qs '</modeling>' vasprun.xml; then exit 0; fi
if [ ! -s POTCAR ]; then
    # POTCAR.spec names one potential a line; VASP_PSP_DIR holds a folder of that name with each POTCAR.
    : "${VASP_PSP_DIR:?set it to the folder that holds the POTCARs of the level (one folder a potential)}"
    while read -r potential; do cat "$VASP_PSP_DIR/$potential/POTCAR"; done < POTCAR.spec > POTCAR.part
    mv POTCAR.part POTCAR
fi
exec ${VASP_COMMAND:-mpirun vasp_std} > vasp.out 2>&1
""",
    "espresso": _HEAD.format(command_help="ESPRESSO_COMMAND: how pw.x is called (default: mpirun pw.x).")
    + """\
if grep -qs 'JOB DONE' pw.out; then exit 0; fi
${ESPRESSO_COMMAND:-mpirun pw.x} -in pw.in > pw.out 2> pw.err
rm -rf scratch
""",
    "gpaw": _HEAD.format(command_help="GPAW_PYTHON: a Python with ASE and GPAW (default: /usr/bin/python3).")
    + """\
if [ -s result.json ]; then exit 0; fi
exec ${GPAW_PYTHON:-/usr/bin/python3} ../program/relax_by_gpaw.py > gpaw.out 2>&1
""",
}

_RUN = """\
#!/bin/sh
# sh run.sh [FOLDER ...]: run these folders, or all that are not done, one after another.
cd "$(dirname "$0")" || exit 1
if [ $# -eq 0 ]; then set -- $(cat folders.txt); fi
failed=0
for folder in "$@"; do
    sh job.sh "$folder" || { echo "$folder failed" >&2; failed=1; }
done
exit $failed
"""

_SLURM = """\
#!/bin/sh
#SBATCH --job-name=gnome-lite-{level}
#SBATCH --array=1-{n}
#SBATCH --ntasks=16
#SBATCH --time=24:00:00
#SBATCH --output=slurm-%A_%a.log
# Submit it in this folder: sbatch slurm.sh. Partition, account and modules are your cluster's: add them above and here.
cd "$SLURM_SUBMIT_DIR" || exit 1
exec sh job.sh "$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" folders.txt)"
"""


def write_scripts(out: Path, program: Program, level: str, folders: list[str]) -> None:
    """Write the scripts, and the list of folders that they go by.

    Args:
        out: folder that holds the crystals' folders.
        program: what runs them.
        level: name of the level.
        folders: names of the folders, in the order in which they are to be run.
    """
    (out / FOLDERS).write_text("".join(f"{name}\n" for name in folders), encoding="ascii")
    (out / "job.sh").write_text(_JOBS[program], encoding="ascii")
    (out / "run.sh").write_text(_RUN, encoding="ascii")
    (out / "slurm.sh").write_text(_SLURM.format(level=level, n=len(folders)), encoding="ascii")
    for name in ("job.sh", "run.sh", "slurm.sh"):
        (out / name).chmod(0o755 & ~umask())
