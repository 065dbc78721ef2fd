"""Made-up entries, as many and as dense as a large store's: the energies are Pauling's, with scatter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCATTER_EV_PER_ATOM = 0.1
SHARES = {2: 0.1, 3: 0.45, 4: 0.45}
"""How many of the compounds are of two, three and four elements."""


def compounds(n: int, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Compounds of the default campaign's 19 elements.

    The energy is that of bonds between the atoms of a random mixture, each gaining the square of the difference of
    electronegativities in eV (Pauling), and a normal scatter.

    Returns:
        Atom counts, [n, MAX_Z + 1], of at most 12 atoms, and formation energies, eV/atom, [n].
    """
    from pymatgen.core import Element

    from gnome_lite.config import DEFAULT_ELEMENTS
    from gnome_lite.core.crystals import MAX_Z, atomic_number

    rng = np.random.default_rng(seed)
    numbers = np.array([atomic_number(el) for el in DEFAULT_ELEMENTS])
    chi = np.array([Element(el).X for el in DEFAULT_ELEMENTS])
    amounts = np.zeros((n, len(numbers)), dtype=np.int64)
    kinds = rng.choice(list(SHARES), size=n, p=list(SHARES.values()))
    for row, k in zip(amounts, kinds, strict=True):
        row[rng.choice(len(numbers), k, replace=False)] = rng.integers(1, 4, k)
    x = amounts / amounts.sum(axis=1, keepdims=True)
    gains = (chi[:, None] - chi[None]) ** 2
    counts = np.zeros((n, MAX_Z + 1), dtype=np.int64)
    counts[:, numbers] = amounts
    return counts, -0.5 * np.einsum("ni,ij,nj->n", x, gains, x) + rng.normal(0.0, SCATTER_EV_PER_ATOM, n)
