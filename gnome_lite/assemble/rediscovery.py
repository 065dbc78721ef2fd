"""A rediscovery: real campaigns in one chemical system of which they are not told what DFT knows to be stable there.

Each arm is a campaign with a store of its own, so that none learns from another; what is relaxed goes to one ledger, so
that nothing is relaxed twice. Run again, everything goes on where it stopped.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gnome_lite.assemble.calculators import level_of, make_verifier
from gnome_lite.assemble.candidates import make_gate, make_generator
from gnome_lite.assemble.networks import make_predictor, shipped_model
from gnome_lite.campaign import run_campaign
from gnome_lite.config import CampaignConfig, Generate
from gnome_lite.crystals import Crystal, CrystalBatch, chemical_system
from gnome_lite.errors import ConfigError, SourceError
from gnome_lite.ledger import LedgerVerifier, relax_all
from gnome_lite.pipeline import Novelty, Progress, silent
from gnome_lite.records import Candidate
from gnome_lite.rediscover import (
    Claims,
    Hidden,
    Return,
    StructureTypes,
    Trial,
    concealed,
    count_claims,
    dft_distances,
    given_phases,
    last_ranks,
    returns,
    stable_compounds,
    trials,
)
from gnome_lite.references import ReferenceEntry, ReferenceSet
from gnome_lite.settings import Settings

Arm = Literal["campaign", "ion_exchange", "random"]
"""The product's own strategy and mix; plain ionic substitution by its probability; by chance from the product's mix."""
ARMS: tuple[Arm, ...] = get_args(Arm)

MAX_ATOMS = 40
"""A campaign's default is 20; LiFePO4 has 28 and Fe(PO3)2 36."""
CANDIDATES = 1000
"""New ones a round, a campaign's default."""
CARRY_OVER = 2000
"""In one chemical system few substitutions are new after the first rounds: those not picked stay in the race."""
PER_COMPOSITION = 3
"""Polymorphs a round: in one chemical system there are few compositions."""
LIKELY = 0.5
"""Of a single system the networks may be wrong as a whole: half of the budget goes by chemical likeness."""
VACANCIES = 1.0
"""Weight of that generator beside the default mix: what has no parent may be another crystal with ions left out."""
MAX_SYSTEM = 6
MAX_ENTRIES_BYTES = 500_000_000
OF_DFT = "DFT entries"


@dataclass(frozen=True, slots=True, eq=False)
class Rediscovery:
    """What is hidden, what is given, and where.

    Attributes:
        dft, distances: all entries, and their distances to the DFT hull, eV/atom, [n].
        known, parents: files of references and of further parents (if any), the system's own compounds taken out.
        leaks: of the hidden, those that equal a crystal of the bundled seed, on which the shipped ensemble was trained.
        not_given: given phases that the campaign's level has no energy of, by name and cause.
    """

    elements: tuple[str, ...]
    home: Path
    dft: ReferenceSet
    distances: NDArray[np.float64]
    hidden: tuple[Hidden, ...]
    known: Path
    parents: tuple[Path, ...]
    crystals: dict[str, Crystal]
    leaks: tuple[str, ...]
    not_given: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ArmResult:
    """One campaign's figures."""

    arm: str
    trials: tuple[Trial, ...]
    returns: tuple[Return, ...]
    claims: Claims

    def found_within(self, verifications: int) -> int:
        """Hidden crystals that had come back after so many verifications."""
        return sum(r.found and r.rank is not None and r.rank <= verifications for r in self.returns)

    def as_json(self) -> dict[str, Any]:
        return {
            "arm": self.arm,
            "verified": len(self.trials),
            "failed": sum(not t.verification.ok for t in self.trials),
            "seconds": round(sum(t.verification.seconds for t in self.trials), 1),
            "found": sum(r.found for r in self.returns),
            "found_stable": sum(r.stable for r in self.returns),
            "with_parent": sum(r.parents > 0 for r in self.returns),
            "found_with_parent": sum(r.found and r.parents > 0 for r in self.returns),
            "found_without_parent": sum(r.found and not r.parents for r in self.returns),
            "claims": asdict(self.claims),
            "returns": [asdict(r) for r in self.returns],
        }


