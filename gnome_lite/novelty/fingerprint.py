"""Fingerprint: the bucket in which a crystal's equals lie, made of formula, space group and Wyckoff letters."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal, CrystalBatch, symbol
from gnome_lite.novelty.wyckoff_letters import canonical, multiplicities

SYMPREC_ANG = 0.1
"""Loose, as pymatgen's prototype labels have it, so that relaxation noise does not split a bucket."""
REFERENCE_VOLUME_ANG3_PER_ATOM = 15.0
"""Crystals are scaled to this before the tolerance in Å is applied: the fingerprint does not depend on volume."""

MIRROR_TWIN = {
    78: 76, 95: 91, 96: 92, 145: 144, 153: 151, 154: 152, 170: 169, 172: 171, 179: 178, 181: 180, 213: 212,
}  # fmt: skip
"""The 11 enantiomorphic pairs: a crystal and its mirror image have the same energy and are the same here."""


def fingerprints(crystals: CrystalBatch) -> list[str]:
    """Return the fingerprint of each crystal, [n], e.g. "NaCl|cF8_225_a_b".

    Reduced formula, Pearson symbol, space group and the Wyckoff letters of each element in alphabetical order,
    as in pymatgen's protostructure labels (Goodall et al., Sci. Adv. 8, eabn4117 (2022)). Independent of cell, origin,
    orientation, site order and volume. Where no symmetry can be found, the formula alone: such crystals share a
    bucket of their own, in which the structure matcher decides.
    """
    names = crystals.reduced_formulas()
    return [f"{name}|{_label(c)}" for name, c in zip(names, crystals, strict=True)]


def at_reference_volume(crystal: Crystal) -> Crystal | None:
    """Return the crystal scaled to `REFERENCE_VOLUME_ANG3_PER_ATOM`; None where it has no volume or is not finite."""
    volume = crystal.volume
    if not (np.isfinite(volume) and volume > 0 and np.isfinite(crystal.frac_coords).all()):
        return None
    scale = np.cbrt(REFERENCE_VOLUME_ANG3_PER_ATOM * len(crystal) / volume)
    return Crystal(crystal.numbers, crystal.frac_coords, crystal.lattice * scale)


def _label(crystal: Crystal) -> str:
    scaled = at_reference_volume(crystal)
    found = symmetry(scaled, SYMPREC_ANG) if scaled is not None else None
    if found is None:
        return ""
    # Sites of each element on each letter, per conventional cell; over the letter's multiplicity = number of orbits.
    per_cell = len(found.std_cell.numbers) / len(crystal)
    sites = Counter(zip(map(symbol, crystal.numbers), found.wyckoffs, strict=True))
    parts: dict[str, str] = defaultdict(str)
    for (element, letter), n in sorted(sites.items()):
        count = n * per_cell / multiplicities()[str(found.number)][letter]
        if count != round(count):
            return ""
        parts[element] += f"{round(count)}{letter}"
    wyckoffs = canonical(tuple(parts.values()), str(found.number))
    return f"{found.pearson_symbol}_{MIRROR_TWIN.get(found.number, found.number)}_{wyckoffs}"
