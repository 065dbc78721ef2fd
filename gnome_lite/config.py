"""A campaign in words: one pydantic section a stage, read from TOML; an unknown key is refused by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import ConfigError

DEFAULT_ELEMENTS = (
    "Li", "Na", "K", "Mg", "Ca", "Sr", "Ba", "Al", "Si", "Ti", "Mn", "Fe", "Zn", "N", "P", "O", "S", "F", "Cl",
)  # fmt: skip
"""Elements of the bundled seed's compounds: common ones of solid-state chemistry."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Space(Section):
    """The chemical space that candidates may lie in."""

    elements: tuple[str, ...] = DEFAULT_ELEMENTS
    chemical_systems: tuple[str, ...] = ()
    min_elements: Annotated[int, Field(ge=1, le=8)] = 2
    max_elements: Annotated[int, Field(ge=1, le=8)] = 4
    allow_radioactive: bool = False

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


class Sources(Section):
    """Known crystals. All must be of the verifier's level of theory.

    With `licences = "permissive"` those that may not be used by anyone for anything (attribution aside) are left out.
    """

    seed: bool = True
    files: tuple[Path, ...] = ()
    releases: tuple[Path, ...] = ()
    materials_project: tuple[str, ...] = ()
    include_gnome: bool = False
    licences: Literal["any", "permissive"] = "any"


GeneratorName = Literal["substitution", "partial", "prototypes", "random", "intermetallic", "vacancies"]