def read_entries(path: Path) -> ReferenceSet:
    """All DFT entries of one chemical system: pymatgen's JSON, plain or gzipped, corrections added.

    Raises:
        SourceError: if the file cannot be read, or an entry has no energy.
        ConfigError: if the entries are of too many elements for one system.
    """
    from gnome_lite.sources.pymatgen_json import BadFileError, read_pymatgen_json

    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read(MAX_ENTRIES_BYTES + 1)
    except (OSError, EOFError) as error:
        raise SourceError(f"cannot read {path}: {error}; give pymatgen entries as JSON, plain or .gz") from error
    if len(content) > MAX_ENTRIES_BYTES:
        raise SourceError(f"{path} is larger than {MAX_ENTRIES_BYTES / 1e6:g} MB: give one chemical system")
    entries: dict[str, ReferenceEntry] = {}
    try:
        for name, crystal, energy_ev in read_pymatgen_json(content, path.stem):
            if energy_ev is None:
                raise SourceError(f"{path}: {name} has no energy: give entries with energies (ComputedStructureEntry)")
            entries[name] = ReferenceEntry(name, crystal, energy_ev, "DFT", path.name, "not stated")
    except (BadFileError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{path}: {error}; give pymatgen entries as JSON, plain or .gz") from error
    if not entries:
        raise SourceError(f"{path} holds no entries: give all DFT entries of one chemical system")
    dft = ReferenceSet.make(list(entries.values()))
    system = chemical_system(dft.crystals.numbers)
    if not 3 <= system.count("-") + 1 <= MAX_SYSTEM:
        raise ConfigError(f"{path} has entries of {system}: give one chemical system of 3 to {MAX_SYSTEM} elements")
    return dft


def prepare_rediscovery(entries: Path, parents: Sequence[Path], home: Path, progress: Progress = silent) -> Rediscovery:
    """Hide what is to be hidden, relax the phases that are given, and write both files of what is known.

    Args:
        entries: all DFT entries of the system.
        parents: further known crystals: labelled tables (CSV with a column of CIFs), or what `read_crystals` reads.

    Raises:
        SourceError, ConfigError: if a file cannot be used, or nothing stable is in it.
    """
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.sources.parquet import write_references
    from gnome_lite.sources.seed import SeedSource
    from gnome_lite.stability.hull import build_hull

    if len({path.name for path in parents}) < len(parents):
        raise ConfigError("two files of parents have one name: rename one, for their crystals are named after it")
    novelty, home = CrystalNovelty(), home.resolve()
    dft = read_entries(entries)
    elements = tuple(chemical_system(dft.crystals.numbers).split("-"))
    distances = dft_distances(dft, build_hull)
    to_hide = stable_compounds(dft, distances, novelty)
    if not to_hide:
        raise ConfigError(f"{entries} has no stable compound of three and more elements: there is nothing to hide")
    further = [f for path in parents for f in read_parents_of(path)]
    seed = SeedSource().load()
    out = concealed(seed.crystals, elements)
    kept = [e for e, hidden in zip(seed.entries, out, strict=True) if not hidden]
    given, not_given = _relaxed(given_phases(dft, distances, novelty), kept, home, progress)
    known = [*kept, *given]
    further = [e for e, hide in zip(further, concealed(_batch(further), elements), strict=True) if not hide]
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
    return Rediscovery(
        elements, home, dft, distances, tuple(hidden), files[0], tuple(files[1:]), crystals,
        _equal_to(novelty, hidden, seed.crystals.take(out)), not_given,
    )  # fmt: skip


def read_parents_of(path: Path) -> list[ReferenceEntry]:
    """Crystals of one file, as entries whose energies nobody reads.

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
        ReferenceEntry(f"{path.name}:{number}", crystal, 0.0, "none", path.name, "not stated")
        for number, crystal in enumerate(found, 1)
    ]


def _batch(entries: Sequence[ReferenceEntry]) -> CrystalBatch:
    return CrystalBatch.from_crystals(e.crystal for e in entries)


def _named(home: Path, kind: str, entries: Sequence[ReferenceEntry]) -> Path:
    """A file named by what is in it: a campaign that is given another one says so and does not go on."""
    digest = blake2b(digest_size=6)
    for e in sorted(entries, key=lambda e: e.id):
        digest.update(f"{e.id} {e.crystal.content_id} {e.energy_ev:.8f};".encode())
    return home / f"{kind}-{digest.hexdigest()}.parquet"


def _relaxed(
    phases: Sequence[ReferenceEntry], seed: Sequence[ReferenceEntry], home: Path, progress: Progress
) -> tuple[list[ReferenceEntry], tuple[str, ...]]:
    """The given phases at the campaigns' level, and those that it has no energy of."""
    from gnome_lite.novelty.novelty import CrystalNovelty

    config = CampaignConfig()
    candidates = [Candidate(e.crystal.content_id, e.crystal, e.id, "entries", "", 0) for e in phases]
    elemental = ReferenceSet.make(seed).elemental_ev_per_atom
    with make_verifier(config, elemental) as verifier:
        outcomes = relax_all(candidates, verifier, _ledger(home), progress)
    good = [(e, outcomes[c.id]) for e, c in zip(phases, candidates, strict=True) if outcomes[c.id].ok]
    keys = CrystalNovelty().fingerprints(CrystalBatch.from_crystals(v.crystal for _, v in good))
    given = [
        ReferenceEntry(f"given-{e.id}", v.crystal, v.energy_ev, v.level, OF_DFT, "not stated", key)
        for (e, v), key in zip(good, keys, strict=True)
    ]
    missing = [
        f"{e.crystal.reduced_formula} ({e.id}): {outcomes[c.id].failure}"
        for e, c in zip(phases, candidates, strict=True)
        if not outcomes[c.id].ok
    ]
    return given, tuple(missing)


def _ledger(home: Path) -> Path:
    return home / "verified.jsonl"


def _equal_to(novelty: Novelty, hidden: Sequence[Hidden], crystals: CrystalBatch) -> tuple[str, ...]:
    """Ids of the hidden that equal one of some crystals."""
    index = novelty.index()
    index.admit([crystal.content_id for crystal in crystals], crystals)
    return tuple(h.id for h in hidden if index.find(h.crystal) is not None)


def arm_config(arm: Arm, task: Rediscovery, budget: int, rounds: int, max_atoms: int = MAX_ATOMS) -> CampaignConfig:
    """The campaign of one arm: what it does not say is the product's default. A round has budget // rounds."""
    generate: dict[str, Any] = {"candidates": CANDIDATES, "max_atoms": max_atoms, "parents": task.parents}
    select: dict[str, Any] = {"budget": budget // rounds, "control": 0}
    if arm == "campaign":
        select |= {"per_composition": PER_COMPOSITION, "likely": LIKELY}
        generate["mix"] = {**Generate().mix, "vacancies": VACANCIES}
        carry_over = CARRY_OVER
    else:
        # No limit for polymorphs, and no network that decides which candidates are kept for another round.
        select |= {"strategy": arm, "per_composition": CANDIDATES * rounds}
        carry_over = CANDIDATES * rounds
    if arm == "ion_exchange":
        generate["mix"] = {"substitution": 1.0}
    space = {"chemical_systems": ("-".join(task.elements),), "min_elements": 3, "max_elements": len(task.elements)}
    return CampaignConfig.model_validate(
        {
            "name": arm,
            "rounds": rounds,
            "space": space,
            "sources": {"seed": False, "files": (task.known,)},
            "generate": generate,
            "predict": {"carry_over": carry_over},
            "select": select,
            "stop": {"patience": 0},
        }
    )


def run_arm(arm: Arm, task: Rediscovery, config: CampaignConfig, progress: Progress = silent) -> ArmResult:
    """Run one arm, or go on with it, and count what has come back."""
    from gnome_lite.assemble import assemble
    from gnome_lite.predict.blind import BlindPredictor

    settings = Settings(home=task.home / arm, database_url=None)
    stages = assemble(config, settings, progress)
    store, level = stages.store, level_of(config)
    verifier = LedgerVerifier(stages.verifier, _ledger(task.home))
    predictor = (
        make_predictor(config, settings, level, hidden=task.elements)
        if arm == "campaign"
        else BlindPredictor(config.predict, settings.models_dir, shipped_model(level), level)
    )
    stages = replace(stages, verifier=verifier, predictor=predictor)
    run_campaign(stages)
    tried = trials(store, config.name, level)
    formulas = {h.crystal.reduced_formula for h in task.hidden}
    made = [c for of in store.candidates_with_formulas(formulas).values() for c in of]
    ranks = last_ranks(store, config.name) if arm == "campaign" else {}
    if arm != "campaign":
        tried = [replace(t, prediction=None) for t in tried]
    why = partial(why_not_made, task=task, config=config)
    found = returns(task.hidden, tried, made, ranks, stages.novelty, why)
    claims = count_claims(tried, task.dft, task.distances, stages.novelty)
    return ArmResult(arm, tuple(tried), tuple(found), claims)


def why_not_made(hidden: Hidden, task: Rediscovery, config: CampaignConfig) -> str:
    """Why ionic substitution into its parents did not make a hidden crystal, told by lifting all limits."""
    from gnome_lite.chemistry.oxidation import cause_of_no_states

    parents = [(i, task.crystals[i]) for i in hidden.parents]
    small = [(i, c) for i, c in parents if len(c) <= config.generate.max_atoms]
    if not small:
        return f"parents have more than {config.generate.max_atoms} atoms"
    lifted = config.generate.model_copy(update={"threshold": 1e-300})
    generator = make_generator("substitution", config.model_copy(update={"generate": lifted}))
    gate, best = make_gate(config), dict[str, float]()
    for crystal, probability in _into(hidden, generator, small):
        (cause,) = gate.causes(CrystalBatch.from_crystals([crystal]))
        best[cause] = max(best.get(cause, 0.0), probability)
    if best:
        cause = max(best, key=lambda c: best[c])
        if best[cause] <= config.generate.threshold:
            return f"substitution of probability {best[cause]:.1e} (threshold {config.generate.threshold:g})"
        return f"gate: {cause}" if cause else "parents too far above the hull, or the stream ended before"
    causes = {cause_of_no_states(c) for _, c in small} - {""}
    return f"its parents have {sorted(causes)[0]}" if causes else "no neutral substitution leads to it"


def _into(hidden: Hidden, generator: Any, parents: Sequence[tuple[str, Crystal]]) -> Iterator[tuple[Crystal, float]]:
    """Candidates from some parents that are a hidden crystal, with their probabilities."""
    from gnome_lite.novelty.match import same

    ids, batch = [i for i, _ in parents], CrystalBatch.from_crystals(c for _, c in parents)
    formula = hidden.crystal.reduced_formula
    for pool in generator.generate(batch, ids, 1, np.random.default_rng(0)):
        for i in np.flatnonzero(np.array(pool.crystals.reduced_formulas()) == formula):
            if same(hidden.crystal, pool.crystals[int(i)]):
                yield pool.crystals[int(i)], float(pool.probabilities[i])
