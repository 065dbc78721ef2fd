"""Stored crystals as files: CIF, POSCAR, extended XYZ, ASE database, CSV, JSON, NDJSON.

A file appears whole or not at all: it is written beside its place and moved there. Crystals are written
relaxed; one without a successful verification as it was proposed, and the file says so.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnome_lite.core.crystals import Crystal, symbol
from gnome_lite.core.disk import umask
from gnome_lite.core.errors import ConfigError, StoreError
from gnome_lite.core.formats import extxyz_frame
from gnome_lite.core.plain_text import file_name, printable
from gnome_lite.store.query import COLUMNS, StoredCrystal
from gnome_lite.store.result import relaxed_or_proposed, to_rows

if TYPE_CHECKING:
    from ase import Atoms


def export(crystals: Sequence[StoredCrystal], directory_or_file: str | Path, format: str) -> list[Path]:
    """Write crystals in one of FORMATS.

    Args:
        directory_or_file: a directory for "cif" and "poscar" (one file a crystal, `<id>_<formula>...`), a file
            for all others; an existing file is replaced.

    Returns:
        The files written.

    Raises:
        ConfigError: if there is no such format.
        StoreError: if a file cannot be written.
    """
    place = Path(directory_or_file)
    if format not in FORMATS:
        raise ConfigError(f"cannot export {format!r}: choose from {', '.join(FORMATS)}")
    try:
        if format in _ONE_FILE_EACH:
            render, suffix = _ONE_FILE_EACH[format]
            place.mkdir(parents=True, exist_ok=True)
            return [_write_text(place / f"{file_name(f'{c.id}_{c.formula}')}{suffix}", render(c)) for c in crystals]
        place.parent.mkdir(parents=True, exist_ok=True)
        if format in _ONE_TEXT:
            return [_write_text(place, _ONE_TEXT[format](crystals))]
        return [_write_ase_db(crystals, place)]
    except OSError as error:
        raise StoreError(
            f"cannot write {error.filename or place}: {error.strerror or error}; name a place that can be written"
        ) from error


def to_cif(stored: StoredCrystal) -> str:
    """CIF in P1 (every site listed), named by id, with the verdict in comments."""
    crystal = relaxed_or_proposed(stored)
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    unit = crystal.lattice / lengths[:, None]
    cosines = [unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    counts = crystal.counts
    total = " ".join(f"{symbol(z)}{counts[z]}" for z in np.flatnonzero(counts))
    lines = [f"# {note}" for note in _notes(stored)]
    lines += [f"data_{stored.id}", f"_chemical_formula_sum '{total}'"]
    lines += [f"_cell_length_{axis} {length:.8f}" for axis, length in zip("abc", lengths, strict=True)]
    names = ("alpha", "beta", "gamma")
    lines += [f"_cell_angle_{name} {angle:.8f}" for name, angle in zip(names, angles, strict=True)]
    lines += [f"_cell_volume {crystal.volume:.8f}", "_symmetry_space_group_name_H-M 'P 1'"]
    lines += ["_symmetry_Int_Tables_number 1", "loop_", "_symmetry_equiv_pos_as_xyz", "'x, y, z'", "loop_"]
    lines += [f"_atom_site_{tag}" for tag in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")]
    for i, (z, xyz) in enumerate(zip(crystal.numbers, crystal.frac_coords % 1.0, strict=True), 1):
        lines.append(f"{symbol(z)}{i} {symbol(z)} {xyz[0]:.10f} {xyz[1]:.10f} {xyz[2]:.10f} 1")
    return "\n".join(lines) + "\n"


def to_poscar(stored: StoredCrystal) -> str:
    """VASP 5 POSCAR with direct coordinates, sites grouped by element."""
    crystal = relaxed_or_proposed(stored)
    order = np.argsort(crystal.numbers, kind="stable")
    elements, counts = np.unique(crystal.numbers, return_counts=True)
    lines = ["; ".join((stored.id, *_notes(stored))), "1.0"]
    lines += [f"{x:20.12f} {y:20.12f} {z:20.12f}" for x, y, z in crystal.lattice]
    lines += [" ".join(symbol(z) for z in elements), " ".join(str(n) for n in counts), "Direct"]
    lines += [f"{x:16.12f} {y:16.12f} {z:16.12f}" for x, y, z in crystal.frac_coords[order]]
    return "\n".join(lines) + "\n"


def to_extxyz(crystals: Sequence[StoredCrystal]) -> str:
    """Extended XYZ, one frame a crystal, its facts in the comment line."""
    return "".join(extxyz_frame(relaxed_or_proposed(stored), _facts(stored)) for stored in crystals)


def to_csv(crystals: Sequence[StoredCrystal]) -> str:
    """The table of `to_rows`; lists as JSON."""
    return csv_of(to_rows(crystals), list(COLUMNS))


def csv_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV under their columns; lists as JSON."""
    text = StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()})
    return text.getvalue()


def to_record(stored: StoredCrystal) -> dict[str, Any]:
    """Everything of one crystal as plain JSON; crystals as numbers, frac_coords and lattice (Å)."""
    record = {"id": stored.id} | {name: getattr(stored, name) for name in StoredCrystal.__slots__}
    return record | {name: _plain_crystal(record[name]) for name in ("crystal", "input_crystal")}


