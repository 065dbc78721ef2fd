"""The stages of a campaign: one Protocol each (`campaign.stages.Stages` bundles them).

Rooms implement these and never import one another; `assemble` alone knows the concrete classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import (
    Candidate,
    CandidatePool,
    Credibility,
    ModelRecord,
    Prediction,
    TrainingSet,
    Verification,
)

Progress = Callable[[str, int, int, str], None]
"""progress(stage, done, total, note): called often, must be fast; total 0 = not known."""


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """A `Progress` that shows nothing."""


Figures = Mapping[str, Any]
"""Small JSON figures of a step."""

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Runs the steps of a campaign.

    Attributes:
        shard_size: crystals in one shard; None hands all to one worker, which spreads them itself.
    """

    shard_size: int | None

    def run(self, name: str, round: int, step: Callable[[], Figures]) -> Figures:
        """Run one step and return its figures; round 0 is the preparation."""

    def map(self, function: Callable[[Sequence[T]], Iterable[R]], shards: Iterable[Sequence[T]]) -> Iterator[R]:
        """Apply a pure function to each shard and yield all results, in the order in which they come.

        Args:
            function: picklable; gives one result or more for each shard.
            shards: at most `shard_size` crystals each.
        """


def in_shards(engine: Engine, items: Sequence[T]) -> list[Sequence[T]]:
    """Return items in shards of an engine's size; all in one if it has none."""
    size = engine.shard_size or max(1, len(items))
    return [items[start : start + size] for start in range(0, len(items), size)]


class Source(Protocol):
    """Loads the reference phases."""

    def load(self) -> PhaseSet: ...


class Generator(Protocol):
    """Makes candidates from parents or compositions; the same rng gives the same stream.

    Attributes:
        name: name on each candidate.
        skipped: parents and compositions that the last call of `generate` left out, by cause.
    """

    name: str
    skipped: Counter[str]

    def generate(
        self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, rng: np.random.Generator, start: int = 0
    ) -> Iterator[CandidatePool]:
        """Yield small chunks of candidates from chunk `start` on, none of them twice; those before are skipped fast."""


class Candidates(Protocol):
    """The mix of generators."""

    def stream(
        self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, seed: Sequence[int]
    ) -> CandidateStream: ...


class CandidateStream(Protocol):
    """Chunks of candidates."""

    def __iter__(self) -> Iterator[CandidatePool]: ...

    @property
    def skipped(self) -> Counter[str]:
        """Parents and compositions that the generators have left out so far, by "generator: cause"."""


class Gate(Protocol):
    """Checks crystals before any energy is computed."""

    def causes(self, crystals: CrystalBatch) -> list[str]:
        """Return why each crystal is refused, "" where it passes, [n]."""


class CrystalIndex(Protocol):
    """Finds crystals that are the same: the groups that pymatgen's StructureMatcher makes."""

    def find(self, crystal: Crystal) -> str | None:
        """Return the id of the first crystal added that is the same after volume scaling, None if there is none."""

    def matches(self, crystal: Crystal) -> list[str]:
        """Return the ids of all crystals added that are the same, in the order they were added."""

    def fork(self) -> CrystalIndex:
        """Return an index of the same crystals that grows apart from this one."""

    def add(self, id: str, crystal: Crystal) -> None:
        """Add a crystal, the same as one already there or not."""

    def extend(self, ids: Sequence[str], crystals: CrystalBatch) -> None:
        """`add` many at once."""

    def admit(self, ids: Sequence[str], crystals: CrystalBatch) -> list[str | None]:
        """`find` each crystal in turn, and `add` it where nothing is found; return what was found, [n]."""


class PrototypeDatabase(Protocol):
    """Known crystals by prototype."""

    def extend(self, ids: Sequence[str], crystals: CrystalBatch, fingerprints: Sequence[str]) -> None:
        """Add crystals of any formulas, [n]."""

    def credibility(self, crystal: Crystal, fingerprint: str) -> Credibility:
        """Return doubts whether a crystal would form as it was calculated."""


class Novelty(Protocol):
    """Tells which crystals are the same, and which are credible."""

    def fingerprints(self, crystals: CrystalBatch) -> list[str]:
        """Return reduced formula and Wyckoff-labelled prototype of each crystal, [n], e.g. "NaCl|cF8_225_a_b"."""

    def prototype(self, fingerprint: str) -> str:
        """Return a fingerprint's prototype without elements, e.g. "AB_cF8_225_a_b"; "" where it has none."""

    def index(self) -> CrystalIndex:
        """Return an empty index."""

    def prototype_database(self) -> PrototypeDatabase:
        """Return an empty prototype database."""


