"""Crystals of the store beside a list of experimentally reported compounds: matches are evidence that the loop works.

Merchant et al. 2023 found 736 of their stable crystals in the ICSD that way. Structures are matched where the list has
them; where it has a formula and a space group these must be equal, which is weaker; a formula alone is a hint and no
match.
The same share of what was verified and found *unstable* stands beside it: without that, a match rate says little.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gnome_lite.pipeline import Novelty
from gnome_lite.sources.reported import ReportedCompound
from gnome_lite.store.query import StoredCrystal

MIRROR = {
    78: 76, 95: 91, 96: 92, 145: 144, 153: 151, 154: 152, 170: 169, 172: 171, 179: 178, 181: 180, 213: 212,
}  # fmt: skip
"""Space groups that are mirror images of others: both stand for one structure."""


class By(StrEnum):
    """Way a crystal was recognised; only the first two count as evidence."""

    STRUCTURE = "structure"
    SPACE_GROUP = "formula and space group"
    FORMULA = "formula only"


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """One crystal of the store, and the names of all entries of the list that it matches in one way."""

    crystal: StoredCrystal
    by: By
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """Numbers of crystals, and of those on the list by the way they were recognised."""

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
    """Matches of crystals with a verdict; novel = not in the reference set, which may hold reported compounds too."""

    matches: tuple[Match, ...]
    novel_stable: Share
    novel_unstable: Share
    known: Share


def match_reported(
    reported: Sequence[ReportedCompound], crystals: Sequence[StoredCrystal], novelty: Novelty
) -> Matches:
    """Compare relaxed crystals with a list, in the order given."""
    index = novelty.index()
    by_group: dict[tuple[str, int], list[str]] = defaultdict(list)
    by_formula: dict[str, list[str]] = defaultdict(list)
    for i, r in enumerate(reported):
        by_formula[r.formula].append(r.name)
        if r.crystal is not None:
            index.add(str(i), r.crystal)
        elif r.space_group_number is not None:
            by_group[r.formula, _hand(r.space_group_number)].append(r.name)
    matches = []
    judged = [c for c in crystals if c.e_above_hull_ev_per_atom is not None]
    for c in judged:
        if c.crystal is None or c.formula not in by_formula:
            continue
        same = index.find(c.crystal)
        group = by_group.get((c.formula, _hand(c.space_group_number or 0)))
        if same is not None:
            matches.append(Match(c, By.STRUCTURE, (reported[int(same)].name,)))
        elif group:
            matches.append(Match(c, By.SPACE_GROUP, tuple(group)))
        else:
            matches.append(Match(c, By.FORMULA, tuple(by_formula[c.formula])))

    def share(which: Callable[[StoredCrystal], bool]) -> Share:
        n = Counter(m.by for m in matches if which(m.crystal))
        return Share(sum(map(which, judged)), n[By.STRUCTURE], n[By.SPACE_GROUP], n[By.FORMULA])

    return Matches(
        tuple(matches),
        novel_stable=share(lambda c: bool(c.novel and c.stable)),
        novel_unstable=share(lambda c: bool(c.novel and not c.stable)),
        known=share(lambda c: not c.novel),
    )


def _hand(number: int) -> int:
    return MIRROR.get(number, number)
