"""What can be asked of a store, and what it answers: the one list of both.

A field of `Query` carries its option on the command line, a field of `StoredCrystal` its column in tables, the column
of the store that it is read from and its name as a sort key. The commands, the keyword filters of Python, the SQL and
the tables are made from these two classes. Nothing heavy is imported here: `--help` reads this module.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from gnome_lite.core.errors import ConfigError

if TYPE_CHECKING:
    from gnome_lite.core.crystals import Crystal


def column(
    heading: str | None = None, table: str | None = None, name: str | None = None, sort: str | None = None
) -> dict[str, Any]:
    """Describe a field of `StoredCrystal`.

    Args:
        heading: in tables, as in GNoME's release where that has it; None = in none.
        table: of the store that it is read from; None = worked out.
        name: of the column there, where it is another than the field's.
        sort: its name as a sort key; None = hits are not sorted by it.
    """
    return {"heading": heading, "table": table, "name": name, "sort": sort}


@dataclass(frozen=True, slots=True, eq=False)
class StoredCrystal:
    """One stored crystal with its latest verdict at a level. Without a verdict what rests on one is None.

    Attributes:
        composition: of the cell, elements in alphabetical order.
        formula: reduced formula.
        volume: of the relaxed cell, Å^3; `volume_per_atom` likewise.
        density: of the relaxed crystal, g/cm^3.
        energy_ev: of the relaxed cell, at `level`.
        level: of theory, of the verdict and of the relaxed crystal.
        campaign, round: where it was verified, or proposed if it is not verified.
        predicted_e_form_ev_per_atom: of the last prediction in that campaign, as `spread`, `p_stable` and so on.
        novelty: what is new about it beside the references, a value of `NoveltyKind`; None for a reported compound.
        crystal: relaxed, None without a successful verification.
        input_crystal: as proposed.
    """

    composition: str = field(init=False, metadata=column("Composition"))
    id: str = field(metadata=column("MaterialId", "candidate", sort="id"))
    formula: str = field(metadata=column("Reduced Formula", "candidate", sort="formula"))
    elements: tuple[str, ...] = field(init=False, metadata=column("Elements"))
    n_sites: int = field(metadata=column("NSites", "candidate", sort="n_sites"))
    volume: float | None = field(init=False, metadata=column("Volume"))
    density: float | None = field(metadata=column("Density", "verification"))
    point_group: str | None = field(init=False, metadata=column("Point Group"))
    space_group: str | None = field(metadata=column("Space Group", "verification"))
    space_group_number: int | None = field(metadata=column("Space Group Number", "verification"))
    crystal_system: str | None = field(init=False, metadata=column("Crystal System"))
    e_form_ev_per_atom: float | None = field(metadata=column("Formation Energy Per Atom", "verdict", sort="e_form"))
    decomposition_ev_per_atom: float | None = field(
        metadata=column("Decomposition Energy Per Atom", "verdict", sort="decomposition")
    )
    e_above_hull_ev_per_atom: float | None = field(
        metadata=column("Energy Above Hull Per Atom", "verdict", sort="e_above_hull")
    )
    products: tuple[tuple[str, str, float], ...] = field(metadata=column("Products", "verdict"))
    novel: bool | None = field(metadata=column("Novel", "verdict"))
    nearest_known: str | None = field(metadata=column("Nearest Known", "verdict"))
    novelty: str | None = field(metadata=column("Novelty", "verdict"))
    ordering_suspect: bool | None = field(metadata=column("Ordering Suspect", "verdict"))
    flags: tuple[str, ...] = field(metadata=column("Flags", "verdict"))
    prototype: str | None = field(metadata=column("Prototype", "verdict"))
    new_prototype: bool | None = field(metadata=column("New Prototype", "verdict"))
    analogue: str | None = field(metadata=column("Nearest Analogue", "verdict"))
    level: str | None = field(metadata=column("Level", "verdict"))
    hull_id: str | None = field(metadata=column("Hull Id", "verdict"))
    campaign: str = field(metadata=column("Campaign"))
    round: int = field(metadata=column("Round", sort="round"))
    parent_id: str = field(metadata=column("Parent Id", "candidate"))
    generator: str = field(metadata=column("Generator", "candidate"))
    change: str = field(metadata=column("Change", "candidate"))
    predicted_e_form_ev_per_atom: float | None = field(
        metadata=column("Predicted Formation Energy Per Atom", "prediction", "e_form_ev_per_atom")
    )
    spread_ev_per_atom: float | None = field(metadata=column("Predicted Spread Per Atom", "prediction"))
    predicted_e_above_hull_ev_per_atom: float | None = field(
        metadata=column(
            "Predicted Energy Above Hull Per Atom", "prediction", "e_above_hull_ev_per_atom", "predicted_e_above_hull"
        )
    )
    p_stable: float | None = field(metadata=column("P Stable", "prediction", sort="p_stable"))
    model_id: str | None = field(metadata=column("Model Id", "prediction"))
    chemical_system: str = field(metadata=column(table="candidate"))
    volume_per_atom: float | None = field(metadata=column(table="verification"))
    energy_ev: float | None = field(metadata=column(table="verification"))
    crystal: Crystal | None = field(metadata=column())
    input_crystal: Crystal = field(metadata=column())

    def __post_init__(self) -> None:
        from gnome_lite.chemistry.space_groups import crystal_system, point_group
        from gnome_lite.core.crystals import symbol

        counts, number, volume = self.input_crystal.counts, self.space_group_number, self.volume_per_atom
        atoms = sorted((symbol(z), int(counts[z])) for z in counts.nonzero()[0])
        for name, value in (
            ("composition", "".join(f"{element}{n}" for element, n in atoms)),
            ("elements", tuple(element for element, _ in atoms)),
            ("volume", None if volume is None else volume * self.n_sites),
            ("point_group", None if number is None else point_group(number)),
            ("crystal_system", None if number is None else crystal_system(number)),
        ):
            object.__setattr__(self, name, value)

    @property
    def stable(self) -> bool | None:
        """Surrogate-stable at its level; None without a verdict."""
        from gnome_lite.core.records import STABLE_EV_PER_ATOM

        above = self.e_above_hull_ev_per_atom
        return None if above is None else above <= STABLE_EV_PER_ATOM


COLUMNS: dict[str, str] = {f.metadata["heading"]: f.name for f in fields(StoredCrystal) if f.metadata["heading"]}
"""Headings of tables, and the fields under them; energies in eV/atom, Volume in Å^3, Density in g/cm^3."""

SORTS: dict[str, str] = {f.metadata["sort"]: f.name for f in fields(StoredCrystal) if f.metadata["sort"]}
"""What hits can be sorted by: ascending, p_stable descending; ties by id; crystals without it last."""


def option(kind: type, help: str, *flags: str, metavar: str | None = None) -> dict[str, Any]:
    """Describe the option of a field of `Query`: `--name-of-the-field` where no flags are given."""
    return {"kind": kind, "help": help, "flags": flags, "metavar": metavar}


Symbols = Sequence[str] | str
"""Element symbols, as a sequence or as "Li,O"."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which stored crystals are wanted; the default is every crystal that has a verdict.

    What each field asks for stands beside it. With `campaign`, hits are what it selected (with `include_unverified`:
    proposed), with its own verdicts; `level` is that of the verdicts, a campaign's own where it is not given.

    Raises:
        ConfigError: naming the field and what is allowed there.
    """

    elements: Symbols = field(default=(), metadata=option(str, "Has all of these elements.", metavar="Li,O"))
    only: Symbols = field(default=(), metadata=option(str, "Has none but these elements.", metavar="Li,Fe,O"))
    exclude: Symbols = field(default=(), metadata=option(str, "Has none of these elements.", metavar="F"))
    chemical_system: str | None = field(
        default=None, metadata=option(str, "Has exactly these elements.", "--chemsys", metavar="Li-Fe-O")
    )
    formula: str | None = field(default=None, metadata=option(str, "Has this composition.", metavar="LiFePO4"))
    e_above_hull_max: float | None = field(
        default=None,
        metadata=option(float, "At most this far above the hull, eV/atom.", "--e-hull-max", metavar="EV"),
    )
    stable: bool = field(default=False, metadata=option(bool, "On the hull (surrogate-stable).", "--stable"))
    n_sites: int | str | None = field(
        default=None, metadata=option(str, "Atoms in the cell.", "--nsites", metavar="1-40")
    )
    n_sites_min: int | None = None
    n_sites_max: int | None = None
    space_group: int | str | None = field(
        default=None, metadata=option(str, "Space group, number or symbol.", "--sg", metavar="225")
    )
    prototype: str | None = field(
        default=None, metadata=option(str, "Wyckoff-labelled prototype.", metavar="AB_cF8_225_a_b")
    )
    novel: bool | None = field(
        default=None,
        metadata=option(bool, "Neither among the references nor verified before / either.", "--novel/--no-novel"),
    )
    ordering_suspect: bool | None = field(
        default=None, metadata=option(bool, "Maybe an ordering of a solid solution / not.", "--suspect/--no-suspect")
    )
    level: str | None = field(
        default=None, metadata=option(str, "At this level of theory, or the one it alone begins.", metavar="NAME")
    )
    confirmed: str | None = field(
        default=None, metadata=option(str, "On the hull of a level so named, too, e.g. r2scan.", metavar="WORD")
    )
    campaign: str | None = field(default=None, metadata=option(str, "Of this campaign.", metavar="NAME"))
    round: int | None = field(default=None, metadata=option(int, "Of this round.", metavar="N"))
    include_unverified: bool = field(
        default=False, metadata=option(bool, "Also candidates without a verdict.", "--unverified")
    )
    sort: str = field(default="e_above_hull", metadata=option(str, f"By one of {', '.join(SORTS)}."))
    limit: int | None = field(default=None, metadata=option(int, "At most so many."))

    def __post_init__(self) -> None:
        from gnome_lite.chemistry.space_groups import number_of

        for name in ("elements", "only", "exclude"):
            self.numbers(name)
        if self.chemical_system is not None:
            self.reduced_system()
        if self.formula is not None:
            self.reduced_formula()
        if self.space_group is not None:
            number_of(self.space_group)
        if self.e_above_hull_max is not None and not math.isfinite(self.e_above_hull_max):
            raise ConfigError(f"e_above_hull_max is {self.e_above_hull_max}: give eV/atom, e.g. 0.05")
        low, high = self.site_range()
        if (low is not None and low < 1) or (high is not None and high < (low or 1)):
            raise ConfigError(f"no crystal has between {low} and {high} sites: give 1 <= n_sites_min <= n_sites_max")
        if self.sort not in SORTS:
            raise ConfigError(f"cannot sort by {self.sort!r}: choose from {', '.join(SORTS)}")
        if self.limit is not None and self.limit < 0:
            raise ConfigError(f"limit is {self.limit}: give 0 or more")

    @classmethod
    def make(cls, query: Query | None = None, /, **filters: Any) -> Query:
        """Return the query of keyword filters (None = not given), on top of another query.

        Raises:
            ConfigError: if there is no such filter, or its value is not allowed.
        """
        known = [f.name for f in fields(cls)]
        if unknown := [name for name in filters if name not in known]:
            raise ConfigError(f"there is no filter {', '.join(unknown)}: choose from {', '.join(known)}")
        return replace(query or cls(), **{name: value for name, value in filters.items() if value is not None})

    def numbers(self, name: str) -> list[int]:
        """Return the atomic numbers of `elements`, `only` or `exclude`."""
        given = getattr(self, name)
        return _numbers(_parts(given, ",") if isinstance(given, str) else given, name)

    def reduced_system(self) -> str:
        """Return the chemical system as the store writes it."""
        from gnome_lite.core.crystals import chemical_system

        if not (self.chemical_system or "").strip("- "):
            raise ConfigError("the chemical system of --chemsys is empty: write e.g. Li-Fe-O")
        return chemical_system(_numbers(_parts(self.chemical_system or "", "-"), "chemical_system"))

    def reduced_formula(self) -> str:
        """Return the formula as the store writes it."""
        from gnome_lite.core.crystals import formula_counts, reduced_formula

        try:
            return reduced_formula(formula_counts(self.formula or ""))
        except ValueError as error:
            raise ConfigError(f"{self.formula!r} is not a formula ({error}): write e.g. LiFePO4") from error

    def site_range(self) -> tuple[int | None, int | None]:
        """Return the fewest and most atoms in the cell, from n_sites ("1-40", "-40", "8-" or 8) or its limits."""
        if self.n_sites is None:
            return self.n_sites_min, self.n_sites_max
        low, dash, high = str(self.n_sites).strip().partition("-")
        if not all(part.isdecimal() for part in (low, high) if part) or not (low or high):
            raise ConfigError(f"n_sites {self.n_sites!r} is not a range: write e.g. 1-40, 8- or 8")
        first = int(low) if low else None
        return first, (int(high) if high else None) if dash else first


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip() or separator == "-"]


def _numbers(elements: Sequence[str], name: str) -> list[int]:
    from gnome_lite.core.crystals import atomic_number

    try:
        return [atomic_number(e) for e in elements]
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
