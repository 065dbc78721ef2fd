"""Symmetry of a crystal, through moyopy: one call, failures as None."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.crystals import Crystal

if TYPE_CHECKING:
    from moyopy import MoyoDataset

_REMARK = "primitive-cell symmetry operations"


def symmetry(crystal: Crystal, symprec_ang: float) -> MoyoDataset | None:
    """Space group, Wyckoff letters, orbits and standard cells; None where moyopy finds none (it needs a sane cell)."""
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


def primitive(dataset: MoyoDataset) -> Crystal:
    """The symmetrised standard primitive cell."""
    cell = dataset.prim_std_cell
    return Crystal.make(cell.numbers, np.array(cell.positions), np.array(cell.basis))


def _not_the_remark(record: logging.LogRecord) -> bool:
    """Drop the warning moyo gives for every supercell that is less symmetric than its crystal."""
    return _REMARK not in record.getMessage()
