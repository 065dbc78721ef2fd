"""What a crystal would become: by itself, and in each gas of air. Balanced equations with energies at the level.

Energies are differences of formation energies at 0 K, without vibrations (what a gas' energy is: `stability.gases`).
And only phases that are known can be products: where no carbonate of an element is in the reference set, its oxide
looks indifferent to CO2. So a reaction tells how many phases with the gas' own elements were at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.analysis.equations import Equation, balanced, elements_of, molecule_size
from gnome_lite.analysis.gases import Gas
from gnome_lite.analysis.mixtures import lowest_mixture
from gnome_lite.core.crystals import formula_counts
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet

_TRACE = 1e-7


@dataclass(frozen=True, slots=True)
class Reaction:
    """What one crystal becomes.

    Attributes:
        product_ids: of the phases on the right, in order (a gas by the phase its energy is from).
        energy_ev_per_formula: of a formula unit of the crystal used up, eV; negative = downhill.
        energy_ev_per_atom: of an atom of the crystal.
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
        """It lowers the energy by more than 0.1 meV/atom."""
        return self.energy_ev_per_atom < -1e-4


def decomposition(phases: PhaseSet, index: int, polymorphs: bool = True) -> Reaction | None:
    """Into the lowest mixture of all its other phases; None where there is none (an element's only phase).

    With polymorphs of its own composition its energy is minus the decomposition energy of the verdict: positive for a
    crystal on the hull.
    """
    others = _others(phases, index, phases.elements(index))
    if not polymorphs:
        others = others[[phases.formulas[j] != phases.formulas[index] for j in others]]
    elif len(phases.elements(index)) == 1:
        others = others[[phases.formulas[j] == phases.formulas[index] for j in others]]
    if not len(others):
        return None
    found = _lowest(phases, index, others, None, ())
    return None if found is None else _reaction(phases, index, found, None, len(others), 0)


def with_gas(phases: PhaseSet, index: int, gas: Gas, others: Sequence[Gas] = ()) -> Reaction | None:
    """The reaction that lowers the energy most, per formula unit of the crystal, with as much of a gas as it takes.

    The gas may also be given off. Polymorphs of the crystal are no products. For oxygen it is the distance to the hull
    of the grand potential (Ong et al., Chem. Mater. 20, 1798 (2008)); a gas of two elements counts as one element.

    Args:
        others: further gases, which may be products.

    Returns:
        None where no known phases can be made of the crystal and the gas.

    Raises:
        ConfigError: if the crystal is the gas itself.
    """
    if phases.formulas[index] == gas.formula:
        raise ConfigError(f"{gas.formula} does not react with itself: name another crystal or gas")
    elements = {*phases.elements(index), *elements_of(gas.formula)}
    gases = [
        g
        for g in others
        if g.formula not in (gas.formula, phases.formulas[index]) and set(elements_of(g.formula)) <= elements
    ]
    replaced = {phases.formulas[index], gas.formula, *(g.formula for g in gases)}
    candidates = _others(phases, index, elements)
    candidates = candidates[[phases.formulas[j] not in replaced for j in candidates]]
    brought = set(elements_of(gas.formula)) - set(phases.elements(index))
    present = phases.counts[candidates] > 0
    needed = (
        present[:, sorted(brought)].any(axis=1) if brought else present[:, sorted(elements_of(gas.formula))].all(axis=1)
    )
    found = _lowest(phases, index, candidates, gas, gases)
    return (
        None if found is None else _reaction(phases, index, found, gas, len(candidates) + len(gases), int(needed.sum()))
    )


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Products: formulas, ids, energies in eV a formula unit; and whether the gas is used up (1) or given off (-1)."""

    formulas: tuple[str, ...]
    ids: tuple[str, ...]
    energies_ev: tuple[float, ...]
    gas: int


def _others(phases: PhaseSet, index: int, elements: Sequence[int] | set[int]) -> NDArray[np.int64]:
    """The lowest phase of each composition, this one left out and its lowest polymorph let in."""
    lowest = phases.lowest_within(elements)
    if index not in lowest:
        return lowest
    others = phases.polymorphs(index)
    return np.append(lowest[lowest != index], others[others != index][:1])


def _lowest(
    phases: PhaseSet, index: int, others: NDArray[np.int64], gas: Gas | None, gases: Sequence[Gas]
) -> _Mixture | None:
    """The linear programme: amounts of atoms in each phase that make up the crystal and, where it is, the gas."""
    molecules = [*gases, gas] if gas is not None else []
    counts = np.array([formula_counts(g.formula) for g in molecules], dtype=np.int64).reshape(
        -1, phases.counts.shape[1]
    )
    sizes = [molecule_size(g.formula) for g in molecules]
    columns = np.concatenate([phases.fractions[others], counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)])
    cost = np.concatenate(
        [phases.e_form_ev_per_atom[others], [g.energy_ev / n for g, n in zip(molecules, sizes, strict=True)]]
    )
    used = np.flatnonzero(columns.any(axis=0) | (phases.counts[index] > 0))
    target = phases.fractions[index, used]
    energy, amounts = lowest_mixture(columns[:, used], cost, target, (None, None) if gas is not None else (0.0, None))
    if not np.isfinite(energy):
        return None
    formulas = [phases.formulas[j] for j in others] + [g.formula for g in molecules]
    ids = [phases.ids[j] for j in others] + [g.phase_id for g in molecules]
    amount = float(amounts[-1]) if gas is not None else 0.0
    products = [k for k, w in enumerate(amounts) if w > _TRACE]
    products.sort(key=lambda k: (-round(float(amounts[k]), 9), formulas[k]))
    return _Mixture(
        tuple(formulas[k] for k in products),
        tuple(ids[k] for k in products),
        tuple(
            _energy_ev(phases, int(others[k])) if k < len(others) else molecules[k - len(others)].energy_ev
            for k in products
        ),
        0 if abs(amount) <= _TRACE else (1 if amount < 0 else -1),
    )


def _reaction(
    phases: PhaseSet, index: int, found: _Mixture, gas: Gas | None, n_phases: int, n_with_gas: int
) -> Reaction:
    formula = phases.formulas[index]
    reactants = [formula, gas.formula] if gas is not None and found.gas > 0 else [formula]
    equation = balanced(reactants, found.formulas)
    energy = -dict(equation.reactants)[formula] * _energy_ev(phases, index)
    if gas is not None and found.gas > 0:
        energy -= dict(equation.reactants)[gas.formula] * gas.energy_ev
    made = dict(equation.products)
    energy += sum(made[f] * e for f, e in zip(found.formulas, found.energies_ev, strict=True))
    per_formula = energy / dict(equation.reactants)[formula]
    per_atom = per_formula / molecule_size(formula)
    return Reaction(equation, found.ids, per_formula, per_atom, n_phases, n_with_gas)


def _energy_ev(phases: PhaseSet, index: int) -> float:
    """Formation energy of a formula unit, eV."""
    return float(phases.e_form_ev_per_atom[index]) * molecule_size(phases.formulas[index])
