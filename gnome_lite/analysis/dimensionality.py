"""Number of directions a crystal's bonds run in: 3 in a framework, 2 in layers, 1 in chains, 0 in molecules."""

from __future__ import annotations

import numpy as np

from gnome_lite.core.crystals import Crystal


def dimensionality(crystal: Crystal) -> int | None:
    """Return the dimensionality of bonds by pymatgen's CrystalNN (Larsen et al., Phys. Rev. Mater. 3, 034003 (2019)).

    Returns:
        0 to 3, the highest of the crystal's parts; None where no bonds could be assigned.
    """
    import warnings

    from pymatgen.analysis.dimensionality import get_dimensionality_larsen
    from pymatgen.analysis.graphs import StructureGraph
    from pymatgen.analysis.local_env import CrystalNN

    structure = crystal.to_pymatgen()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "no oxidation states": radii of atoms are meant
            bonds = StructureGraph.from_local_env_strategy(structure, CrystalNN())
            return int(get_dimensionality_larsen(bonds))
    except (ValueError, RuntimeError, IndexError, KeyError, ZeroDivisionError, np.linalg.LinAlgError):
        return None