def to_json(crystals: Sequence[StoredCrystal]) -> str:
    """A JSON array of `to_record`."""
    return json.dumps([to_record(c) for c in crystals], indent=1) + "\n"


def to_ndjson(crystals: Sequence[StoredCrystal]) -> str:
    """`to_record` of each crystal on a line of its own."""
    return "".join(json.dumps(to_record(c)) + "\n" for c in crystals)


_ONE_FILE_EACH: dict[str, tuple[Callable[[StoredCrystal], str], str]] = {
    "cif": (to_cif, ".cif"),
    "poscar": (to_poscar, ".vasp"),
}
_ONE_TEXT: dict[str, Callable[[Sequence[StoredCrystal]], str]] = {
    "extxyz": to_extxyz,
    "csv": to_csv,
    "json": to_json,
    "ndjson": to_ndjson,
}
FORMATS = (*_ONE_FILE_EACH, "extxyz", "ase", *tuple(_ONE_TEXT)[1:])
"""cif, poscar: one file a crystal; extxyz, ase (database), csv, json, ndjson: one file."""


def _write_ase_db(crystals: Sequence[StoredCrystal], place: Path) -> Path:
    from ase.db import connect

    with (
        _beside(place, ".db") as partial,
        connect(partial, type="db", append=False, use_lock_file=False) as database,
    ):
        for stored in crystals:
            facts = {k: int(v) if isinstance(v, bool) else v for k, v in _facts(stored).items()}
            # ASE refuses texts that look like numbers as key-value pairs; `data` takes anything.
            pairs = {k: v for k, v in facts.items() if not (isinstance(v, str) and _looks_numeric(v))}
            database.write(_with_energy(stored, pairs.pop("energy", None)), pairs, data={"facts": _facts(stored)})
    return place


def energy_of(stored: StoredCrystal) -> float | None:
    """Return the energy of the cell that is written, eV; None where it was not relaxed."""
    return stored.energy_ev if stored.crystal is not None else None


def _with_energy(stored: StoredCrystal, energy_ev: Any) -> Atoms:
    """Return ASE atoms that carry their energy as if a calculator had given it."""
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = relaxed_or_proposed(stored).to_ase()
    if energy_ev is not None:
        atoms.calc = SinglePointCalculator(atoms, energy=energy_ev)
    return atoms


def _write_text(place: Path, text: str) -> Path:
    with _beside(place, ".part") as partial:
        partial.write_text(text, encoding="utf-8")
    return place


@contextmanager
def _beside(place: Path, suffix: str) -> Iterator[Path]:
    """A temporary path that takes its place, synced to disk, when the block ends well."""
    handle, name = tempfile.mkstemp(suffix, f".{place.name}.", place.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~umask())
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)


def _facts(stored: StoredCrystal) -> dict[str, Any]:
    """What travels with a crystal in formats that keep key-value pairs; unknowns are left out."""
    facts = {
        "gnome_lite_id": stored.id,
        "energy": energy_of(stored),
        "formation_energy_per_atom": stored.e_form_ev_per_atom,
        "e_above_hull": stored.e_above_hull_ev_per_atom,
        "decomposition_energy_per_atom": stored.decomposition_ev_per_atom,
        "level": stored.level,
        "hull_id": stored.hull_id,
        "relaxed": stored.crystal is not None,
        "novel": stored.novel,
        "ordering_suspect": stored.ordering_suspect,
        "flags": "; ".join(stored.flags),
        "prototype": stored.prototype,
        "new_prototype": stored.new_prototype,
        "space_group_number": stored.space_group_number,
        "parent_id": stored.parent_id,
        "change": stored.change,
        "campaign": stored.campaign,
        "round": stored.round if stored.campaign else None,
    }
    return {k: v for k, v in facts.items() if v is not None and v != ""}


def _notes(stored: StoredCrystal) -> list[str]:
    """The facts a reader of one file needs, a line each, whatever the store's texts hold."""
    return [printable(fact) for fact in _facts_in_words(stored)]


def _facts_in_words(stored: StoredCrystal) -> list[str]:
    if not stored.campaign:
        return [f"{stored.formula}, reference phase at level {stored.level}, from {stored.change}"]
    notes = [f"{stored.formula}, gnome_lite campaign {stored.campaign}, round {stored.round}"]
    if stored.e_above_hull_ev_per_atom is None or stored.e_form_ev_per_atom is None or stored.crystal is None:
        return [*notes, "as proposed: not relaxed, no verdict"]
    return [
        *notes,
        f"level {stored.level}, hull {stored.hull_id}: not a DFT or experimental verdict unless the level is one",
        f"e_above_hull {stored.e_above_hull_ev_per_atom:.6f} eV/atom, "
        f"formation energy {stored.e_form_ev_per_atom:.6f} eV/atom",
        f"relaxed, space group {stored.space_group or 'not found'}; from {stored.parent_id} by {stored.change}",
    ]


def _plain_crystal(crystal: Crystal | None) -> dict[str, Any] | None:
    return None if crystal is None else crystal.as_lists()


def _looks_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("True", "False")
    return True
