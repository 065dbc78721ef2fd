"""The settings of a campaign: one pydantic section a stage, read from TOML; an unknown key is refused by name."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import ConfigError, OldNameWarning
from gnome_lite.core.limited import read_limited
from gnome_lite.core.old_settings import with_current_names

DEFAULT_ELEMENTS = (
    "Li", "Na", "K", "Mg", "Ca", "Sr", "Ba", "Al", "Si", "Ti", "Mn", "Fe", "Zn", "N", "P", "O", "S", "F", "Cl",
)  # fmt: skip
"""Elements of the bundled seed's compounds: common ones of solid-state chemistry."""


class Section(BaseModel):
    """A table of a campaign file; `gnome-lite init` writes its first line and its fields' descriptions as comments."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Space(Section):
    """The chemical space that candidates may lie in."""

    elements: tuple[str, ...] = Field(DEFAULT_ELEMENTS, description="elements that candidates may contain")
    chemical_systems: tuple[str, ...] = Field((), description='if any, only these and their subsystems: ["Li-Fe-O"]')
    min_elements: int = Field(2, ge=1, le=8, description="fewest elements in a candidate")
    max_elements: int = Field(4, ge=1, le=8, description="most elements in a candidate")
    allow_radioactive: bool = Field(False, description="also Tc, Pm, Po and beyond Bi")
    allow_uncovered: bool = Field(False, description="also elements that no reference compound of the space holds")

    @field_validator("elements")
    @classmethod
    def _elements_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("is empty: name at least one element, e.g. elements = ['Li', 'O']")
        for element in value:
            atomic_number(element)
        return tuple(dict.fromkeys(value))

    @field_validator("chemical_systems")
    @classmethod
    def _systems_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for system in value:
            if not system.strip("- "):
                raise ValueError("holds an empty chemical system: write e.g. 'Li-Fe-O'")
            for element in system.split("-"):
                atomic_number(element)
        return tuple("-".join(sorted(set(s.split("-")))) for s in value)

    @property
    def systems(self) -> tuple[tuple[str, ...], ...]:
        """Elements of each chemical system that is named; those of the space as one system where none is."""
        return tuple(tuple(s.split("-")) for s in self.chemical_systems) or (self.elements,)

    @property
    def all_elements(self) -> frozenset[str]:
        """Elements that any candidate may contain."""
        return frozenset(e for system in self.systems for e in system)


SetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")]
"""Name of a set of references: a part of a file's name, and of no path."""


class Sources(Section):
    """Reference crystals; all must be of the verifier's level of theory."""

    seed: bool = Field(True, description="the bundled reference set")
    files: tuple[Path, ...] = Field(
        (), description="files or folders with energies of this level (extxyz, ASE db, JSON)"
    )
    added: tuple[SetName, ...] = Field((), description="sets that `gnome-lite references add` made, by name")
    releases: tuple[Path, ...] = Field((), description="directories that `gnome-lite release` wrote")
    materials_project: tuple[str, ...] = Field((), description='systems to fetch, e.g. ["Li-Fe-O"]; needs MP_API_KEY')
    relabel: bool = Field(True, description="its phases near the hull are computed at the verifier's level")
    include_gnome: bool = Field(False, description="also the Materials Project's GNoME entries, CC BY-NC")
    licences: Literal["any", "permissive"] = Field(
        "any", description='"permissive": without CC BY-NC and unstated ones'
    )


GeneratorName = Literal["substitution", "partial", "prototypes", "random", "intermetallic", "vacancies"]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Generate(Section):
    """How candidates are made: a weighted mix of generators.

    Intermetallic substitution and vacancies are off by default: the default space is one of ionic compounds, and the
    shipped labelled pool was made by the other four.
    """

    candidates: int = Field(1000, ge=1, description="new candidates kept in each round")
    mix: dict[GeneratorName, Weight] = Field(
        {"substitution": 4.0, "partial": 3.0, "prototypes": 2.0, "random": 1.0},
        description="weights; also intermetallic, vacancies",
    )
    threshold: float = Field(0.001, gt=0, lt=1, description="least probability of an ionic substitution")
    max_atoms: int = Field(20, ge=1, description="most atoms in a candidate's cell")
    parents_e_above_hull_max: float = Field(0.2, ge=0, description="crystals up to here are varied, eV/atom")
    composition_e_above_hull_max: float = Field(0.05, description="predicted limit of random search, eV/atom; or inf")
    parents: tuple[Path, ...] = Field((), description="files or folders of further crystals to vary, without energies")

    @field_validator("mix")
    @classmethod
    def _mix_has_parts(cls, value: dict[GeneratorName, float]) -> dict[GeneratorName, float]:
        if not value:
            raise ValueError("is empty: name a generator, e.g. mix = {substitution = 1.0}")
        return value


class Gates(Section):
    """Checks that candidates must pass before any energy is computed."""

    min_distance_ratio: float = Field(0.6, gt=0, lt=1, description="shortest distance / sum of covalent radii")
    volume_per_atom_min: float = Field(4.0, description="Å^3")
    volume_per_atom_max: float = Field(80.0, description="Å^3")
    charge_balance: Literal["strict", "relaxed", "off"] = Field(
        "strict", description='"strict" (states common in the ICSD), "relaxed" (as GNoME), "off"; alloys pass'
    )


