"""Assembly of gate, generators, parents and novelty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.campaign.stages import FurtherParents
from gnome_lite.config import CampaignConfig, GeneratorName
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.pipeline import Gate, Generator, Novelty
from gnome_lite.settings import bundled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnome_lite.generate.compositions import Keep
    from gnome_lite.generate.stream import Mix


def make_gate(config: CampaignConfig) -> Gate:
    """Return the gate that checks candidates before any energy is computed."""
    from gnome_lite.chemistry.gates import PreGate

    return PreGate(config.gates, config.space, config.generate.max_atoms)


def make_screen(config: CampaignConfig, level: str, references: PhaseSet) -> Keep | None:
    """Return a screen of formulas for random search, by the composition networks of the level; None passes all."""
    from gnome_lite.predict.composition_screen import CompositionScreen
    from gnome_lite.stability.hull import build_hull

    model, limit = bundled("models", f"composition-{level}"), config.generate.composition_e_above_hull_max
    if "random" not in config.generate.mix or not model.is_dir() or limit == float("inf"):
        return None
    hull = build_hull(references)
    return CompositionScreen(model, lambda counts: -hull.distances(counts, np.zeros(len(counts))), limit)


def make_mix(config: CampaignConfig, composition: NDArray[np.int64] | None = None, keep: Keep | None = None) -> Mix:
    """Return the campaign's generators with their weights; see `make_generator`."""
    from gnome_lite.generate.stream import Mix

    weights = config.generate.mix.items()
    return Mix(tuple((make_generator(name, config, composition, keep), weight) for name, weight in weights))


def make_generator(
    name: GeneratorName,
    config: CampaignConfig,
    composition: NDArray[np.int64] | None = None,
    keep: Keep | None = None,
) -> Generator:
    """Return one generator of candidates, for the campaign's space.

    Args:
        name: name of the generator.
        config: settings of the campaign.
        composition: composition of random search, [MAX_Z + 1]; None takes those of the space that `keep` passes.
        keep: screen of compositions; None passes all.
    """
    space, generate = config.space, config.generate
    balance, max_index = config.gates.charge_balance, config.expert.supercell_max
    match name:
        case "substitution":
            from gnome_lite.generate.substitution import IonicSubstitution

            return IonicSubstitution(space, generate)
        case "partial":
            from gnome_lite.generate.partial import PartialSubstitution

            return PartialSubstitution(space, generate, charge_balance=balance != "off", max_index=max_index)
        case "vacancies":
            from gnome_lite.generate.vacancies import VacancySubstitution

            return VacancySubstitution(space, generate, charge_balance=balance != "off", max_index=max_index)
        case "intermetallic":
            from gnome_lite.generate.intermetallics import IntermetallicSubstitution

            return IntermetallicSubstitution(space, generate)
        case "prototypes":
            from gnome_lite.generate.prototype_placement import PrototypePlacement
            from gnome_lite.sources.aflow import prototypes

            return PrototypePlacement(space, generate, [(p.id, p.crystal) for p in prototypes()])
        case "random":
            from gnome_lite.generate.compositions import Compositions
            from gnome_lite.generate.random_search import RandomStructureSearch

            compositions = Compositions(space, generate.max_atoms, balance != "strict", keep=keep)
            given = compositions if composition is None else lambda rng: iter([composition[None]])
            per_composition = config.expert.structures_per_composition
            return RandomStructureSearch(given, generate, config.gates, structures_per_composition=per_composition)


def read_parents(config: CampaignConfig) -> FurtherParents:
    """Return the crystals of the campaign's parent files; a file that cannot be used is counted and left out.

    Raises:
        SourceError: if a path does not exist, or a folder holds no crystals.
    """
    from gnome_lite.sources.file_references import OWN_SUFFIX
    from gnome_lite.sources.files import crystal_files, read_files
    from gnome_lite.sources.reference_files import read_references

    files = crystal_files(config.generate.parents)
    read = read_files(f.path for f in files if f.path.suffix != OWN_SUFFIX)
    found, skipped = [], {}
    for file in files:
        if file.path.suffix != OWN_SUFFIX:
            _, crystals, wrong = next(read)
            found += [(f"{file.name}:{c.name}", c.crystal) for c in crystals]
        else:  # of any level: a parent has no energy
            try:
                wrong, own = "", read_references(file.path)
            except SourceError as error:
                wrong, own = str(error), []
            found += [(e.id, e.crystal) for e in own]
        if wrong:
            skipped[f"parents: {wrong}"] = 1
    return FurtherParents(CrystalBatch.from_crystals(c for _, c in found), tuple(i for i, _ in found), skipped)


def make_novelty() -> Novelty:
    """Return fingerprints, prototypes and site matching."""
    from gnome_lite.novelty.novelty import CrystalNovelty

    return CrystalNovelty()
