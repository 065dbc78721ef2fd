"""How alike two crystals must be to be the same: pymatgen's defaults, those of GNoME's duplicate removal, too."""

LENGTH_TOLERANCE = 0.2
"""Relative, of lattice lengths after both cells are scaled to one volume."""
ANGLE_TOLERANCE_DEG = 5.0
SITE_TOLERANCE = 0.3
"""Largest displacement in units of (volume per atom)^(1/3): 0.75 Å at 15 Å^3."""
