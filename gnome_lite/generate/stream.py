"""Any mix of generators as one stream: reproducible from its seed, resumable from a position, bounded in memory."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.records import CandidatePool
from gnome_lite.pipeline import Generator

Position = Mapping[str, Sequence[int]]
"""For each generator, by name: [its chunks delivered whole, candidates of the next one delivered, candidates delivered
in all]. Plain JSON."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Generators and their weights: the share of candidates that each delivers while it lasts.

    Attributes:
        quantum: so many candidates of one generator at most come at once.

    Raises:
        ConfigError: if it is empty, or a weight is not positive.
    """

    parts: tuple[tuple[Generator, float], ...]
    quantum: int = 64

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("generate.mix is empty: name a generator, e.g. mix = {substitution = 1.0}")
        for generator, weight in self.parts:
            if not (0 < weight < np.inf):
                raise ConfigError(f"generate.mix: {generator.name} has weight {weight}: give one above 0")

    def stream(
        self,
        parents: CrystalBatch,
        parent_ids: Sequence[str],
        round: int,
        seed: Sequence[int],
        position: Position | None = None,
    ) -> CandidateStream:
        """Return candidates from the start, or from a position of a stream with the same arguments."""
        return CandidateStream(self, parents, parent_ids, round, seed, position or {})


class CandidateStream:
    """An iterator of chunks.

    Each generator draws from the seed and its own name, so that the mix does not change what it delivers, only when;
    the next chunk comes from the generator that lags most behind its share.
    """

    def __init__(
        self,
        mix: Mix,
        parents: CrystalBatch,
        parent_ids: Sequence[str],
        round: int,
        seed: Sequence[int],
        position: Position,
    ) -> None:
        self._quantum = mix.quantum
        self._weights = {generator.name: weight for generator, weight in mix.parts}
        self._generators = {generator.name: generator for generator, _ in mix.parts}
        self._delivered = {name: list(position.get(name, (0, 0, 0))) for name in self._weights}
        self._chunks: dict[str, CandidatePool] = {}
        self._streams = {
            name: generator.generate(
                parents,
                parent_ids,
                round,
                np.random.default_rng([*seed, zlib.crc32(name.encode())]),
                start=self._delivered[name][0],
            )
            for name, generator in self._generators.items()
        }

    def __iter__(self) -> Iterator[CandidatePool]:
        return self

    def __next__(self) -> CandidatePool:
        while self._streams:
            name = min(self._streams, key=lambda n: self._delivered[n][2] / self._weights[n])
            if name not in self._chunks:
                chunk = next(self._streams[name], None)
                if chunk is None:
                    del self._streams[name]
                    continue
                if not len(chunk):  # a search may find nothing at all
                    self._delivered[name][0] += 1
                    continue
                self._chunks[name] = chunk
            chunk, at = self._chunks[name], self._delivered[name]
            end = min(at[1] + self._quantum, len(chunk))
            part = chunk.take(np.arange(at[1], end))
            at[1], at[2] = end, at[2] + len(part)
            if end == len(chunk):
                del self._chunks[name]
                at[0], at[1] = at[0] + 1, 0
            return part
        raise StopIteration

    @property
    def position(self) -> Position:
        """Where the stream stands after the last chunk taken."""
        return {name: list(delivered) for name, delivered in self._delivered.items()}

    @property
    def skipped(self) -> Counter[str]:
        """Counts of what the generators have left out so far, by "generator: cause"."""
        return Counter(
            {f"{name}: {cause}": n for name, g in self._generators.items() for cause, n in g.skipped.items()}
        )
