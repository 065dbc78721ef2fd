"""From what a crystal might be made: sets of known phases, ranked by two energies.

A set of precursors spans a slice of the phase diagram; everything in the slice may form. Two figures speak for a set
(J. Chen et al., Nat. Synth. 3, 606 (2024)): the *reaction energy*, that drives the whole reaction, and the
*inverse-hull energy*, by which the crystal lies below the lowest mixture of everything else in the slice, precursors
included, that drives its last step and keeps it. Sets whose reaction is downhill are ordered by the sum
of their two ranks. Thermodynamics at the level only (solids at 0 K, gases as they are given): no kinetics, no melting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.analysis.equations import Equation, balanced, elements_of, molecule_size
from gnome_lite.analysis.gases import Gas
from gnome_lite.analysis.mixtures import lowest_mixture
from gnome_lite.core.crystals import MAX_Z, formula_counts
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet

FLUID = frozenset((
    "H2", "N2", "O2", "F2", "Cl2", "Br", "Hg", "He", "Ne", "Ar", "Kr", "Xe", "CO", "CO2", "H2O", "H2O2", "H3N",
    "H4C", "HF", "HCl", "HBr", "HI", "H2S", "H2Se", "H3P", "N2O", "NO", "NO2", "N2O4", "SO2", "SO3", "ClO2", "Cl2O",
    "CS2", "COS", "CF4", "CCl4", "NF3", "SF4", "SF6", "SCl2", "S2Cl2", "BF3", "BCl3", "BBr3", "SiF4", "SiCl4",
    "GeF4", "GeCl4", "PF3", "PF5", "PCl3", "AsF3", "AsF5", "TiCl4", "SnCl4", "VCl4", "MoF6", "WF6", "UF6", "OsO4",
))  # fmt: skip
"""Gases and liquids at room temperature, as pymatgen writes them: nobody weighs these in as powders."""
POWDERS = frozenset(("B", "C", "Si", "P", "S", "Ge", "As", "Se", "Sb", "Te", "I"))
"""Elements that are weighed in as such, where the crystal has them; metals only where they are asked for."""
MAX_RANKED = 300
"""Of very many sets only so many, those of the lowest reaction energies, are looked at further."""

_ZERO = 1e-9
_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Route:
    """One set of precursors.

    Attributes:
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
    """Hints for one crystal.

    Attributes:
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
    """Precursor sets of one phase.

    Args:
        given_off: gases that may leave (CO2 of a carbonate), one in a reaction.
        taken_up: gases that may be burnt in, one in a reaction. Reduced precursors then win by the heat of burning.
        max_precursors: at most so many solids at once; two make the fewest detours.
        e_above_hull_max: precursors are known phases at most this far above the hull, eV/atom.
        metals: pure metals may be precursors, too (as for alloys).

    Raises:
        ConfigError: if a limit makes no sense, or the phase is an element.
    """
    if len(phases.elements(index)) == 1:
        raise ConfigError(f"{phases.formulas[index]} is an element: precursors are found for compounds")
    if not 1 <= max_precursors <= 4:
        raise ConfigError(f"max_precursors is {max_precursors}: give 1 to 4")
    gases = {(g.formula, sign): (g, sign) for sign, of in ((-1, given_off), (1, taken_up)) for g in of}
    space = {*phases.elements(index), *(z for g, _ in gases.values() for z in elements_of(g.formula))}
    columns = sorted(space)
    lowest = phases.lowest_within(space)
    rest = np.array([j for j in lowest if phases.formulas[j] != phases.formulas[index]], dtype=np.int64)
    slice_ = _Space(
        phases.fractions[rest][:, columns],
        phases.e_form_ev_per_atom[rest],
        phases.fractions[index, columns],
        float(phases.e_form_ev_per_atom[index]),
    )
    own = set(phases.elements(index))
    rest_own = [len(phases.elements(j)) > 1 or set(phases.elements(j)) <= own for j in rest]
    taken = [j for j in _precursors(phases, rest, columns, e_above_hull_max, metals) if rest_own[j]]
    found: list[tuple[float, tuple[int, ...], Gas | None, int]] = []
    for gas, sign in ((None, 0), *gases.values()):
        for size in range(1, max_precursors + 1):
            found += [
                (e, chosen, gas, sign) for e, chosen in _sets(slice_, taken, size, _column(gas, columns), gas, sign)
            ]
    found.sort(key=lambda f: (round(f[0], 9), len(f[1]), [phases.ids[rest[j]] for j in f[1]]))
    routes = []
    for energy, chosen, gas, sign in found[:MAX_RANKED]:
        solids = [phases.formulas[rest[j]] for j in chosen]
        left = [gas.formula] if gas is not None and sign > 0 else []
        right = [gas.formula] if gas is not None and sign < 0 else []
        equation = balanced(solids + left, [phases.formulas[index], *right])
        inverse, rivals, strongest = _slice(slice_, chosen, _column(gas, columns), gas, sign)
        named = None if strongest is None else (phases.formulas[rest[strongest[0]]], strongest[1])
        names = tuple(phases.ids[rest[j]] for j in chosen)
        routes.append(Route(equation, names, gas.formula if gas else "", energy, inverse, rivals, named))
    mixture, _ = lowest_mixture(slice_.fractions, slice_.energies, slice_.target)
    return Synthesis(
        phases.formulas[index],
        phases.ids[index],
        mixture - slice_.energy,
        len(taken),
        tuple(_ranked(routes)[:limit]),
        len(found),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Space:
    """All other phases, lowest of each composition: fractions [n, d], energies eV/atom [n]; and the target."""

    fractions: NDArray[np.float64]
    energies: NDArray[np.float64]
    target: NDArray[np.float64]
    energy: float


def _precursors(
    phases: PhaseSet, rest: NDArray[np.int64], columns: list[int], e_above_hull_max: float, metals: bool
) -> list[int]:
    """Places in `rest` of what can be weighed in."""
    taken = []
    fractions, energies = phases.fractions[rest][:, columns], phases.e_form_ev_per_atom[rest]
    for place, j in enumerate(rest):
        pure = len(phases.elements(j)) == 1
        metal = pure and phases.formulas[j] not in POWDERS
        if not phases.is_reference[j] or phases.formulas[j] in FLUID or (metal and not metals):
            continue
        below, _ = lowest_mixture(fractions, energies, fractions[place])
        if energies[place] - below <= e_above_hull_max:
            taken.append(place)
    return taken


def _sets(
    space: _Space, taken: list[int], size: int, column: NDArray[np.float64] | None, gas: Gas | None, sign: int
) -> list[tuple[float, tuple[int, ...]]]:
    """(reaction energy per atom of the target, places) of all sets of one size that make it with nothing left."""
    out: list[tuple[float, tuple[int, ...]]] = []
    d = len(space.target)
    if size + (gas is not None) > d:
        return out
    all_sets = combinations(taken, size)
    gas_energy = gas.energy_ev / molecule_size(gas.formula) if gas is not None else 0.0
    while True:
        chosen = np.array([c for _, c in zip(range(_BATCH), all_sets, strict=False)], dtype=np.int64).reshape(-1, size)
        if not len(chosen):
            return out
        matrix = space.fractions[chosen].transpose(0, 2, 1)
        energies = space.energies[chosen]
        if column is not None:
            matrix = np.concatenate([matrix, np.broadcast_to(column[:, None], (len(chosen), d, 1))], axis=2)
            energies = np.column_stack([energies, np.full(len(chosen), gas_energy)])
        amounts = np.linalg.pinv(matrix) @ space.target
        left = np.abs(np.einsum("mdk,mk->md", matrix, amounts) - space.target).max(axis=1)
        independent = np.linalg.det(matrix.transpose(0, 2, 1) @ matrix) > _ZERO
        cost = space.energy - (amounts * energies).sum(axis=1)
        good = (left < _ZERO) & (cost < -_ZERO) & (amounts[:, :size] > _ZERO).all(axis=1) & independent
        if column is not None:
            good &= sign * amounts[:, -1] > _ZERO

        out += [(float(cost[i]), tuple(int(j) for j in chosen[i])) for i in np.flatnonzero(good)]


def _slice(
    space: _Space, chosen: tuple[int, ...], column: NDArray[np.float64] | None, gas: Gas | None, sign: int
) -> tuple[float, int, tuple[int, float] | None]:
    """Inverse-hull energy, number of rivals, and the strongest (place, reaction energy per atom of it)."""
    matrix, energies = space.fractions[list(chosen)].T, space.energies[list(chosen)]
    if column is not None and gas is not None:
        matrix = np.column_stack([matrix, column])
        energies = np.append(energies, gas.energy_ev / molecule_size(gas.formula))
    amounts = space.fractions @ np.linalg.pinv(matrix).T
    inside = (np.abs(amounts @ matrix.T - space.fractions).max(axis=1) < _ZERO) & (
        amounts[:, : len(chosen)] > -_ZERO
    ).all(axis=1)
    if column is not None:
        # The gas' own solid phase is the gas here, and what is made of the gas alone is no rival for the solids.
        inside &= amounts[:, : len(chosen)].sum(axis=1) > _ZERO
    inside[list(chosen)] = True
    rivals = [int(j) for j in np.flatnonzero(inside) if int(j) not in chosen]
    drive = {j: float(space.energies[j] - amounts[j] @ energies) for j in rivals}
    fractions, costs = space.fractions[inside], space.energies[inside]
    if column is not None:
        fractions, costs = np.vstack([fractions, column]), np.append(costs, energies[-1])
    # What is given off may leave the others as well, but is not there to be taken up.
    gas_limits = (0.0, None) if column is None else (None, None) if sign > 0 else (None, 0.0)
    mixture, _ = lowest_mixture(fractions, costs, space.target, gas_limits)
    strongest = min(drive.items(), key=lambda item: (item[1], item[0])) if drive else None
    return mixture - space.energy, len(rivals), strongest


def _ranked(routes: list[Route]) -> list[Route]:
    """By the sum of the ranks of both energies; equals have equal ranks, ties go to the lower reaction energy."""
    by_energy = np.unique([round(r.energy_ev_per_atom, 6) for r in routes], return_inverse=True)[1]
    by_hull = np.unique([round(-r.inverse_hull_ev_per_atom, 6) for r in routes], return_inverse=True)[1]
    order = sorted(range(len(routes)), key=lambda i: (by_energy[i] + by_hull[i], by_energy[i], i))
    return [routes[i] for i in order]


def _column(gas: Gas | None, columns: list[int]) -> NDArray[np.float64] | None:
    if gas is None:
        return None
    counts = np.zeros(MAX_Z + 1)
    counts += formula_counts(gas.formula)
    return counts[columns] / counts.sum()
