"""Mixed streams with real generators: shares, seeds, positions."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.prototype_placement import PrototypePlacement
from gnome_lite.generate.stream import Mix
from gnome_lite.generate.substitution import IonicSubstitution
from gnome_lite.sources.aflow import prototypes

SPACE = Space(elements=("Li", "Na", "K", "Mg", "Ca", "Al", "O", "S", "F", "Cl"), max_elements=3)
GENERATE = Generate(max_atoms=10, threshold=1e-5)
KNOWN = [(p.id, p.crystal) for p in prototypes(10)]
PARENTS, IDS = CrystalBatch.from_crystals(c for _, c in KNOWN), [i for i, _ in KNOWN]


def mix(substitution: float = 3.0, placement: float = 1.0) -> Mix:
    return Mix(
        (
            (IonicSubstitution(SPACE, GENERATE, chunk=16), substitution),
            (PrototypePlacement(SPACE, GENERATE, KNOWN), placement),
        )
    )


def chunks(mix: Mix, seed: int = 0, position: object = None, n: int | None = None) -> list[CandidatePool]:
    return list(islice(mix.stream(PARENTS, IDS, 1, (seed, 1), position), n))


def same(a: list[CandidatePool], b: list[CandidatePool]) -> bool:
    return [(c.parent_ids, c.changes, c.crystals.lattices.tobytes()) for c in a] == [
        (c.parent_ids, c.changes, c.crystals.lattices.tobytes()) for c in b
    ]


def test_shares_are_kept_while_all_last() -> None:
    first = chunks(mix(), n=12)
    made = Counter(g for c in first for g in c.generators)
    assert abs(made["substitution"] - 3 * made["prototypes"]) <= 3 * 64
    assert min(made.values()) > 50


def test_the_stream_ends_with_the_last_generator() -> None:
    alone = sum(len(c) for g, _ in mix().parts for c in chunks(Mix(((g, 1.0),))))
    assert sum(len(c) for c in chunks(mix())) == alone


def test_the_seed_decides() -> None:
    assert same(chunks(mix(), 1), chunks(mix(), 1))
    assert not same(chunks(mix(), 1), chunks(mix(), 2))


def test_what_a_generator_makes_does_not_depend_on_the_others() -> None:
    together = [c for c in chunks(mix()) if c.generators[0] == "prototypes"]
    assert same(together, chunks(Mix((mix().parts[1],))))


@pytest.mark.parametrize("stop", [0, 1, 7, 23])
def test_it_goes_on_from_a_position_as_if_it_had_not_stopped(stop: int) -> None:
    whole = chunks(mix())
    stream = mix().stream(PARENTS, IDS, 1, (0, 1))
    begun = list(islice(stream, stop))
    rest = chunks(mix(), position=stream.position)
    assert same(begun + rest, whole)


def test_a_position_is_plain_json() -> None:
    import json

    stream = mix().stream(PARENTS, IDS, 1, (0, 1))
    list(islice(stream, 3))
    assert json.loads(json.dumps(stream.position)) == stream.position


def test_what_was_left_out_is_told_by_generator_and_cause() -> None:
    stream = mix().stream(PARENTS, IDS, 1, (0, 1))
    list(stream)
    assert stream.skipped["substitution: no neutral oxidation states"] > 0


@pytest.mark.parametrize("weight", [0.0, -1.0, np.inf, np.nan])
def test_an_empty_mix_or_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match=r"generate\.mix is empty: name a generator"):
        Mix(())
    with pytest.raises(ConfigError, match=r"generate\.mix: substitution has weight .*: give one above 0"):
        mix(substitution=weight)


def test_a_chunk_without_candidates_is_passed_over_and_counted() -> None:
    class Halting(PrototypePlacement):
        def generate(self, parents, parent_ids, round, rng, start=0):  # type: ignore[no-untyped-def]
            for i, chunk in enumerate(super().generate(parents, parent_ids, round, rng)):
                if 2 * i >= start:
                    yield chunk
                if 2 * i + 1 >= start:
                    yield chunk.take([])

    halting = Mix(((Halting(SPACE, GENERATE, KNOWN), 1.0),))
    whole = chunks(halting)
    assert all(len(c) for c in whole)
    stream = halting.stream(PARENTS, IDS, 1, (0, 1))
    begun = list(islice(stream, 5))
    assert same(begun + chunks(halting, position=stream.position), whole)
