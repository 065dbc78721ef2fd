"""Synthesis routes of a crystal: sets of known phases as precursors, ranked by two energies.

A set of precursors spans a slice of the phase diagram; everything in the slice may form. Two figures judge a set
(J. Chen et al., Nat. Synth. 3, 606 (2024)): the *reaction energy*, that drives the whole reaction, and the
*inverse-hull energy*, by which the crystal lies below the lowest mixture of everything else in the slice, precursors
included, that drives its last step and keeps it. Sets whose reaction is downhill are ordered by the sum
of their two ranks. Thermodynamics at the level only (solids at 0 K, gases as they are given): no kinetics, no melting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from gnome_lite.analysis.equations import Equation, balanced, elements_of, fractions_of, molecule_size
from gnome_lite.analysis.gases import Gas
from gnome_lite.analysis.mixtures import lowest_mixture
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet

FLUID = frozenset((
    "H2", "N2", "O2", "F2", "Cl2", "Br", "Hg", "He", "Ne", "Ar", "Kr", "Xe", "CO", "CO2", "H2O", "H2O2", "H3N",
    "H4C", "HF", "HCl", "HBr", "HI", "H2S", "H2Se", "H3P", "N2O", "NO", "NO2", "N2O4", "SO2", "SO3", "ClO2", "Cl2O",
    "CS2", "COS", "CF4", "CCl4", "NF3", "SF4", "SF6", "SCl2", "S2Cl2", "BF3", "BCl3", "BBr3", "SiF4", "SiCl4",
    "GeF4", "GeCl4", "PF3", "PF5", "PCl3", "AsF3", "AsF5", "TiCl4", "SnCl4", "VCl4", "MoF6", "WF6", "UF6", "OsO4",
))  # fmt: skip
"""Gases and liquids at room temperature, as pymatgen writes them, which cannot be weighed in as powders."""
POWDERS = frozenset(("B", "C", "Si", "P", "S", "Ge", "As", "Se", "Sb", "Te", "I"))
"""Elements that are weighed in as such, where the crystal has them; metals only where they are asked for."""
MAX_RANKED = 300
"""At most so many sets, those of the lowest reaction energies, are ranked."""

_ZERO = 1e-9
_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Route:
    """One set of precursors.

    Attributes:
        equation: that makes the crystal.
        precursor_ids: in the order of the equation, without the gas.
        gas: formula of a gas that is taken up or given off, "" if none is.
        energy_ev_per_atom: reaction energy of an atom of the crystal; negative = downhill.
        inverse_hull_ev_per_atom: how far the crystal lies below the lowest mixture of all else in the slice.
        rivals: how many other phases lie in the slice.
        strongest_rival: formula of the one that forms from the precursors with the most energy, and that energy in eV
            per atom of it (negative = downhill); None if there is none.
    """

    equation: Equation
    precursor_ids: tuple[str, ...]
    gas: str
    energy_ev_per_atom: float
    inverse_hull_ev_per_atom: float
    rivals: int
    strongest_rival: tuple[str, float] | None


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Synthesis routes of one crystal.

    Attributes:
        formula, id: of the crystal.
        inverse_hull_ev_per_atom: how far it lies below the hull of all phases of other compositions (negative = above).
            A slice holds fewer phases, so its figure is no less, but where a gas is taken up as from a reservoir.
        precursors: how many known phases could be taken.
        routes: best first.
        n_routes: how many downhill ones there are in all.
    """

    formula: str
    id: str
    inverse_hull_ev_per_atom: float
    precursors: int
    routes: tuple[Route, ...]
    n_routes: int


