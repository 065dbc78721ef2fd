"""Reactions of a crystal, by itself and in each gas of air: balanced equations with energies at the level.

Energies are differences of formation energies at 0 K, without vibrations (for those of gases see `analysis.gases`).
Only known phases can be products: where the reference set has no carbonate of an element, its oxide looks indifferent
to CO2. So a reaction tells how many phases with the gas' own elements were at hand.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.analysis.equations import Equation, balanced, elements_of, fractions_of, molecule_size
from gnome_lite.analysis.gases import Gas
from gnome_lite.analysis.mixtures import lowest_mixture
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet

_TRACE = 1e-7


@dataclass(frozen=True, slots=True)
class Reaction:
    """Reaction of one crystal.

    Attributes:
        equation: with the crystal among the reactants.
        product_ids: ids of the products, in order (a gas by the phase its energy is from).
        energy_ev_per_formula: energy for each formula unit of the crystal, eV; negative = downhill.
        energy_ev_per_atom: energy for each atom of the crystal, eV.
        phases: how many phases could have been products.
        with_gas: of these, how many hold an element that only the gas brings, or, where it brings none, all of its
            elements. 0 means that this reaction was hardly possible to find.
    """

    equation: Equation
    product_ids: tuple[str, ...]
    energy_ev_per_formula: float
    energy_ev_per_atom: float
    phases: int
    with_gas: int = 0

    @property
    def downhill(self) -> bool:
        """Whether it lowers the energy by more than 0.1 meV/atom."""
        return self.energy_ev_per_atom < -1e-4


def decomposition(phases: PhaseSet, index: int, polymorphs: bool = True) -> Reaction | None:
    """Return the reaction into the lowest mixture of all other phases; None where there is none (an only element).

    With polymorphs of its own composition its energy is minus the decomposition energy of the verdict: positive for a
    crystal on the hull.
    """
    others = _others(phases, index, phases.elements(index))
    same = np.array([phases.formulas[j] == phases.formulas[index] for j in others], dtype=bool)
    if not polymorphs:
        others = others[~same]
    elif len(phases.elements(index)) == 1:
        others = others[same]
    return _reaction(phases, index, others) if len(others) else None


def with_gas(phases: PhaseSet, index: int, gas: Gas, others: Sequence[Gas] = ()) -> Reaction | None:
    """Return the reaction with a gas that lowers the energy most, per formula unit of the crystal.

    As much of the gas is taken up as lowers the energy; it may also be given off, and `others` may be products.
    Polymorphs of the crystal are no products. For oxygen it is the distance to the hull of the grand potential (Ong et
    al., Chem. Mater. 20, 1798 (2008)); a gas of two elements counts as one element. None where no known phases can be
    made of the crystal and the gas.

    Raises:
        ConfigError: if the crystal is the gas itself.
    """
    formula, own, brought = phases.formulas[index], set(phases.elements(index)), set(elements_of(gas.formula))
    if formula == gas.formula:
        raise ConfigError(f"{gas.formula} does not react with itself: name another crystal or gas")
    elements = own | brought
    gases = [g for g in others if g.formula not in (gas.formula, formula) and set(elements_of(g.formula)) <= elements]
    replaced = {formula, gas.formula, *(g.formula for g in gases)}
    candidates = _others(phases, index, elements)
    candidates = candidates[[phases.formulas[j] not in replaced for j in candidates]]
    present = phases.counts[candidates] > 0
    needed = present[:, sorted(brought - own)].any(axis=1) if brought - own else present[:, sorted(brought)].all(axis=1)
    return _reaction(phases, index, candidates, gas, gases, int(needed.sum()))


def _others(phases: PhaseSet, index: int, elements: Collection[int]) -> NDArray[np.int64]:
    """Return the lowest phase of each composition; in place of the phase itself its lowest polymorph."""
    lowest = phases.lowest_within(elements)
    if index not in lowest:
        return lowest
    others = phases.polymorphs(index)
    return np.append(lowest[lowest != index], others[others != index][:1])


def _reaction(
    phases: PhaseSet, index: int, others: NDArray[np.int64], gas: Gas | None = None, gases: Sequence[Gas] = (),
    n_with_gas: int = 0,
) -> Reaction | None:  # fmt: skip
    """Return the reaction of a phase, and where it is given a gas, into the lowest mixture of others and gases."""
    molecules = [*gases, gas] if gas is not None else []
    formulas = [phases.formulas[j] for j in others] + [g.formula for g in molecules]
    ids = [phases.ids[j] for j in others] + [g.phase_id for g in molecules]
    energies_ev = [_energy_ev(phases, j) for j in others] + [g.energy_ev for g in molecules]
    columns = np.vstack([phases.fractions[others], *(fractions_of(f) for f in formulas[len(others) :])])
    cost = np.append(phases.e_form_ev_per_atom[others], [g.energy_ev / molecule_size(g.formula) for g in molecules])
    used = np.flatnonzero(columns.any(axis=0) | (phases.counts[index] > 0))
    last = (None, None) if gas is not None else (0.0, None)
    energy, amounts = lowest_mixture(columns[:, used], cost, phases.fractions[index, used], last)
    if not np.isfinite(energy):
        return None
    products = np.flatnonzero(amounts > _TRACE).tolist()
    products.sort(key=lambda k: (-round(float(amounts[k]), 9), formulas[k]))
    formula = phases.formulas[index]
    reactants = {formula: _energy_ev(phases, index)}
    if gas is not None and amounts[-1] < -_TRACE:
        reactants[gas.formula] = gas.energy_ev
    equation = balanced(list(reactants), [formulas[k] for k in products])
    made, taken = dict(equation.products), dict(equation.reactants)
    energy = sum(made[formulas[k]] * energies_ev[k] for k in products) - sum(taken[f] * e for f, e in reactants.items())
    per_formula = energy / taken[formula]
    per_atom = per_formula / molecule_size(formula)
    n_phases = len(others) + len(gases)
    return Reaction(equation, tuple(ids[k] for k in products), per_formula, per_atom, n_phases, n_with_gas)


def _energy_ev(phases: PhaseSet, index: int) -> float:
    """Return the formation energy of a formula unit, eV."""
    return float(phases.e_form_ev_per_atom[index]) * molecule_size(phases.formulas[index])
