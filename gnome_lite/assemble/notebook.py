"""The Python interface, one call each: run a campaign, predict and relax structures, get a hull."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from gnome_lite.assemble.predictors import make_predictor, shipped_levels, shipped_model
from gnome_lite.assemble.references import load_references, open_phases
from gnome_lite.config import CampaignConfig, Verify
from gnome_lite.core.crystals import Crystal, CrystalBatch, symbol
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, RoundReport, Verification
from gnome_lite.pipeline import Progress, silent
from gnome_lite.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

    from gnome_lite.campaign.asking import Asked
    from gnome_lite.campaign.telling import Told
    from gnome_lite.pipeline import Engine
    from gnome_lite.stability.systems import HullSystem

AnyStructure: TypeAlias = Union["Structure", "Atoms", Crystal]


@dataclass(frozen=True, slots=True)
class PredictedCrystal:
    """The networks' prediction for one crystal; energies are None where they or the hull lack an element.

    Attributes:
        e_form_ev_per_atom: formation energy after relaxation.
        spread_ev_per_atom: interquartile range over the ensemble.
        e_above_hull_ev_per_atom: signed distance to the hull of the reference phases.
        p_stable: probability, 0..1, of being on that hull.
        note: why a prediction is missing or not to be trusted, "" otherwise.
        n_reported, n_hypothetical: reference compounds within its chemical system, which that hull rests on; None where
            the level has no hull.
    """

    formula: str
    e_form_ev_per_atom: float | None
    spread_ev_per_atom: float | None
    e_above_hull_ev_per_atom: float | None
    p_stable: float | None
    note: str
    n_reported: int | None = None
    n_hypothetical: int | None = None


def run(
    config: CampaignConfig | Path | str | None = None,
    *,
    home: Path | str | None = None,
    engine: Engine | None = None,
    progress: Progress = silent,
    trust: bool = False,
) -> list[RoundReport]:
    """Run a campaign, or go on with it, in this process and without a Prefect server.

    Args:
        config: its settings, or the path of its TOML file; default: the default campaign.
        home: directory of store and models; default: GNOME_LITE_HOME.
        engine: what runs steps and spreads work; default: everything here, one crystal a process when relaxing.
        progress: told how far each step is.
        trust: run code that the campaign names (`module:factory`, `python`, checkpoints of other packages).

    Returns:
        The report of each round; `open_store(home).query(...)` finds the crystals.

    Raises:
        GnomeLiteError: for anything a user can mend.
    """
    from gnome_lite.assemble import assemble
    from gnome_lite.campaign.runner import run_campaign

    if config is None:
        config = CampaignConfig()
    elif not isinstance(config, CampaignConfig):
        config = CampaignConfig.from_toml(Path(config))
    return run_campaign(assemble(config, Settings.at(home, trust), progress), engine)


def predict(
    structures: AnyStructure | Iterable[AnyStructure],
    *,
    level: str | None = None,
    home: Path | str | None = None,
    progress: Progress = silent,
) -> list[PredictedCrystal]:
    """Predict formation energies after relaxation, and distances to the hull, without relaxing anything.

    Args:
        structures: pymatgen Structures, ASE Atoms or Crystals.
        level: level of the ensemble, e.g. "mp-GGA_GGA+U-MP2020" (no hull there); default: that of the bundled
            references.
        home: directory of store and models; default: GNOME_LITE_HOME.
        progress: told how many crystals are predicted.

    Raises:
        ConfigError: if no ensemble of the level is shipped.
    """
    return predict_crystals(as_batch(structures), level, Settings.at(home), progress)[0]


def relax(
    structures: AnyStructure | Iterable[AnyStructure],
    *,
    level: str = "chgnet",
    home: Path | str | None = None,
    **settings: Any,
) -> list[Verification]:
    """Relax atoms and cells by a calculator, each crystal in a child process with a deadline.

    Args:
        structures: pymatgen Structures, ASE Atoms or Crystals.
        level: name of a calculator, as `verify.calculator` in a campaign. Code that this call names is run.
        home: directory of trajectories; default: GNOME_LITE_HOME.
        settings: of the `verify` section, e.g. `max_steps=100`, `symmetry="kept"`.

    Returns:
        One outcome a structure, in their order; `.ok` tells whether it has a usable energy.

    Raises:
        CalculatorError: if the calculator cannot be built.
    """
    from gnome_lite.verify.verifier import ProcessVerifier

    crystals = as_batch(structures)
    candidates = {c.content_id: Candidate(c.content_id, c, "", "given", "", 0) for c in crystals}
    config = Verify.model_validate({"calculator": level, **settings})
    with ProcessVerifier(config, None, Settings.at(home).home / "trajectories") as verifier:
        outcomes = {v.candidate_id: v for v in verifier.verify(list(candidates.values()))}
    return [outcomes[c.content_id] for c in crystals]


def ask(
    out: Path | str,
    *,
    level: str,
    n: int = 20,
    campaign: str | None = None,
    e_above_hull_max: float = 0.0,
    pseudos: Path | str | None = None,
    home: Path | str | None = None,
    **settings: Any,
) -> Asked:
    """Write DFT inputs of a campaign's best crystals, and of competing phases, that a level was not asked for.

    Args:
        out: folder to make.
        level: "vasp-mp", "vasp-r2scan", "vasp-matpes", "qe" or "gpaw".
        n: most candidates.
        campaign: default: the campaign begun last.
        e_above_hull_max: candidates lie at most so far above the campaign's hull, eV/atom.
        pseudos: folder of pseudopotentials, which "qe" needs.
        home: directory of the store; default: GNOME_LITE_HOME.
        settings: of "qe" or "gpaw", e.g. `ecut_ev=600`.

    Raises:
        ConfigError: if the level, a setting or the folder cannot be used.
        StoreError: if there is nothing to ask for.
    """
    from gnome_lite.assemble.dft_folders import ask_for_dft

    folder = None if pseudos is None else Path(pseudos)
    of_home = Settings.at(home)
    return ask_for_dft(Path(out), level, n, of_home, campaign, settings, folder, e_above_hull_max=e_above_hull_max)


def tell(folder: Path | str, *, home: Path | str | None = None, progress: Progress = silent) -> Told:
    """Take back the DFT results that are finished in a folder of `ask`, and judge them on their level's hull.

    Args:
        folder: folder that `ask` wrote. It may be told again at any time.
        home: directory of the store; default: GNOME_LITE_HOME.
        progress: told how many folders are read.

    Raises:
        ConfigError: if the manifest is not as `ask` wrote it, or of another store.
    """
    from gnome_lite.assemble.dft_folders import tell_dft

    return tell_dft(Path(folder), Settings.at(home), progress)


def hull(system: str, *, campaign: str | None = None, home: Path | str | None = None) -> HullSystem:
    """Return the hull of a chemical system: reference phases, and what campaigns have verified at their level.

    Args:
        system: e.g. "Li-Fe-O".
        campaign: campaign whose references are taken; default: the last one of the store, or the bundled references.
        home: directory of the store; default: GNOME_LITE_HOME.

    Raises:
        ConfigError: if the system names no elements.
        MissingReferenceError: if an element has no reference phase.
    """
    from gnome_lite.stability.hull import build_hull

    elements = [part.strip() for part in system.split("-") if part.strip()]
    return build_hull(open_phases(Settings.at(home), campaign)).system(elements)


def as_batch(structures: AnyStructure | Iterable[AnyStructure]) -> CrystalBatch:
    """Return crystals of pymatgen Structures, ASE Atoms or Crystals, one or many.

    Raises:
        ConfigError: if one is something else.
    """
    from ase import Atoms
    from pymatgen.core import Structure

    several = [structures] if isinstance(structures, (Structure, Atoms, Crystal)) else structures
    crystals = []
    for one in several:
        if isinstance(one, Crystal):
            crystals.append(one)
        elif isinstance(one, Structure):
            crystals.append(Crystal.from_pymatgen(one))
        elif isinstance(one, Atoms):
            crystals.append(Crystal.from_ase(one))
        else:
            raise ConfigError(f"{type(one).__name__} is no structure: give pymatgen Structures or ASE Atoms")
    return CrystalBatch.from_crystals(crystals)


def predict_crystals(
    crystals: CrystalBatch, level: str | None, settings: Settings, progress: Progress
) -> tuple[list[PredictedCrystal], str]:
    """Return the predictions of crystals, and a text that names level and hull.

    Raises:
        ConfigError: if no ensemble of the level is shipped.
    """
    from gnome_lite.stability.reference_coverage import coverage_by_system, missing_reference

    config = CampaignConfig()
    references: PhaseSet | None = None
    if level is None:
        references = load_references(config, settings)
        predictor = make_predictor(config, settings, references.level, elements=references.elemental_ev_per_atom)
        model = predictor.base(references, progress)
        of = f"{references.level}, hull of reference set {references.id} ({len(references)} entries)"
    else:
        from gnome_lite.predict.checkpoint import read_card

        path = shipped_model(level)
        if path is None:
            raise ConfigError(f"no ensemble of level {level!r} is shipped: choose from {', '.join(shipped_levels())}")
        predictor = make_predictor(config, settings, level)
        model = read_card(path).record(path)
        of = f"{level}, no hull at this level"
    e_form, spread = predictor.predict(model.id, crystals, progress)
    distance, p_stable = np.full((2, len(crystals)), np.nan)
    missing: Sequence[str] = [""] * len(crystals)
    if references is not None:
        from gnome_lite.stability.hull import build_hull

        missing = _without_reference(crystals, references)
        placed = np.isfinite(e_form) & np.array([not m for m in missing], dtype=bool)
        of_references = build_hull(references)
        distance[placed] = of_references.distances(crystals.counts[placed], e_form[placed])
        errors = predictor.error_model(model.id, of_references)
        p_stable[placed] = errors.p_stable(distance[placed], spread[placed])
    rows = []
    # Many crystals are of few systems, and each asks all references.
    systems = [c.chemical_system for c in crystals]
    covered = {} if references is None else coverage_by_system(references, (s.split("-") for s in {*systems}))
    for i, crystal in enumerate(crystals):
        e, s, d, p = (_known(values[i]) for values in (e_form, spread, distance, p_stable))
        strange = predictor.out_of_domain(model.id, crystal, e is not None)
        its = covered.get(systems[i])
        alone = f"no reference compound with {', '.join(its.alone)} in {its.system}" if its and its.alone else ""
        note = strange or missing[i] or alone or missing_reference(d)
        counted = (its.reported, its.hypothetical) if its else (None, None)
        # Outside of what the networks know nothing is known of their errors, and P(stable) is a guess.
        rows.append(PredictedCrystal(crystal.reduced_formula, e, s, d, None if strange else p, note, *counted))
    return rows, of


def _without_reference(crystals: CrystalBatch, references: PhaseSet) -> list[str]:
    """Return which elements of each crystal have no reference, in words, "" where all have one, [n]."""
    present = [sorted({symbol(z) for z in c.numbers} - references.elemental_ev_per_atom.keys()) for c in crystals]
    return [f"no reference for {', '.join(lacking)}" if lacking else "" for lacking in present]


def _known(value: np.float64 | NDArray[np.float64]) -> float | None:
    return float(value) if math.isfinite(value) else None
