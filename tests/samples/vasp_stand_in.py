"""A program in VASP's place: from INCAR, KPOINTS, POSCAR and POTCAR.spec it writes a vasprun.xml of VASP 6's format.

Energies are made up, and depend on the composition alone. `python vasp_stand_in.py` runs in a folder, as VASP does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ELEMENT_EV_PER_ATOM = -3.0
FORMATION_EV_PER_ATOM = -1.5


def made_up_energy_per_atom(elements: Sequence[str]) -> float:
    """Return -3 eV/atom for an element and -4.5 eV/atom for a compound."""
    return ELEMENT_EV_PER_ATOM + (FORMATION_EV_PER_ATOM if len(set(elements)) > 1 else 0.0)


def run(
    folder: Path,
    energy_per_atom: Callable[[Sequence[str]], float] = made_up_energy_per_atom,
    changed: Mapping[str, str] | None = None,
    potentials: Sequence[str] | None = None,
    strain: float = 1.005,
    n_steps: int = 2,
    electronic_steps: int = 6,
    force: float = 0.01,
) -> Path:
    """Write the vasprun.xml of a folder.

    Args:
        folder: with the inputs.
        energy_per_atom: of the symbols of all atoms, eV/atom.
        changed: INCAR tags that are run otherwise than the file says.
        potentials: in place of those of POTCAR.spec.
        strain: final lattice vectors over those of POSCAR, where it relaxes.
        n_steps: ionic steps, where it relaxes.
        electronic_steps: of each.
        force: on each atom, eV/Å.
    """
    incar = _incar(folder / "INCAR") | dict(changed or {})
    lattice, symbols, counts, coords = _poscar(folder / "POSCAR")
    elements = [s for s, n in zip(symbols, counts, strict=True) for _ in range(n)]
    relaxes = int(incar.get("NSW", "0")) > 0
    steps = n_steps if relaxes else 1
    cells = [lattice * (1 + (strain - 1) * k / max(steps - 1, 1)) for k in range(steps)] if relaxes else [lattice]
    energy = energy_per_atom(elements) * len(elements)
    names = list(potentials or (folder / "POTCAR.spec").read_text().split())
    parts = ['<?xml version="1.0" encoding="ISO-8859-1"?>', "<modeling>", _generator(), _tags("incar", incar)]
    parts += [_kpoints(), _parameters(incar), _atominfo(elements, symbols, counts, names)]
    parts.append(_structure(lattice, coords, "initialpos"))
    parts += [_calculation(cell, coords, energy, electronic_steps, force) for cell in cells]
    parts += [_structure(cells[-1], coords, "finalpos"), "</modeling>", ""]
    path = folder / "vasprun.xml"
    path.write_text("\n".join(parts), encoding="latin-1")
    return path


def _incar(path: Path) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _poscar(path: Path) -> tuple[np.ndarray, list[str], list[int], np.ndarray]:
    lines = path.read_text().splitlines()
    lattice = np.array([[float(x) for x in line.split()] for line in lines[2:5]]) * float(lines[1])
    symbols, counts = lines[5].split(), [int(n) for n in lines[6].split()]
    coords = np.array([[float(x) for x in line.split()[:3]] for line in lines[8 : 8 + sum(counts)]])
    return lattice, symbols, counts, coords


def _generator() -> str:
    rows = {
        "program": "vasp ",
        "version": "6.3.0  ",
        "subversion": "20Jan22 complex parallel ",
        "platform": "LinuxIFC ",
    }
    rows |= {"date": "2026 01 14 ", "time": "19:06:57 "}
    body = "".join(f'  <i name="{k}" type="string">{v}</i>\n' for k, v in rows.items())
    return f" <generator>\n{body} </generator>"


def _one(name: str, value: Any) -> str:
    text = str(value).strip()
    if text.upper().strip(".") in ("TRUE", "FALSE"):
        return f'  <i type="logical" name="{name}"> {text.upper().strip(".")[0]}  </i>\n'
    parts = text.split()
    numbers = _numbers(parts)
    if numbers is None:
        return f'  <i type="string" name="{name}">{text}</i>\n'
    if len(numbers) > 1 or name in ("LDAUU", "LDAUJ", "LDAUL", "MAGMOM"):
        kind = ' type="int"' if name == "LDAUL" else ""
        spelt = " ".join(f"{x:14.8f}" if not kind else f"{int(x):8d}" for x in numbers)
        return f'  <v{kind} name="{name}">{spelt}</v>\n'
    if "." in text or "e" in text.lower():
        return f'  <i name="{name}">{numbers[0]:16.8f}</i>\n'
    return f'  <i type="int" name="{name}">{int(numbers[0]):6d}</i>\n'


def _numbers(parts: Sequence[str]) -> list[float] | None:
    """Return numbers, with 3*0.6 spelt out as VASP does; None if it is a word."""
    found: list[float] = []
    try:
        for part in parts:
            times, star, value = part.partition("*")
            found += [float(value)] * int(times) if star else [float(part)]
    except ValueError:
        return None
    return found


def _tags(tag: str, tags: Mapping[str, str]) -> str:
    return f" <{tag}>\n" + "".join(_one(k, v) for k, v in tags.items()) + f" </{tag}>"


def _parameters(incar: Mapping[str, str]) -> str:
    rows = {"GGA": "--", "NSW": 0, "IBRION": -1, "NELM": 60, "EDIFFG": "0.001", "ISPIN": 2, "LDAU": "F", "AEXX": "0.0"}
    rows |= {"LHFCALC": "F", "LUSE_VDW": "F", "HFSCREEN": "0.0", "LCHIMAG": "F"}
    rows |= {k: v for k, v in incar.items() if k in (*rows, "METAGGA")} | {"ENMAX": f"{float(incar['ENCUT']):.8f}"}
    body = "".join(
        f'  <i type="logical" name="{k}"> {v}  </i>\n' if v in ("T", "F") else _one(k, v) for k, v in rows.items()
    )
    return f' <parameters>\n  <separator name="general" >\n{body}  </separator>\n </parameters>'


def _kpoints() -> str:
    return """ <kpoints>
  <generation param="Gamma">
   <v type="int" name="divisions">       4        4        4 </v>
   <v name="usershift">      0.00000000       0.00000000       0.00000000 </v>
  </generation>
  <varray name="kpointlist" >
   <v>       0.00000000       0.00000000       0.00000000 </v>
  </varray>
  <varray name="weights" >
   <v>       1.00000000 </v>
  </varray>
 </kpoints>"""


def _atominfo(elements: Sequence[str], symbols: Sequence[str], counts: Sequence[int], potentials: Sequence[str]) -> str:
    kind = {s: k + 1 for k, s in enumerate(symbols)}
    atoms = "".join(f"    <rc><c>{e:2s}</c><c>{kind[e]:4d}</c></rc>\n" for e in elements)
    types = "".join(
        f"    <rc><c>{n:4d}</c><c>{s:2s}</c><c>     24.30500000</c><c>      2.00000000</c>"
        f"<c>  PAW_PBE {p} 06Sep2000                  </c></rc>\n"
        for n, s, p in zip(counts, symbols, potentials, strict=True)
    )
    return f""" <atominfo>
  <atoms>{len(elements):8d} </atoms>
  <types>{len(symbols):8d} </types>
  <array name="atoms" >
   <dimension dim="1">ion</dimension>
   <field type="string">element</field>
   <field type="int">atomtype</field>
   <set>
{atoms}   </set>
  </array>
  <array name="atomtypes" >
   <dimension dim="1">type</dimension>
   <field type="int">atomspertype</field>
   <field type="string">element</field>
   <field>mass</field>
   <field>valence</field>
   <field type="string">pseudopotential</field>
   <set>
{types}   </set>
  </array>
 </atominfo>"""


def _array(name: str, rows: np.ndarray) -> str:
    body = "".join(f"    <v> {a:16.8f} {b:16.8f} {c:16.8f} </v>\n" for a, b, c in rows)
    return f'   <varray name="{name}" >\n{body}   </varray>'


def _structure(lattice: np.ndarray, coords: np.ndarray, name: str = "") -> str:
    named = f' name="{name}"' if name else ""
    volume = abs(np.linalg.det(lattice))
    inverse = np.linalg.inv(lattice).T
    return f""" <structure{named} >
  <crystal>
{_array("basis", lattice)}
   <i name="volume"> {volume:16.8f} </i>
{_array("rec_basis", inverse)}
  </crystal>
{_array("positions", coords)}
 </structure>"""


def _energies(energy: float) -> str:
    rows = "".join(f'   <i name="{k}"> {energy:16.8f} </i>\n' for k in ("e_fr_energy", "e_wo_entrp", "e_0_energy"))
    return f"  <energy>\n{rows}  </energy>"


def _calculation(lattice: np.ndarray, coords: np.ndarray, energy: float, electronic_steps: int, force: float) -> str:
    steps = "\n".join(f"  <scstep>\n{_energies(energy)}\n  </scstep>" for _ in range(electronic_steps))
    forces = np.zeros_like(coords)
    forces[:, 0] = force
    return f""" <calculation>
{steps}
{_structure(lattice, coords)}
{_array("forces", forces)}
{_array("stress", np.zeros((3, 3)))}
{_energies(energy)}
  <time name="totalsc">    10.00    10.00</time>
 </calculation>"""


if __name__ == "__main__":
    run(Path.cwd())
