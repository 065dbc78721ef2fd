"""Random structure search: `RandomStructureSearch`, a `Generator` of sensible random crystals of given compositions.

After AIRSS (Pickard & Needs, J. Phys.: Condens. Matter 23, 053201 (2011), doi 10.1088/0953-8984/23/5/053201) as GNoME
used it (Merchant et al., Nature 624, 80 (2023)): 100 structures for a composition, volumes 0.4 to 1.2 times an
estimate from radii, least distances by pair of species, overlaps relaxed away as soft spheres.

Each try draws everything afresh, formula units, space group and volume included; so what is hard to pack is rarer
among the structures than among the tries. Failed tries are counted by cause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from math import ceil

import numpy as np
from numpy.typing import NDArray

from gnome_lite.config import Gates, Generate
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.random_tries import SURPLUS, Formula, SearchSettings, try_crystals

NAME = "random"
CHUNK = 512
BATCH = 1024
"""Tries worked out at once."""
EXPECTED_YIELD = 0.2
"""Successes among tries before any are known; it sets the sizes of batches only."""
TOO_FEW = "fewer structures than asked"

Compositions = Callable[[np.random.Generator], Iterator[NDArray[np.int64]]]
"""rng -> chunks of atom counts by atomic number, int64 [n, MAX_Z + 1]."""


class RandomStructureSearch:
    """N random crystals of each composition of a stream; known crystals play no part.

    Attributes:
        name: "random".
        skipped: compositions left out, and tries that failed, in the last call of `generate`, by cause.
    """

    name = NAME

    def __init__(
        self,
        compositions: Compositions,
        generate: Generate,
        gates: Gates,
        *,
        structures_per_composition: int,
        volume_range: tuple[float, float] = (0.4, 1.2),
        max_tries: int = 20,
        chunk: int = CHUNK,
    ) -> None:
        self._compositions = compositions
        self._settings = SearchSettings(generate.max_atoms, gates.min_distance_ratio, volume_range, max_tries)
        self._n = structures_per_composition
        self._per_chunk = max(1, chunk // self._n)
        self.skipped: Counter[str] = Counter()

    def generate(
        self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, rng: np.random.Generator, start: int = 0
    ) -> Iterator[CandidatePool]:
        """Yield chunks of the structures of a few compositions each; parents are ignored.

        A chunk depends on one number drawn from rng, its place in the stream and its compositions only, so that
        starting at a later one costs no more than the compositions before it. A chunk may be empty.
        """
        self.skipped = Counter()
        seed = int(rng.integers(2**62))
        stream = (row for rows in self._compositions(np.random.default_rng([seed, 0])) for row in rows)
        rest = islice(stream, start * self._per_chunk, None)
        for number in count(start + 1):
            if not (compositions := list(islice(rest, self._per_chunk))):
                return
            own = np.random.default_rng([seed, number])
            pool, failures = _search(compositions, self._n, own, self._settings, round)
            self.skipped.update(failures)
            yield pool


def random_structures(
    counts: NDArray[np.int64], n: int, rng: np.random.Generator, settings: SearchSettings | None = None
) -> tuple[CandidatePool, Counter[str]]:
    """Return at most n random crystals of one composition, and the tries that failed by cause.

    Args:
        counts: atoms by atomic number, in any number of formula units, [MAX_Z + 1].
        n: crystals wanted.
        rng: source of randomness.
        settings: requirements on them.
    """
    return _search([counts], n, rng, settings or SearchSettings(), round=0)


def _search(
    compositions: Iterable[NDArray[np.int64]], n: int, rng: np.random.Generator, settings: SearchSettings, round: int
) -> tuple[CandidatePool, Counter[str]]:
    """Return n crystals of each composition, or as many as the allowed tries give, and failures by cause."""
    failures: Counter[str] = Counter()
    formulas = []
    for counts in compositions:
        formula = Formula.of(counts, settings.max_atoms)
        if isinstance(formula, Formula):
            formulas.append(formula)
        else:
            failures[formula] += 1
    made, tried = np.zeros((2, len(formulas)), dtype=np.int64)
    batches: list[CrystalBatch] = []
    owners: list[NDArray[np.int64]] = []
    changes: list[str] = []
    while (open_ := np.flatnonzero((made < n) & (tried < n * settings.max_tries))).size:
        which = _next_tries(open_, n - made, n * settings.max_tries - tried, made, tried)
        tries = try_crystals(formulas, which, n - made, settings, rng)
        failures.update(cause for cause in tries.causes if cause not in ("", SURPLUS))
        batches.append(tries.crystals)
        changes += tries.changes
        owners.append(which[tries.causes == ""])
        tried += np.bincount(which[tries.causes != SURPLUS], minlength=len(formulas))
        made += np.bincount(owners[-1], minlength=len(formulas))
    if (short := int((n - made).sum())) > 0:
        failures[TOO_FEW] += short
    order = np.argsort(np.concatenate([np.empty(0, np.int64), *owners]), kind="stable")
    pool = CandidatePool(
        CrystalBatch.concatenate(batches).take(order),
        ("",) * len(order),
        tuple(changes[i] for i in order),
        (NAME,) * len(order),
        np.full(len(order), np.nan),
        np.ones(len(order), dtype=np.int64),
        round,
    )
    return pool, failures


def _next_tries(
    which: NDArray[np.int64],
    missing: NDArray[np.int64],
    left: NDArray[np.int64],
    made: NDArray[np.int64],
    tried: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the formula of each of at most `BATCH` tries: as many as the yield so far says are needed."""
    rows: list[NDArray[np.int64]] = []
    room = BATCH
    for i in which:
        likely = (made[i] + 1.0) / (tried[i] + 1.0 / EXPECTED_YIELD)
        wanted = min(ceil(missing[i] / likely), int(left[i]), room)
        rows.append(np.full(wanted, i))
        room -= wanted
    return np.concatenate(rows)
