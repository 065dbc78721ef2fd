"""The CIF parser of pymatgen, with the sites that symmetry makes found by arrays: most of its time was spent there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.io.cif import CifParser


class SiteParser(CifParser):
    """The same sites in the same order as `CifParser` gives."""

    _site_tolerance: float

    def _unique_coords(
        self, coords: list[Any], magmoms: Any = None, lattice: Any = None, labels: dict[Any, str] | None = None
    ) -> tuple[list[NDArray[np.float64]], list[Any], list[str]]:
        if magmoms or not coords:
            found: tuple[list[NDArray[np.float64]], list[Any], list[str]]
            found = super()._unique_coords(coords, magmoms, lattice, labels)
            return found
        from pymatgen.electronic_structure.core import Magmom

        operations = np.array([op.affine_matrix for op in self.symmetry_operations])
        points = np.column_stack([np.array(coords, dtype=np.float64), np.ones(len(coords))])
        # Images of the first site first, [n_sites * n_operations, 3].
        images = np.einsum("oij,sj->soi", operations[:, :3], points).reshape(-1, 3)
        images -= np.floor(images)
        kept: list[int] = []
        left = np.arange(len(images))
        while len(left):
            kept.append(int(left[0]))
            apart = images[left] - images[left[0]]
            apart -= np.round(apart)
            left = left[~(np.abs(apart) < self._site_tolerance).all(axis=1)]
        named = [(labels or {}).get(coords[i // len(operations)], "no_label") for i in kept]
        return [images[i] for i in kept], [Magmom(0)] * len(kept), named