@dataclass(frozen=True, slots=True, eq=False)
class PredictionHistory:
    """Crystals that a campaign predicted and has verified since, m in all.

    Attributes:
        crystals: unrelaxed crystals, [m].
        predictions: their predictions before verification, [m].
        verified_ev_per_atom: verified formation energies, [m].
    """

    crystals: CrystalBatch = field(default_factory=CrystalBatch.empty)
    predictions: tuple[Prediction, ...] = ()
    verified_ev_per_atom: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


Scores = Mapping[str, NDArray[Any]]
"""Parallel arrays [n] by name, by which candidates are chosen; see `campaign.acquisition`."""


def labels(candidates: Sequence[Candidate]) -> dict[str, NDArray[Any]]:
    """Return the scores that need no prediction."""
    crystals = CrystalBatch.from_crystals(c.crystal for c in candidates)
    return {
        "probability": np.array([c.probability for c in candidates], dtype=np.float64),
        "formula": np.array(crystals.reduced_formulas(), dtype=object),
        "system": np.array([c.crystal.chemical_system for c in candidates], dtype=object),
        "generator": np.array([c.generator for c in candidates], dtype=object),
    }


class Acquisition(Protocol):
    """Chooses the candidates that are worth a verification."""

    @property
    def by_prediction(self) -> bool:
        """Whether candidates are ranked by their predictions."""

    @property
    def needs_spread(self) -> bool:
        """Return whether a candidate may be chosen for its large spread, or in spite of it."""

    def select(self, scores: Scores, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return indices of the chosen candidates, best first, and of the random control."""

    def contenders(self, done: Scores, hopes: Sequence[Scores], widest: Scores) -> NDArray[np.int64]:
        """Return the roughly predicted candidates to predict in full next, most promising first.

        These could still be chosen; there are none when the choice is settled.

        Args:
            done: scores of the candidates predicted in full.
            hopes: scores of the m others, as good as they may turn out to be in one way and another.
            widest: scores of the m others with the largest spread that they may turn out to have.
        """


class Predictor(Protocol):
    """Predicts formation energies and stability by an ensemble that is trained and kept on disk by id."""

    def base(self, references: PhaseSet, progress: Progress) -> ModelRecord:
        """Return the ensemble that a campaign starts from.

        It is the shipped one if there is one of this level, else one trained now on the references and kept.
        """

    def rank(
        self,
        model_id: str,
        candidates: Sequence[Candidate],
        hull: Hull,
        history: PredictionHistory,
        acquisition: Acquisition,
        progress: Progress,
        engine: Engine | None = None,
    ) -> list[Prediction]:
        """Return the predictions of candidates in their order, without those that cannot be predicted.

        Candidates that `acquisition` could choose are predicted in full. The others have a rough prediction, and a
        spread as wide as its error may be.

        Args:
            model_id: id of the ensemble.
            candidates: candidates to predict.
            hull: hull of all phases so far.
            history: earlier predictions and their outcomes.
            acquisition: strategy and limits of the choice.
            progress: told how many are predicted.
            engine: spreads the work, if it has shards.
        """

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        """Train from the origin's weights on known and newly verified crystals.

        `promoted` is False if the result is worse on the fixed hold-out.
        """


class Verifier(Protocol):
    """Relaxes candidates in child processes at one level of theory; yields each outcome as it ends."""

    level: str

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]: ...


class Hull(Protocol):
    """The lower convex hull of all phases at one level."""

    @property
    def id(self) -> str:
        """Hash of all its entries and their energies."""

    @property
    def census(self) -> Mapping[str, int]:
        """Number of entries offered ("in") and accepted ("let in"), and of those refused, by cause."""

    def distances(self, counts: NDArray[np.integer], e_form_ev_per_atom: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return signed distances to the hull, eV/atom, [n], of compositions [n, MAX_Z + 1]; negative = below it."""

    def add(self, entry_id: str, counts: NDArray[np.int64], e_form_ev_per_atom: float) -> list[str]:
        """Add an entry with atom counts [MAX_Z + 1]; return the entries whose verdict may have changed, with itself."""

    def hull_ids(self, entry_ids: Sequence[str]) -> list[str]:
        """Return the id of each entry's chemical system's hull: while it is the same, so is the verdict."""

    def verdicts(self, entry_ids: Sequence[str]) -> list[HullVerdict]:
        """Return distances, decomposition energies and products of entries that are part of this hull."""


@dataclass(frozen=True, slots=True)
class HullVerdict:
    """The part of a `Verdict` that rests on the hull; fields as there."""

    e_form_ev_per_atom: float
    e_above_hull_ev_per_atom: float
    decomposition_ev_per_atom: float
    products: tuple[tuple[str, str, float], ...]
    hull_id: str


BuildHull = Callable[[PhaseSet], Hull]
"""Phases of one level -> `Hull`."""