class Predict(Section):
    """The ensemble of graph networks."""

    members: int = Field(4, ge=1, le=32, description="networks in the ensemble")
    width: int | None = Field(None, ge=8, le=1024, description="of new networks; default: 256 on a CUDA GPU, else 64")
    epochs: int = Field(40, ge=1, description="of training from random weights")
    retrain: Literal["always", "never"] = Field("always", description='"always" (after each round) or "never"')
    retrain_from: Literal["base", "last"] = Field("base", description='or "last": whose weights to begin with')
    retrain_epochs: int = Field(6, ge=1, description="of each retraining")
    replay_buffer: int = Field(4000, ge=0, description="reference crystals in each retraining; 0 = all")
    learning_rate: float = Field(3e-3, gt=0, description="highest rate of training from random weights")
    retrain_learning_rate: float = Field(2e-4, gt=0, description="highest rate of a retraining")
    batch_size: int = Field(32, ge=1, description="crystals")
    patience: int = Field(0, ge=0, description="epochs without progress that end a training; 0 = none do")
    volume_scan: int = Field(0, ge=0, description="0: median of three volumes; n: lowest of n, 80-120 % (GNoME: 20)")
    cascade: bool = Field(True, description="ask all networks only about what can still be selected")
    carry_over: int = Field(200, ge=0, description="best unverified candidates of earlier rounds in the pool")
    processes: int = Field(0, ge=0, description="0 = one a core")


Strategy = Literal["p_stable", "expected_improvement", "greedy", "ion_exchange", "random"]


class Selection(Section):
    """Which candidates are relaxed in each round."""

    strategy: Strategy = Field(
        "p_stable", description="or expected_improvement, greedy (as GNoME), ion_exchange, random"
    )
    budget: int = Field(24, ge=1, description="crystals relaxed in each round")
    budget_s: float | None = Field(None, gt=0, description="relaxation time of all processes that ends a round, s")
    control: int = Field(4, ge=0, description="further crystals drawn at random, to compare with")
    substitution_share: float = Field(0.0, ge=0, le=1, description="budget share of the likeliest ionic substitutions")
    explore: float = Field(0.0, ge=0, le=1, description="budget share of uncertain ones that may be stable")
    e_above_hull_max: float = Field(0.05, description="candidates predicted below this come first, eV/atom")
    per_composition: int = Field(1, ge=1, description="most structures of one composition")
    per_system: int = Field(0, ge=0, description="most structures of one chemical system; 0 = any number")

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.substitution_share + self.explore > 1:
            raise ValueError(
                f"substitution_share ({self.substitution_share:g}) and explore ({self.explore:g}) are shares of one "
                "budget: lower one"
            )
        return self


class Stop(Section):
    """When a campaign ends before its last round: after some poor rounds in a row."""

    patience: int = Field(2, ge=0, description="poor rounds in a row that end a campaign; 0 = none do")
    hit_rate: float = Field(0.05, ge=0, le=1, description="a round is poor if found and predicted rate are lower")
    min_new_fraction: float = Field(0.01, ge=0, le=1, description="or if a smaller share of what was made is new")


CalculatorKwargs = dict[str, str | int | float | bool]
ChosenCorrections = Literal["auto", "none", "mp2020"]
"""Corrections to the energies of a calculator; "auto" for what is known of it (`core.levels`)."""
Symmetry = Literal["free", "kept", "broken"]
"""Treatment of the initial space group in a relaxation."""


class Level(Section):
    """One level of theory above the first. Settings that are None are as in `verify`.

    Attributes:
        budget: survivors of the level below that are relaxed in each round.
        e_above_hull_max: they lie at most this far above the hull of the level below, eV/atom.
        competing_max: phases of the level below that are computed here too, for this level's own hull, lie at most
            this far above it, eV/atom.
    """

    budget: Annotated[int, Field(ge=1)] = 8
    e_above_hull_max: Annotated[float, Field(ge=0)] = 0.0
    competing_max: Annotated[float, Field(ge=0)] = 0.03
    calculator_kwargs: CalculatorKwargs = {}
    corrections: ChosenCorrections = "auto"
    prerelax: Literal["off", "chgnet"] = "off"
    fmax_ev_per_ang: Annotated[float, Field(gt=0)] | None = None
    max_steps: Annotated[int, Field(ge=0)] | None = None
    deadline_s: Annotated[float, Field(gt=0)] = 3600.0
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    processes: Annotated[int, Field(ge=0)] | None = None
    tries: Annotated[int, Field(ge=1, le=5)] | None = None
    symmetry: Symmetry | None = None