def synthesis(
    phases: PhaseSet,
    index: int,
    given_off: Sequence[Gas] = (),
    taken_up: Sequence[Gas] = (),
    *,
    max_precursors: int = 2,
    e_above_hull_max: float = 0.05,
    metals: bool = False,
    limit: int = 10,
) -> Synthesis:
    """Rank precursor sets of one phase.

    Args:
        phases: all known phases.
        index: place of the phase to make.
        given_off: gases that may leave (CO2 of a carbonate), one in a reaction.
        taken_up: gases that may be burnt in, one in a reaction. Reduced precursors then win by the heat of burning.
        max_precursors: at most so many solids at once.
        e_above_hull_max: precursors are known phases at most this far above the hull, eV/atom.
        metals: whether pure metals may be precursors, too (as for alloys).
        limit: how many routes to return.

    Raises:
        ConfigError: if a limit makes no sense, or the phase is an element.
    """
    if len(phases.elements(index)) == 1:
        raise ConfigError(f"{phases.formulas[index]} is an element: precursors are found for compounds")
    if not 1 <= max_precursors <= 4:
        raise ConfigError(f"max_precursors is {max_precursors}: give 1 to 4")
    exchanges = {(g.formula, sign): (g, sign) for sign, of in ((-1, given_off), (1, taken_up)) for g in of}
    own = set(phases.elements(index))
    space = own.union(*(elements_of(g.formula) for g, _ in exchanges.values()))
    columns = sorted(space)
    lowest = phases.lowest_within(space)
    rest = lowest[[phases.formulas[j] != phases.formulas[index] for j in lowest]]
    everything = _Space(
        phases.fractions[rest][:, columns], phases.e_form_ev_per_atom[rest], phases.fractions[index, columns],
        float(phases.e_form_ev_per_atom[index]),
    )  # fmt: skip
    taken = _precursors(phases, index, rest, everything, e_above_hull_max, metals)
    found: list[tuple[float, tuple[int, ...], _Exchange | None]] = []
    for exchange in (None, *(_Exchange(g, sign, fractions_of(g.formula)[columns]) for g, sign in exchanges.values())):
        for size in range(1, max_precursors + 1):
            found += [(energy, chosen, exchange) for energy, chosen in _sets(everything, taken, size, exchange)]
    found.sort(key=lambda f: (round(f[0], 9), len(f[1]), [phases.ids[rest[j]] for j in f[1]]))
    routes = []
    for energy, chosen, exchange in found[:MAX_RANKED]:
        gas, sign = (exchange.gas.formula, exchange.sign) if exchange is not None else ("", 0)
        solids = [phases.formulas[rest[j]] for j in chosen]
        equation = balanced(solids + [gas] * (sign > 0), [phases.formulas[index]] + [gas] * (sign < 0))
        inverse, rivals, strongest = _slice(everything, chosen, exchange)
        named = None if strongest is None else (phases.formulas[rest[strongest[0]]], strongest[1])
        names = tuple(phases.ids[rest[j]] for j in chosen)
        routes.append(Route(equation, names, gas, energy, inverse, rivals, named))
    mixture, _ = lowest_mixture(everything.fractions, everything.energies, everything.target)
    best = tuple(_ranked(routes)[:limit])
    return Synthesis(
        phases.formulas[index], phases.ids[index], mixture - everything.energy, len(taken), best, len(found)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Space:
    """All other phases, lowest of each composition: fractions [n, d], energies eV/atom [n]; and the target."""

    fractions: NDArray[np.float64]
    energies: NDArray[np.float64]
    target: NDArray[np.float64]
    energy: float


@dataclass(frozen=True, slots=True, eq=False)
class _Exchange:
    """A gas of atomic fractions [d] that is taken up (sign 1) or given off (-1)."""

    gas: Gas
    sign: int
    fractions: NDArray[np.float64]

    @property
    def energy_ev_per_atom(self) -> float:
        return self.gas.energy_ev / molecule_size(self.gas.formula)


def _precursors(
    phases: PhaseSet, index: int, rest: NDArray[np.int64], space: _Space, e_above_hull_max: float, metals: bool
) -> list[int]:
    """Return the places in `rest` of what can be weighed in."""
    taken = []
    own = set(phases.elements(index))
    for place, j in enumerate(rest):
        elements, formula = set(phases.elements(j)), phases.formulas[j]
        pure = len(elements) == 1
        metal = pure and formula not in POWDERS
        if not phases.is_reference[j] or formula in FLUID or (metal and not metals) or (pure and not elements <= own):
            continue
        below, _ = lowest_mixture(space.fractions, space.energies, space.fractions[place])
        if space.energies[place] - below <= e_above_hull_max:
            taken.append(place)
    return taken


def _sets(
    space: _Space, taken: list[int], size: int, exchange: _Exchange | None
) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Yield (reaction energy per atom of the target, places) of all sets of a size that make it with nothing left."""
    d = len(space.target)
    if size + (exchange is not None) > d:
        return
    all_sets = combinations(taken, size)
    while batch := list(islice(all_sets, _BATCH)):
        chosen = np.array(batch, dtype=np.int64)
        matrix = space.fractions[chosen].transpose(0, 2, 1)
        energies = space.energies[chosen]
        if exchange is not None:
            gas = np.broadcast_to(exchange.fractions[:, None], (len(chosen), d, 1))
            matrix = np.concatenate([matrix, gas], axis=2)
            energies = np.column_stack([energies, np.full(len(chosen), exchange.energy_ev_per_atom)])
        amounts = np.linalg.pinv(matrix) @ space.target
        left = np.abs(np.einsum("mdk,mk->md", matrix, amounts) - space.target).max(axis=1)
        independent = np.linalg.det(matrix.transpose(0, 2, 1) @ matrix) > _ZERO
        cost = space.energy - (amounts * energies).sum(axis=1)
        good = (left < _ZERO) & (cost < -_ZERO) & (amounts[:, :size] > _ZERO).all(axis=1) & independent
        if exchange is not None:
            good &= exchange.sign * amounts[:, -1] > _ZERO
        yield from ((float(cost[i]), batch[i]) for i in np.flatnonzero(good))


def _slice(
    space: _Space, chosen: tuple[int, ...], exchange: _Exchange | None
) -> tuple[float, int, tuple[int, float] | None]:
    """Return inverse-hull energy, number of rivals, and the strongest (place, reaction energy per atom of it)."""
    matrix, energies = space.fractions[list(chosen)].T, space.energies[list(chosen)]
    if exchange is not None:
        matrix = np.column_stack([matrix, exchange.fractions])
        energies = np.append(energies, exchange.energy_ev_per_atom)
    amounts = space.fractions @ np.linalg.pinv(matrix).T
    solids = amounts[:, : len(chosen)]
    inside = (np.abs(amounts @ matrix.T - space.fractions).max(axis=1) < _ZERO) & (solids > -_ZERO).all(axis=1)
    if exchange is not None:
        # The gas' own solid phase is the gas here, and what is made of the gas alone is no rival for the solids.
        inside &= solids.sum(axis=1) > _ZERO
    inside[list(chosen)] = True
    rivals = np.setdiff1d(np.flatnonzero(inside), chosen).tolist()
    drive = [(float(space.energies[j] - amounts[j] @ energies), j) for j in rivals]
    fractions, costs = space.fractions[inside], space.energies[inside]
    gas_limits: tuple[float | None, float | None] = (0.0, None)
    if exchange is not None:
        fractions, costs = np.vstack([fractions, exchange.fractions]), np.append(costs, energies[-1])
        # What is given off may leave the others as well, but is not there to be taken up.
        gas_limits = (None, None) if exchange.sign > 0 else (None, 0.0)
    mixture, _ = lowest_mixture(fractions, costs, space.target, gas_limits)
    return mixture - space.energy, len(rivals), min(drive)[::-1] if drive else None


def _ranked(routes: list[Route]) -> list[Route]:
    """Sort by the sum of the ranks of both energies; ties go to the lower reaction energy."""
    by_energy = np.unique([round(r.energy_ev_per_atom, 6) for r in routes], return_inverse=True)[1]
    by_hull = np.unique([round(-r.inverse_hull_ev_per_atom, 6) for r in routes], return_inverse=True)[1]
    order = sorted(range(len(routes)), key=lambda i: (by_energy[i] + by_hull[i], by_energy[i], i))
    return [routes[i] for i in order]
