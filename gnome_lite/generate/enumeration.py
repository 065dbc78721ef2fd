"""All likely, neutral substitutions of one parent's species, by branch and bound on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.gates import in_space
from gnome_lite.core.crystals import MAX_Z
from gnome_lite.generate.probabilities import SubstitutionTable


@dataclass(frozen=True, slots=True)
class ParentSpecies:
    """A parent as substitution sees it: its k species, sorted, with their atoms per cell.

    Parents of the same species and counts have the same substitutions, whatever their structures.
    """

    z: tuple[int, ...]
    charges: tuple[int, ...]
    atoms: tuple[int, ...]

    @classmethod
    def of(cls, numbers: NDArray[np.int64], charges: NDArray[np.int64]) -> tuple[ParentSpecies, NDArray[np.int64]]:
        """Return the species of sites with numbers and charges, [n_atoms] each, and which of them each site is."""
        species, site, atoms = np.unique(np.stack([numbers, charges]), axis=1, return_inverse=True, return_counts=True)
        z, q = species.tolist()
        return cls(tuple(z), tuple(q), tuple(atoms.tolist())), site.ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Substitutions:
    """t ways to replace the k species of a parent.

    Attributes:
        z: new atomic numbers, int64 [t, k].
        charges: new charges, int64 [t, k].
        log_p: log-probability over the changed species, [t].
    """

    z: NDArray[np.int64]
    charges: NDArray[np.int64]
    log_p: NDArray[np.float64]


def enumerate_substitutions(
    parent: ParentSpecies,
    table: SubstitutionTable,
    systems: NDArray[np.bool_],
    n_elements: tuple[int, int],
    threshold: float,
) -> Substitutions:
    """Return replacements of a parent's species that are likely, neutral, inside the space and change an element.

    Species that stay count as probability 1; a species that the table lacks can only stay. Two species may
    become one where charges fit, but no element becomes both cation and anion unless the parent has it so. Where two
    choices of charges give the same elements, the likelier is kept.

    Args:
        parent: its species.
        table: probabilities.
        systems: elements of each allowed chemical system, bool [m, MAX_Z + 1].
        n_elements: least and largest number of elements.
        threshold: least probability.
    """
    log_threshold = np.log(threshold)
    allowed = np.asarray(systems.any(axis=0))
    choices = [_choices(z, q, table, allowed, log_threshold) for z, q in zip(parent.z, parent.charges, strict=True)]
    # Least and largest charge that the species not yet decided can bring, [k + 1]: the bound on neutrality.
    least = _suffix_sums([n * c.charges.min(initial=0) for n, c in zip(parent.atoms, choices, strict=True)])
    most = _suffix_sums([n * c.charges.max(initial=0) for n, c in zip(parent.atoms, choices, strict=True)])
    picked = np.empty((1, 0), dtype=np.int64)
    log_p, charge = np.zeros(1), np.zeros(1, dtype=np.int64)
    for level, (n, choice) in enumerate(zip(parent.atoms, choices, strict=True)):
        grown_p = log_p[:, None] + choice.log_p
        grown_charge = charge[:, None] + n * choice.charges
        alive = (grown_p > log_threshold) | (grown_p == 0.0)
        alive &= (grown_charge + least[level + 1] <= 0) & (grown_charge + most[level + 1] >= 0)
        branch, option = np.nonzero(alive)
        picked = np.column_stack([picked[branch], option])
        log_p, charge = grown_p[branch, option], grown_charge[branch, option]
    z = np.stack([c.z[pick] for c, pick in zip(choices, picked.T, strict=True)], axis=1)
    charges = np.stack([c.charges[pick] for c, pick in zip(choices, picked.T, strict=True)], axis=1)
    keep = _sensible(parent, z, charges, systems, n_elements)
    return _likeliest(z[keep], charges[keep], log_p[keep])


def _choices(
    z: int, charge: int, table: SubstitutionTable, allowed: NDArray[np.bool_], log_threshold: float
) -> Substitutions:
    """Return what one species may become, [t] each: itself if it lies in the space, and others likely enough."""
    row = table.index(z, charge)
    stays = np.array([0] if allowed[z] else [], dtype=np.int64)
    if row is None:
        return Substitutions(stays + z, stays + charge, stays.astype(float))
    other = allowed[table.z] & (table.log_p[row] > log_threshold)
    other[row] = False
    return Substitutions(
        np.concatenate([stays + z, table.z[other]]),
        np.concatenate([stays + charge, table.charges[other]]),
        np.concatenate([stays.astype(float), table.log_p[row, other]]),
    )


def _suffix_sums(values: list[int]) -> NDArray[np.int64]:
    return np.concatenate([np.cumsum(np.array(values, dtype=np.int64)[::-1])[::-1], [0]])


def _sensible(
    parent: ParentSpecies,
    z: NDArray[np.int64],
    charges: NDArray[np.int64],
    systems: NDArray[np.bool_],
    n_elements: tuple[int, int],
) -> NDArray[np.bool_]:
    """Return which of t substitutions change an element, stay in the space and have no element of both signs, [t]."""
    cations, anions = _present(z, charges > 0), _present(z, charges < 0)
    both = cations & anions
    for k in set(parent.z):
        signs = {q > 0 for kind, q in zip(parent.z, parent.charges, strict=True) if kind == k}
        both[:, k] &= len(signs) < 2
    present = _present(z, np.ones(z.shape, dtype=bool))
    kinds = present.sum(axis=1)
    keep = (z != np.array(parent.z)).any(axis=1) & ~both.any(axis=1) & in_space(present, systems)
    return np.asarray(keep & (kinds >= n_elements[0]) & (kinds <= n_elements[1]))


def _present(z: NDArray[np.int64], where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the elements that occur where a mask is true, bool [t, MAX_Z + 1], of z [t, k]."""
    present = np.zeros((len(z), MAX_Z + 1), dtype=bool)
    rows, columns = np.nonzero(where)
    present[rows, z[rows, columns]] = True
    return present


def _likeliest(z: NDArray[np.int64], charges: NDArray[np.int64], log_p: NDArray[np.float64]) -> Substitutions:
    """Return each choice of elements once, by descending probability."""
    order = np.lexsort((*z.T[::-1], -log_p))
    _, first = np.unique(z[order], axis=0, return_index=True)
    kept = order[np.sort(first)]
    return Substitutions(z[kept], charges[kept], log_p[kept])