class Generate(Section):
    """Candidates: a weighted mix of generators.

    Substitution follows Hautier 2011 with GNoME's changes (floor 0, threshold 0.001). Off by default are intermetallic
    substitution, as the default space is one of ionic compounds, and vacancies: the replay labelled pool and the kept
    figures are of the other four. Random search takes formulas that the composition networks put within
    `composition_e_above_hull_max` of the hull (inf: all).
    """

    candidates: Annotated[int, Field(ge=1)] = 1000
    mix: dict[GeneratorName, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {
        "substitution": 4.0,
        "partial": 3.0,
        "prototypes": 2.0,
        "random": 1.0,
    }
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.001
    floor: float = 0.0
    max_atoms: Annotated[int, Field(ge=1)] = 20
    parents_e_above_hull_max: Annotated[float, Field(ge=0)] = 0.2
    supercell_max: Annotated[int, Field(ge=1, le=16)] = 4
    structures_per_composition: Annotated[int, Field(ge=1)] = 100
    composition_e_above_hull_max: float = 0.05
    parents: tuple[Path, ...] = ()

    @field_validator("mix")
    @classmethod
    def _mix_has_parts(cls, value: dict[GeneratorName, float]) -> dict[GeneratorName, float]:
        if not value:
            raise ValueError("is empty: name a generator, e.g. mix = {substitution = 1.0}")
        return value


class Gates(Section):
    """Limits before relaxation; distances as a fraction of the sum of covalent radii."""

    min_distance_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.6
    volume_per_atom_min: float = 4.0
    volume_per_atom_max: float = 80.0
    charge_balance: Literal["strict", "relaxed", "off"] = "strict"


class Predict(Section):
    """The structural graph network and its ensemble. `processes = 0` means one a core.

    Where no `width` is given, networks trained from nothing get one by the device, and any others keep theirs.

    Each round retrains from the base's weights or from those in force, on what is known and what was verified.
    Of the known so many are drawn for each `rehearsal`: enough not to forget them, at a fraction of the price of all
    (0).
    """

    members: Annotated[int, Field(ge=1, le=32)] = 4
    width: Annotated[int, Field(ge=8)] | None = None
    steps: Annotated[int, Field(ge=1, le=8)] = 3
    cutoff_ang: Annotated[float, Field(gt=1, le=8)] = 4.0
    residual: bool = True
    descriptors: bool = True
    layer_norm: bool = True
    angular: Annotated[int, Field(ge=0, le=64)] = 8
    volume_feature: bool = False
    readout: Literal["atoms", "state"] = "atoms"
    epochs: Annotated[int, Field(ge=1)] = 40
    retrain: Literal["always", "never"] = "always"
    retrain_from: Literal["base", "last"] = "base"
    retrain_epochs: Annotated[int, Field(ge=1)] = 6
    rehearsal: Annotated[int, Field(ge=0)] = 4000
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    retrain_learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    volume_jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    jitter_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    batch_size: Annotated[int, Field(ge=1)] = 32
    patience: Annotated[int, Field(ge=0)] = 0
    volume_scan: Annotated[int, Field(ge=0)] = 0
    cascade: bool = True
    carry_over: Annotated[int, Field(ge=0)] = 200
    processes: Annotated[int, Field(ge=0)] = 0


Strategy = Literal["p_stable", "expected_improvement", "greedy", "ion_exchange", "random"]


class Selection(Section):
    """Which candidates are worth a verification; see `select`.

    Attributes:
        budget_s: a round also ends when its relaxations have taken so many seconds together, whatever the processes.
        likely: share of the budget for the likeliest ionic substitutions, whatever the networks say of them.
        explore: share of the budget for candidates that could be stable and of which the networks know least.
        per_system: candidates chosen of one chemical system; 0 = any number.
    """

    strategy: Strategy = "p_stable"
    budget: Annotated[int, Field(ge=1)] = 24
    budget_s: Annotated[float, Field(gt=0)] | None = None
    control: Annotated[int, Field(ge=0)] = 4
    likely: Annotated[float, Field(ge=0, le=1)] = 0.0
    explore: Annotated[float, Field(ge=0, le=1)] = 0.0
    e_above_hull_max: float = 0.05
    per_composition: Annotated[int, Field(ge=1)] = 1
    per_system: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.likely + self.explore > 1:
            raise ValueError(
                f"likely ({self.likely:g}) and explore ({self.explore:g}) are shares of one budget: lower one"
            )
        return self


class Stop(Section):
    """When a campaign has nothing left to find and ends before its rounds do; see `stopping`.

    Attributes:
        patience: so many poor rounds in a row end it; 0 = never.
        hit_rate: a round is poor when both its hit rate and what the networks expected of its choice lie below.
        fresh: or when of the crystals generated, gates aside, a smaller share was new.
    """

    patience: Annotated[int, Field(ge=0)] = 2
    hit_rate: Annotated[float, Field(ge=0, le=1)] = 0.05
    fresh: Annotated[float, Field(ge=0, le=1)] = 0.01


CalculatorKwargs = dict[str, str | int | float | bool]


Symmetry = Literal["free", "kept", "broken"]
"""What a relaxation does with the space group of its start."""


class Level(Section):
    """One level of the ladder above the first. What is None is as in `verify`.

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
    fmax_ev_per_ang: Annotated[float, Field(gt=0)] | None = None
    max_steps: Annotated[int, Field(ge=0)] | None = None
    deadline_s: Annotated[float, Field(gt=0)] = 3600.0
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    processes: Annotated[int, Field(ge=0)] | None = None
    tries: Annotated[int, Field(ge=1, le=5)] | None = None
    symmetry: Symmetry | None = None


class Verify(Section):
    """Relaxation by a calculator in child processes. `processes = 0` means one a core.

    `symmetry` "broken": symmetric saddles are left, as the bundled seed's were; "free": as forces have it, like most
    optimisers; "kept": no crystal leaves the space group it starts with.

    `levels` is the ladder, cheap to dear; its first step is `calculator`. `level` has the settings of the others.
    """

    calculator: str = "chgnet"
    calculator_kwargs: CalculatorKwargs = {}
    fmax_ev_per_ang: Annotated[float, Field(gt=0)] = 0.05
    max_steps: Annotated[int, Field(ge=1)] = 200
    deadline_s: Annotated[float, Field(gt=0)] = 120.0
    memory_gib: Annotated[float, Field(gt=0)] = 6.0
    processes: Annotated[int, Field(ge=0)] = 0
    tries: Annotated[int, Field(ge=1, le=5)] = 2
    trajectories: Literal["off", "extxyz", "parquet"] = "off"
    symmetry: Symmetry = "broken"
    levels: tuple[str, ...] = ()
    level: dict[str, Level] = {}

    @model_validator(mode="after")
    def _ladder_begins_here(self) -> Self:
        if self.levels and self.levels[0] != self.calculator:
            raise ValueError(
                f"levels begin with {self.levels[0]!r}, but calculator is {self.calculator!r}: name that one first"
            )
        twice = [name for name in self.levels if self.levels.count(name) > 1]
        if twice:
            raise ValueError(f"levels name {twice[0]!r} twice: each level once, cheap to dear")
        stray = [name for name in self.level if name not in self.levels[1:]]
        if stray:
            raise ValueError(f"level.{stray[0]} is not among levels above the first: add {stray[0]!r} to levels")
        return self

    def at(self, name: str) -> Verify:
        """The settings of a level of the ladder, as those of a verifier."""
        level = self.level.get(name, Level())
        given = {k: v for k, v in level if k in type(self).model_fields and v is not None}
        return self.model_copy(update={**given, "calculator": name, "levels": (), "level": {}})


class CampaignConfig(Section):
    """A whole campaign. The same config and seed give the same candidates and the same verdicts."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "first"
    seed: Annotated[int, Field(ge=0)] = 0
    rounds: Annotated[int, Field(ge=1)] = 3
    space: Space = Space()
    sources: Sources = Sources()
    generate: Generate = Generate()
    gates: Gates = Gates()
    predict: Predict = Predict()
    select: Selection = Selection()
    stop: Stop = Stop()
    verify: Verify = Verify()

    @classmethod
    def from_toml(cls, path: Path) -> CampaignConfig:
        """Read a campaign file.

        Raises:
            ConfigError: naming the file, the key and what is allowed there.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read campaign {path}: {error}; `gnome-lite init` writes one") from error
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is not TOML: {error}") from error
        except ValidationError as error:
            raise ConfigError(f"{path}: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """The first complaint of a pydantic error in one line, with the keys allowed beside an unknown one."""
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