class Verify(Section):
    """Relaxation by a calculator, in child processes.

    `symmetry` "broken": symmetric saddle points are left, as the bundled seed's were; "free": as the forces have it,
    like most optimisers; "kept": no crystal leaves the space group it starts with.
    """

    calculator: str = Field("chgnet", description="or another name (docs/calculators.md), or module:factory (--trust)")
    calculator_kwargs: CalculatorKwargs = Field({}, description="arguments of the calculator")
    corrections: ChosenCorrections = Field("auto", description='or "mp2020", "none": see docs/levels.md')
    prerelax: Literal["off", "chgnet"] = Field(
        "off", description='"chgnet" goes most of the way of a dearer calculator'
    )
    fmax_ev_per_ang: float = Field(0.05, gt=0, description="largest force when relaxed, eV/Å")
    max_steps: int = Field(200, ge=1, description="of one relaxation")
    deadline_s: float = Field(120.0, gt=0, description="seconds for one crystal")
    memory_gib: float = Field(6.0, gt=0, description="for one process, with what it starts")
    processes: int = Field(0, ge=0, description="0 = one a core")
    tries: int = Field(2, ge=1, le=5, description="attempts at one crystal: crashes, time-outs, lack of memory")
    trajectories: Literal["off", "extxyz", "parquet"] = Field(
        "off", description='"extxyz" or "parquet": keep energy, forces and stress of each step'
    )
    symmetry: Symmetry = Field(
        "broken", description='"kept": the space group of the start; "broken": saddles are left; "free"'
    )
    levels: tuple[str, ...] = Field((), description='cheapest first, e.g. ["chgnet", "gpaw"]; see [verify.level.NAME]')
    level: dict[str, Level] = Field({}, description="settings of the levels above the first, by name")

    @model_validator(mode="after")
    def _levels_begin_here(self) -> Self:
        if self.levels and self.levels[0] != self.calculator:
            raise ValueError(
                f"levels begin with {self.levels[0]!r}, but calculator is {self.calculator!r}: name that one first"
            )
        twice = [name for name in self.levels if self.levels.count(name) > 1]
        if twice:
            raise ValueError(f"levels name {twice[0]!r} twice: each level once, cheapest first")
        stray = [name for name in self.level if name not in self.levels[1:]]
        if stray:
            raise ValueError(f"level.{stray[0]} is not among levels above the first: add {stray[0]!r} to levels")
        return self

    def at(self, name: str) -> Verify:
        """Return the settings of a level as those of a verifier."""
        level = self.level.get(name, Level())
        given = {k: v for k, v in level if k in type(self).model_fields and v is not None}
        return self.model_copy(update={**given, "calculator": name, "levels": (), "level": {}})


class Expert(Section):
    """Settings that few campaigns have a reason to change."""

    steps: int = Field(3, ge=1, le=8, description="message-passing steps of new networks")
    cutoff_ang: float = Field(4.0, gt=1, le=8, description="longest edge of their graphs, Å")
    volume_jitter: float = Field(0.2, ge=0, le=0.5, description="volumes in training vary by this share")
    supercell_max: int = Field(4, ge=1, le=16, description="largest supercell of partial substitution, in cells")
    structures_per_composition: int = Field(100, ge=1, description="structures of one formula in random search")


class CampaignConfig(Section):
    """A whole campaign. The same config and seed give the same candidates and the same verdicts."""

    name: str = Field(
        "first", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="a store can hold many campaigns, by name"
    )
    seed: int = Field(0, ge=0, description="of all random numbers")
    rounds: int = Field(3, ge=1, description="a finished campaign can be given more")
    space: Space = Space()
    sources: Sources = Sources()
    generate: Generate = Generate()
    gates: Gates = Gates()
    predict: Predict = Predict()
    select: Selection = Selection()
    stop: Stop = Stop()
    verify: Verify = Verify()
    expert: Expert = Expert()

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, settings: Any) -> Any:
        """Take the names of 0.1 too, and say so."""
        if not isinstance(settings, Mapping):
            return settings
        current, notices = with_current_names(settings)
        if notices:
            text = f"settings under old names, which the next version refuses: {'; '.join(notices)}"
            warnings.warn(text, OldNameWarning, stacklevel=2)
        return current

    @classmethod
    def from_toml(cls, path: Path) -> CampaignConfig:
        """Read a campaign file.

        Raises:
            ConfigError: naming the file, the key and what is allowed there.
        """
        try:
            text = read_limited(Path(path), 1_000_000).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read campaign {path}: {error}; `gnome-lite init` writes one") from error
        try:
            return cls.model_validate(tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigError(f"{path} is not TOML: {error}") from error
        except ValidationError as error:
            raise ConfigError(f"{path}: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """Return the first complaint of a pydantic error in one line, with the keys allowed beside an unknown one."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "[key]") or "campaign"
    if first["type"] == "extra_forbidden":
        section: type[BaseModel] = CampaignConfig
        for part in first["loc"][:-1]:
            # A name inside a table of sections (verify.level.NAME) is no field: what the table holds is the section.
            field = section.model_fields[str(part)].annotation if str(part) in section.model_fields else section
            field = get_args(field)[-1] if get_args(field) else field
            section = field if isinstance(field, type) and issubclass(field, BaseModel) else section
        return f"unknown key {where!r}: allowed are {', '.join(section.model_fields)}"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"
