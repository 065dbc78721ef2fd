"""The contents page: one Protocol per stage, and `Stages`, the bundle of them that a campaign runs.

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
"""progress(stage, done, total, note): called often, must be cheap; total 0 = not known."""


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """A `Progress` that shows nothing."""


Figures = Mapping[str, Any]
"""Small JSON figures of a step."""

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """What runs the steps of a campaign.

    Attributes:
        shard_size: crystals in one shard; None hands all to one worker, which spreads them itself.
    """

    shard_size: int | None

    def run(self, name: str, round: int, step: Callable[[], Figures]) -> Figures:
        """Run one step and return its figures; round 0 is the preparation."""
        ...

    def map(self, function: Callable[[Sequence[T]], Iterable[R]], shards: Iterable[Sequence[T]]) -> Iterator[R]:
        """Apply a pure function to each shard and yield all results, in the order in which they come.

        Args:
            function: picklable; gives one result or more for each shard.
            shards: `shard_size` crystals each, at most.
        """
        ...


class Source(Protocol):
    """Known crystals -> one reference set."""

    def load(self) -> PhaseSet: ...


class Generator(Protocol):
    """Known crystals, or compositions, -> candidates, as a stream of chunks; the same rng gives the same stream.

    Attributes:
        name: written on each candidate.
        skipped: what the last call of `generate` left out (parents, compositions), by cause.
    """

    name: str
    skipped: Counter[str]

    def generate(
        self,
        parents: CrystalBatch,
        parent_ids: Sequence[str],
        round: int,
        rng: np.random.Generator,
        start: int = 0,
    ) -> Iterator[CandidatePool]:
        """The stream from chunk `start` on: those before it are passed over as cheaply as can be.

        Each chunk is small enough to hold many of, and no possibility comes twice.
        """
        ...


class Candidates(Protocol):
    """The mix of generators."""

    def stream(
        self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, seed: Sequence[int]
    ) -> CandidateStream: ...


class CandidateStream(Protocol):
    """Chunks of candidates.

    Attributes:
        skipped: what the generators have left out so far, by "generator: cause".
    """

    def __iter__(self) -> Iterator[CandidatePool]: ...

    @property
    def skipped(self) -> Counter[str]: ...


class Gate(Protocol):
    """Sanity of crystals before any energy is spent on them."""

    def causes(self, crystals: CrystalBatch) -> list[str]:
        """Why each crystal is refused, "" where it passes, [n]."""
        ...


class CrystalIndex(Protocol):
    """Distinct crystals, found again by sameness: the groups that pymatgen's StructureMatcher makes."""

    def find(self, crystal: Crystal) -> str | None:
        """Id of the first crystal added that is the same after volume scaling, None if there is none."""
        ...

    def matches(self, crystal: Crystal) -> list[str]:
        """Ids of all crystals added that are the same, in the order they were added."""
        ...

    def fork(self) -> CrystalIndex:
        """An index of the same crystals; what is added to it is not added here."""
        ...

    def add(self, id: str, crystal: Crystal) -> None:
        """Add a crystal, the same as one already there or not."""
        ...

    def admit(self, ids: Sequence[str], crystals: CrystalBatch) -> list[str | None]:
        """`find` each in turn, and `add` it where nothing is found; what was found, [n]."""
        ...


class PrototypeDatabase(Protocol):
    """Known crystals by prototype."""

    def add(self, id: str, crystal: Crystal, fingerprint: str) -> None:
        """Add a known crystal of any formula."""
        ...

    def credibility(self, crystal: Crystal, fingerprint: str) -> Credibility:
        """Whether nature would make a crystal as it was calculated."""
        ...


