"""Wyckoff letters of the elements of a crystal, whichever of a space group's equivalent origins they are counted from.

Of equivalent choices that counts whose letters come earliest in the alphabet (Goodall et al., Sci. Adv. 8, eabn4117
(2022)), as in pymatgen's `canonicalize_element_wyckoffs`, whose tables these are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from gnome_lite.chemistry.prototype_data import prototype_data


@lru_cache(maxsize=1)
def multiplicities() -> dict[str, dict[str, int]]:
    """Return the multiplicity of each Wyckoff letter in the conventional cell, by space group."""
    return {str(group): dict(letters) for group, letters in prototype_data("wyckoff-position-multiplicities").items()}


@lru_cache(maxsize=230)
def relabelings(group: str) -> tuple[dict[int, str], ...]:
    """Return the changes of a space group's letters between its equivalent origins, for `str.translate`."""
    return tuple({int(old): new for old, new in names.items()} for names in _relabelings()[group])


def scored(wyckoffs: Sequence[str]) -> tuple[int, str]:
    """Return the sum of the letters' places in the alphabet, and the sorted letters of each element joined by "_".

    Args:
        wyckoffs: for each element numbers and letters of its orbits, e.g. "2a1c"; a number 1 may be left out.
    """
    parts, score = [], 0
    for text in wyckoffs:
        orbits = sorted(re.findall(r"(\d*)([A-Za-z])", text), key=lambda o: o[1])
        parts.append("".join(f"{n}{letter}" if n != "1" else letter for n, letter in orbits))
        score += sum(0 if letter == "A" else ord(letter) - 96 for _, letter in orbits)
    return score, "_".join(parts)


@lru_cache(maxsize=1 << 14)
def canonical(wyckoffs: tuple[str, ...], group: str) -> str:
    """Return the letters of all elements, joined by "_", that do not depend on the choice of origin."""
    return min(scored([text.translate(names) for text in wyckoffs]) for names in relabelings(group))[1]


@lru_cache(maxsize=1)
def _relabelings() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = prototype_data("wyckoff-position-relabelings")
    return found
