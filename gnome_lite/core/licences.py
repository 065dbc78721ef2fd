"""Licences of crystals and energies: which of them let anyone use an entry for anything."""

from __future__ import annotations

import re

LICENCE = "CC-BY-4.0"
"""Licence of what this project computes and ships."""

_PERMISSIVE = re.compile(
    r"^(CC ?BY( ?[1-4](\.0)?)?|CC ?0( 1(\.0)?)?|PUBLIC DOMAIN|PDDL.*|ODC ?BY.*|MIT|BSD.*|APACHE.*)$"
)


def permissive(licence: str) -> bool:
    """Return whether a licence asks for no more than attribution: CC BY, CC0, MIT and the like.

    Non-commercial, no-derivatives and share-alike licences are not permissive, and neither is an unknown one.
    """
    return _PERMISSIVE.match(" ".join(re.split(r"[\s_-]+", licence.strip().upper()))) is not None
