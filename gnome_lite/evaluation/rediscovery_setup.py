"""The setup of a rediscovery: which compounds of one chemical system are hidden, and which phases are given.

Each arm is a campaign with a store of its own, so that none learns from another; what is relaxed goes to one
results log, so that nothing is relaxed twice. Run again, everything goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.assemble.verifiers import make_verifier
from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal, CrystalBatch, chemical_system
from gnome_lite.core.errors import ConfigError, SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Phase
from gnome_lite.evaluation.rediscovery import (
    Hidden,
    StructureTypes,
    concealed,
    dft_distances,
    split_entries,
)
from gnome_lite.pipeline import Novelty, Progress, silent
from gnome_lite.settings import Settings
from gnome_lite.verify.results_log import relax_all

MAX_SYSTEM = 6
MAX_ENTRIES_BYTES = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Rediscovery:
    """A rediscovery that is ready to run: the hidden crystals, the files of what is given, and its home directory.

    Attributes:
        dft, distances: all entries, and their distances to the DFT hull, eV/atom, [n].
        known, parents: files of references and of further parents (if any), the system's own compounds taken out.
        crystals: known crystals and further parents by id.
        leaks: ids of the hidden that equal a crystal on which the shipped ensemble was trained.
        not_given: phases to give that have no energy at the campaigns' level, by name and cause.
    """

    elements: tuple[str, ...]
    home: Path
    dft: PhaseSet
    distances: NDArray[np.float64]
    hidden: tuple[Hidden, ...]
    known: Path
    parents: tuple[Path, ...]
    crystals: dict[str, Crystal]
    leaks: tuple[str, ...]
    not_given: tuple[str, ...]


def read_entries(path: Path) -> PhaseSet:
    """Return all DFT entries of one chemical system: pymatgen's JSON, plain or gzipped, corrections added.

    Raises:
        SourceError: if the file cannot be read, or an entry has no energy.
        ConfigError: if the entries are of too many elements for one system.
    """
    from gnome_lite.sources.files import read_crystals

    try:
        crystals = read_crystals(path, MAX_ENTRIES_BYTES)
    except SourceError as error:
        raise SourceError(f"{error}; give pymatgen entries as JSON, plain or .gz") from error
    entries: dict[str, Phase] = {}
    for name, crystal, energy_ev, _ in crystals:
        if energy_ev is None:
            raise SourceError(f"{path}: {name} has no energy: give entries with energies (ComputedStructureEntry)")
        entries[name] = Phase(name, crystal, energy_ev, "DFT", path.name, "not stated")
    dft = PhaseSet.make(list(entries.values()))
    system = chemical_system(dft.crystals.numbers)
    if not 3 <= system.count("-") + 1 <= MAX_SYSTEM:
        raise ConfigError(f"{path} has entries of {system}: give one chemical system of 3 to {MAX_SYSTEM} elements")
    return dft


def prepare_rediscovery(entries: Path, parents: Sequence[Path], home: Path, progress: Progress = silent) -> Rediscovery:
    """Choose what is hidden, relax the phases that are given, and write the files of references and of parents.

    Args:
        entries: all DFT entries of the system.
        parents: further known crystals: labelled tables (CSV with a column of CIFs), or what `read_crystals` reads.
        home: directory of all its files.
        progress: told of relaxations and of the search for parents.

    Raises:
        SourceError, ConfigError: if a file cannot be used, or nothing stable is in it.
    """
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.sources.bundled_seed import SeedSource
    from gnome_lite.sources.reference_files import write_references
    from gnome_lite.stability.hull import build_hull

    if len({path.name for path in parents}) < len(parents):
        raise ConfigError("two files of parents have one name: rename one, for their crystals are named after it")
    novelty, home = CrystalNovelty(), home.resolve()
    dft = read_entries(entries)
    elements = tuple(chemical_system(dft.crystals.numbers).split("-"))
    distances = dft_distances(dft, build_hull)
    to_hide, to_give = split_entries(dft, distances, novelty)
    if not to_hide:
        raise ConfigError(f"{entries} has no stable compound of three and more elements: there is nothing to hide")
    further = [f for path in parents for f in read_parents_of(path)]
    seed = SeedSource().load()
    kept = list(seed.take(~concealed(seed.crystals, elements)))
    given, not_given = _relaxed(to_give, kept, novelty, home, progress)
    known = [*kept, *given]
    hide = concealed(CrystalBatch.from_crystals(e.crystal for e in further), elements)
    further = [e for e, hidden_too in zip(further, hide, strict=True) if not hidden_too]
    files = [_named(home, "known", known), *([_named(home, "parents", further)] if further else [])]
    for path, some in zip(files, (known, further), strict=False):
        if not path.exists():
            write_references(path, some)
    crystals = {e.id: e.crystal for e in [*known, *further]}
    types = StructureTypes(list(crystals), CrystalBatch.from_crystals(crystals.values()))
    hidden = []
    for done, e in enumerate(to_hide):
        progress("parents", done, len(to_hide), e.crystal.reduced_formula)
        hidden.append(Hidden(e.id, e.crystal, types.of(e.crystal)))
    index, learnt = novelty.index(), SeedSource(reported=False).load().crystals
    learnt = learnt.take(concealed(learnt, elements) & (not _unlearnt(seed.level, elements)))
    index.admit(learnt.content_ids, learnt)
    leaks = tuple(h.id for h in hidden if index.find(h.crystal) is not None)
    return Rediscovery(
        elements, home, dft, distances, tuple(hidden), files[0], tuple(files[1:]), crystals, leaks, not_given
    )


def _unlearnt(level: str, elements: Sequence[str]) -> bool:
    """Return whether the shipped ensemble of a level was trained without what is concealed of a system."""
    from gnome_lite.assemble import shipped_model
    from gnome_lite.predict.checkpoint import read_card

    path = shipped_model(level, elements)
    return path is not None and set(elements) <= set(read_card(path).without)


def read_parents_of(path: Path) -> list[Phase]:
    """Return the crystals of one file as phases without energies.

    Raises:
        SourceError: if it cannot be read.
    """
    from gnome_lite.sources.files import read_crystals
    from gnome_lite.sources.labelled import read_labelled

    if path.suffixes[-1:] == [".csv"] or path.suffixes[-2:] == [".csv", ".gz"]:
        found = list(read_labelled(path).crystals)
    else:
        found = [c.crystal for c in read_crystals(path)]
    return [
        Phase(f"{path.name}:{number}", crystal, 0.0, "none", path.name, "not stated")
        for number, crystal in enumerate(found, 1)
    ]


def _named(home: Path, kind: str, entries: Sequence[Phase]) -> Path:
    """Return a file named by its content: a campaign that is given another one says so and does not go on."""
    digest = blake2b(digest_size=6)
    for e in sorted(entries, key=lambda e: e.id):
        digest.update(f"{e.id} {e.crystal.content_id} {e.energy_ev:.8f};".encode())
    return home / f"{kind}-{digest.hexdigest()}.parquet"


def _relaxed(
    phases: Sequence[Phase], seed: Sequence[Phase], novelty: Novelty, home: Path, progress: Progress
) -> tuple[list[Phase], tuple[str, ...]]:
    """Return the given phases at the campaigns' level, and those that have no energy there."""
    candidates = [Candidate(e.crystal.content_id, e.crystal, e.id, "entries", "", 0) for e in phases]
    elemental = PhaseSet.make(seed).elemental_ev_per_atom
    with make_verifier(CampaignConfig(), elemental, Settings()) as verifier:
        outcomes = relax_all(candidates, verifier, results_log_of(home), progress)
    good = [(e, outcomes[c.id]) for e, c in zip(phases, candidates, strict=True) if outcomes[c.id].ok]
    keys = novelty.fingerprints(CrystalBatch.from_crystals(v.crystal for _, v in good))
    given = [
        Phase(f"given-{e.id}", v.crystal, v.energy_ev, v.level, "DFT entries", "not stated", key)
        for (e, v), key in zip(good, keys, strict=True)
    ]
    missing = [
        f"{e.crystal.reduced_formula} ({e.id}): {outcomes[c.id].failure}"
        for e, c in zip(phases, candidates, strict=True)
        if not outcomes[c.id].ok
    ]
    return given, tuple(missing)


def results_log_of(home: Path) -> Path:
    """Return the file that keeps every relaxation of a rediscovery."""
    return home / "verified.jsonl"