class Novelty(Protocol):
    """Which crystals are the same, and which are believable."""

    def fingerprints(self, crystals: CrystalBatch) -> list[str]:
        """Reduced formula and Wyckoff-labelled prototype of each crystal, [n], e.g. "NaCl|cF8_225_a_b"."""
        ...

    def prototype(self, fingerprint: str) -> str:
        """The prototype of a fingerprint without its elements, e.g. "AB_cF8_225_a_b"; "" where it has none."""
        ...

    def index(self) -> CrystalIndex:
        """An empty index."""
        ...

    def prototype_database(self) -> PrototypeDatabase:
        """An empty prototype database."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PredictionHistory:
    """Crystals that a campaign predicted and has verified since, m in all.

    Attributes:
        crystals: as they were predicted, unrelaxed.
        predictions: as they were made.
        verified_ev_per_atom: formation energies found, [m].
    """

    crystals: CrystalBatch = field(default_factory=CrystalBatch.empty)
    predictions: tuple[Prediction, ...] = ()
    verified_ev_per_atom: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


Scores = Mapping[str, NDArray[Any]]
"""Parallel arrays [n] by name: what candidates are chosen by, see `campaign.acquisition`."""


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
    """Which candidates are worth a verification."""

    @property
    def by_prediction(self) -> bool:
        """Whether candidates are ranked by what is predicted of them."""
        ...

    @property
    def needs_spread(self) -> bool:
        """Whether a candidate may be chosen for its large spread, or in spite of it."""
        ...

    def select(self, scores: Scores, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return indices of those chosen, best first, and of the random control."""
        ...

    def contenders(self, done: Scores, hopes: Sequence[Scores], widest: Scores) -> NDArray[np.int64]:
        """Return which roughly predicted candidates could still be chosen, most promising first: a batch of them, to be
        predicted in full next; empty when what is chosen is settled.

        Args:
            done: scores of the candidates predicted in full.
            hopes: scores of the m others, as good as they may turn out to be in one way and another.
            widest: scores of the m others with the largest spread that they may turn out to have.
        """
        ...


class Predictor(Protocol):
    """Crystals -> formation energies and what they promise, by an ensemble that is trained and kept on disk by id."""

    def base(self, references: PhaseSet, progress: Progress) -> ModelRecord:
        """The ensemble a campaign starts from: the shipped one if it was trained for this level,
        else one trained now on the references (and kept for the next campaign)."""
        ...

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

        What `acquisition` could choose is predicted in full. Of the rest the spread tells how far its cheaper
        prediction may be off.

        Args:
            hull: of all phases known.
            history: what earlier predictions came to.
            engine: spreads the work, if it has shards.
        """
        ...

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        """Train from the origin's weights on what was verified and what was known before; `promoted` is False if it is
        worse on the fixed hold-out."""
        ...


class Verifier(Protocol):
    """Candidates -> relaxed crystals with energies, in child processes; yields each as it ends."""

    level: str

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]: ...


class Hull(Protocol):
    """The lower hull of all phases known at one level."""

    @property
    def id(self) -> str:
        """Of all its entries and their energies."""
        ...

    @property
    def census(self) -> Mapping[str, int]:
        """Entries that came ("in") and that were let in, and those that were not, by cause."""
        ...

    def distances(self, counts: NDArray[np.integer], e_form_ev_per_atom: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed distance to the hull of known phases, eV/atom, [n], of compositions
        counts [n, MAX_Z + 1]; negative = below it."""
        ...

    def add(self, entry_id: str, counts: NDArray[np.int64], e_form_ev_per_atom: float) -> list[str]:
        """Add an entry with atom counts [MAX_Z + 1]; the entries whose verdict may have changed, itself included."""
        ...

    def hull_ids(self, entry_ids: Sequence[str]) -> list[str]:
        """Of each entry's chemical system: while it is the same, so is the verdict."""
        ...

    def verdicts(self, entry_ids: Sequence[str]) -> list[HullVerdict]:
        """Distances, decomposition energies and products of entries that are part of this hull."""
        ...


@dataclass(frozen=True, slots=True)
class HullVerdict:
    """The hull's part of a `Verdict`; fields as there."""

    e_form_ev_per_atom: float
    e_above_hull_ev_per_atom: float
    decomposition_ev_per_atom: float
    products: tuple[tuple[str, str, float], ...]
    hull_id: str


BuildHull = Callable[[PhaseSet], Hull]
"""Phases of one level -> `Hull`."""
