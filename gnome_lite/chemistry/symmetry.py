"""Symmetry of a crystal, through moyopy, or spglib where the tolerance is loose: one call, failures as None."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.core.crystals import Crystal

if TYPE_CHECKING:
    from moyopy import MoyoDataset


def symmetry(crystal: Crystal, symprec_ang: float) -> MoyoDataset | None:
    """Return space group, Wyckoff letters, orbits and standard cells; None where moyopy finds none."""
    from moyopy import Cell, MoyoDataset

    log = logging.getLogger("moyo")
    log.addFilter(_not_the_remark)
    try:
        cell = Cell(crystal.lattice.tolist(), crystal.frac_coords.tolist(), crystal.numbers.tolist())
        return MoyoDataset(cell, symprec=symprec_ang)
    except ValueError:
        return None
    except BaseException as error:
        # A panic of the Rust code arrives as this class, which has no public name and is not an Exception.
        if type(error).__name__ == "PanicException":
            return None
        raise
    finally:
        log.removeFilter(_not_the_remark)


def symmetrised(crystal: Crystal, symprec_ang: float) -> Crystal | None:
    """Return the conventional cell with the symmetry at a loose tolerance made exact; None where none is found.

    spglib is used: at 0.3 Å moyopy 0.21 does not end on some crystals whose near-symmetries make no group, and takes
    all memory meanwhile; nothing can stop it from within the process.
    """
    import spglib

    cell = crystal.lattice.tolist(), crystal.frac_coords.tolist(), crystal.numbers.tolist()
    try:
        found = spglib.get_symmetry_dataset(cell, symprec_ang)
    except spglib.SpglibError:
        return None
    return None if found is None else Crystal.make(found.std_types, found.std_positions, found.std_lattice)


def primitive(dataset: MoyoDataset) -> Crystal:
    """Return the symmetrised standard primitive cell."""
    cell = dataset.prim_std_cell
    return Crystal.make(cell.numbers, np.array(cell.positions), np.array(cell.basis))


def _not_the_remark(record: logging.LogRecord) -> bool:
    """Drop the warning moyo gives for every supercell that is less symmetric than its crystal."""
    return "primitive-cell symmetry operations" not in record.getMessage()
