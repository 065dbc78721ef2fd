"""Crystals of the store against a list of compounds that have been made: what exists is evidence that the loop works.

Merchant et al. 2023 found 736 of their stable crystals in the ICSD that way. Structures are matched where the list has
them; where it has a formula and a space group these must be equal, which is weaker; a formula alone is a hint and no
match.
The same share of what was verified and found *unstable* stands beside it: without that, a match rate says little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gnome_lite.pipeline import Novelty
from gnome_lite.sources.reported import ReportedCompound
from gnome_lite.store.query import StoredCrystal

MIRROR = {
    78: 76, 95: 91, 96: 92, 145: 144, 153: 151, 154: 152, 170: 169, 172: 171, 179: 178, 181: 180, 213: 212,
}  # fmt: skip
"""A space group and its mirror image are one crystal's two hands."""


class By(StrEnum):
    """How a crystal was recognised; only the first two count as evidence."""

    STRUCTURE = "structure"
    SPACE_GROUP = "formula and space group"
    FORMULA = "formula only"


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """One crystal of the store and what it is on the list; `names` of all entries it matches in this way."""

    crystal: StoredCrystal
    by: By
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some crystals are on the list, by the way they were recognised."""

    crystals: int
    structure: int
    space_group: int
    formula: int

    @property
    def made(self) -> int:
        """Recognised by structure, or by formula and space group."""
        return self.structure + self.space_group


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Of a store's crystals with a verdict; novel = not in the reference set, which may hold what was made anyway."""

    matches: tuple[Match, ...]
    novel_stable: Share
    novel_unstable: Share
    known: Share


def match_reported(made: Sequence[ReportedCompound], crystals: Sequence[StoredCrystal], novelty: Novelty) -> Matches:
    """Compare relaxed crystals with a list, in the order given."""
    index = novelty.index()
    structures = [(str(i), m) for i, m in enumerate(made) if m.crystal is not None]
    for key, m in structures:
        if m.crystal is not None:
            index.add(key, m.crystal)
    by_group: dict[tuple[str, int], list[str]] = defaultdict(list)
    by_formula: dict[str, list[str]] = defaultdict(list)
    for m in made:
        by_formula[m.formula].append(m.name)
        if m.space_group_number is not None and m.crystal is None:
            by_group[m.formula, _hand(m.space_group_number)].append(m.name)
    matches = []
    for c in crystals:
        if c.crystal is None or c.e_above_hull_ev_per_atom is None or c.formula not in by_formula:
            continue
        found = index.find(c.crystal)
        group = by_group.get((c.formula, _hand(c.space_group_number))) if c.space_group_number is not None else None
        if found is not None:
            matches.append(Match(c, By.STRUCTURE, (made[int(found)].name,)))
        elif group:
            matches.append(Match(c, By.SPACE_GROUP, tuple(group)))
        else:
            matches.append(Match(c, By.FORMULA, tuple(by_formula[c.formula])))
    judged = [c for c in crystals if c.e_above_hull_ev_per_atom is not None]
    return Matches(
        tuple(matches),
        _share([c for c in judged if c.novel and c.stable], matches),
        _share([c for c in judged if c.novel and not c.stable], matches),
        _share([c for c in judged if not c.novel], matches),
    )


def _share(crystals: Sequence[StoredCrystal], matches: Sequence[Match]) -> Share:
    ids = {c.id for c in crystals}
    n = {by: sum(m.by is by and m.crystal.id in ids for m in matches) for by in By}
    return Share(len(crystals), n[By.STRUCTURE], n[By.SPACE_GROUP], n[By.FORMULA])


def _hand(number: int) -> int:
    return MIRROR.get(number, number)
