"""Prototype placement: balanced compositions put into known structure types by site ratio and ion size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.charge_grid import States, charge_grid
from gnome_lite.chemistry.oxidation import mean_charges
from gnome_lite.chemistry.radii import covalent_radii_ang, ionic_radii_ang
from gnome_lite.chemistry.volume import volume_from_radii
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch, symbol
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.compositions import System, random_systems

BLOCK_SYSTEMS = 16
SIZE_TOLERANCE = 0.1
"""Scatter of ln(radius / radius in the prototype) that makes a placement e times rarer."""


@dataclass(frozen=True, slots=True, eq=False)
class Prototype:
    """A structure type as roles: its k elements by descending number of atoms, cations before anions, large first.

    Attributes:
        roles: atomic number in each role, int64 [k].
        ratio: atoms in each role over their common divisor.
        radii: of each role in the prototype's own composition, Å, [k].
    """

    id: str
    crystal: Crystal
    roles: NDArray[np.int64]
    ratio: tuple[int, ...]
    radii: NDArray[np.float64]

    @classmethod
    def of(cls, id: str, crystal: Crystal) -> Prototype:
        """Return the roles in a crystal."""
        counts = crystal.counts
        roles, radii = ranked(counts)
        return cls(id, crystal, roles, tuple((counts[roles] // np.gcd.reduce(counts)).tolist()), radii)


class PrototypePlacement:
    """A `Generator` that needs no parents: every balanced formula of the space in every prototype of its site ratio.

    Elements of equal amounts take the roles of their rank: cations before anions, and by size. Antifluorite K2S comes
    from fluorite CaF2, with S on Ca's sites. Volumes from radii.

    Attributes:
        name: "prototypes".
        skipped: prototypes too large for the cell limit, by cause.
    """

    name = "prototypes"

    def __init__(self, space: Space, generate: Generate, prototypes: Sequence[tuple[str, Crystal]]) -> None:
        self._space = space
        self._by_ratio: dict[tuple[int, ...], list[Prototype]] = defaultdict(list)
        self._too_large = sum(len(crystal) > generate.max_atoms for _, crystal in prototypes)
        for id, crystal in prototypes:
            kinds = len(np.unique(crystal.numbers))
            if len(crystal) <= generate.max_atoms and space.min_elements <= kinds <= space.max_elements:
                prototype = Prototype.of(id, crystal)
                self._by_ratio[prototype.ratio].append(prototype)
        self.skipped: Counter[str] = Counter()

    def generate(
        self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, rng: np.random.Generator, start: int = 0
    ) -> Iterator[CandidatePool]:
        """Yield chunks of a few chemical systems each, the best fits tending to come first; parents are ignored."""
        self.skipped = Counter({"prototype larger than generate.max_atoms": self._too_large} if self._too_large else {})
        systems = random_systems(self._space, rng)
        made = 0
        while block := list(islice(systems, BLOCK_SYSTEMS)):
            placed = [placement for system in block for placement in self._placements(system)]
            rank = np.array([p.log_weight for p in placed]) + rng.gumbel(size=len(placed))
            if not placed:
                continue
            made += 1
            if made > start:
                yield _pool([placed[i] for i in np.argsort(-rank, kind="stable")], self.name, round)

    def _placements(self, system: System) -> Iterator[_Placement]:
        for ratio, prototypes in self._by_ratio.items():
            if len(ratio) != len(system):
                continue
            # Amounts by element of the system, each distinct distribution once.
            amounts = np.array(sorted(set(permutations(ratio))), dtype=np.int64)
            for row in amounts[charge_grid(system, States.COMMON).balances(amounts)]:
                counts = np.zeros(MAX_Z + 1, dtype=np.int64)
                counts[list(system)] = row
                z, radii = ranked(counts)
                for prototype in prototypes:
                    if (z != prototype.roles).any():
                        misfit = float(np.std(np.log(radii / prototype.radii)))
                        yield _Placement(prototype, z, -misfit / SIZE_TOLERANCE)


@dataclass(frozen=True, slots=True, eq=False)
class _Placement:
    prototype: Prototype
    z: NDArray[np.int64]
    log_weight: float


def ranked(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the elements of one composition in the order of roles, [k], and their radii, Å, [k]."""
    z = np.flatnonzero(counts)
    charges = mean_charges(counts)
    if charges is None:
        sign, radii = np.zeros(len(z)), covalent_radii_ang()[z]
    else:
        sign, radii = np.sign(charges[z]), ionic_radii_ang(z, charges[z])
    order = np.lexsort((z, -radii, -sign, -counts[z]))
    return z[order], radii[order]


def _pool(placed: Sequence[_Placement], name: str, round: int) -> CandidatePool:
    crystals = []
    for p in placed:
        table = np.arange(MAX_Z + 1)
        table[p.prototype.roles] = p.z
        known = p.prototype.crystal
        crystals.append(Crystal(table[known.numbers], known.frac_coords, known.lattice))
    batch = CrystalBatch.from_crystals(crystals)
    return CandidatePool(
        batch.scaled(volume_from_radii(batch.counts) / batch.volumes),
        tuple(p.prototype.id for p in placed),
        tuple(
            ", ".join(f"{symbol(b)} on {symbol(a)}" for a, b in zip(p.prototype.roles, p.z, strict=True))
            for p in placed
        ),
        (name,) * len(placed),
        np.full(len(placed), np.nan),
        np.ones(len(placed), dtype=np.int64),
        round,
    )
