"""Starting crystals of CO2 and H2O: relaxed, they give the energies that reactions with air need.

Molecules stand as crystals, as H2, N2 and O2 do among the elements, and for the same reason (see `sources.elemental`).
They are no part of the seed: its id is that of campaigns that have begun with it.
"""

from __future__ import annotations

import numpy as np

from gnome_lite.core.crystals import Crystal
from gnome_lite.sources.aflow import primitive

SOURCE = "gnome_lite seed, molecules"


def molecular_crystals() -> list[tuple[str, Crystal]]:
    """Return the name and primitive cell of each."""
    return [("dry ice", dry_ice()), ("ice XI", ice_xi())]


def dry_ice() -> Crystal:
    """Return CO2, Pa-3: C on 4a, O on 8c (Simon & Peters, Acta Cryst. B 36, 2750 (1980): a 5.62 Å, x 0.119)."""
    a, x = 5.62, 0.119
    centres = np.array([[0, 0, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0]])
    # Along another body diagonal at each centre.
    axes = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]])
    oxygen = np.concatenate([centres + x * axes, centres - x * axes])
    return Crystal.make([6] * 4 + [8] * 8, np.concatenate([centres, oxygen]) % 1.0, a * np.eye(3))


def ice_xi() -> Crystal:
    """Return H2O with ordered protons, Cmc2_1 (Leadbetter et al., J. Chem. Phys. 82, 424 (1985), D2O at 5 K)."""
    sites = {
        8: ((0.0, 0.6648, 0.0631), (0.5, 0.8255, -0.0631)),
        1: ((0.0, 0.6636, 0.1963), (0.0, 0.5363, 0.0183), (0.6766, 0.7748, -0.0183)),
    }
    numbers, frac = [], []
    for z, positions in sites.items():
        for x, y, w in positions:
            images = np.array([[x, y, w], [-x, -y, w + 0.5], [x, -y, w + 0.5], [-x, y, w]])
            images = np.concatenate([images, images + np.array([0.5, 0.5, 0.0])]) % 1.0
            distinct = np.unique(images.round(6) % 1.0, axis=0)
            numbers += [z] * len(distinct)
            frac.append(distinct)
    return primitive(Crystal.make(numbers, np.concatenate(frac), np.diag([4.465, 7.859, 7.292])))
