"""CHGNet's graph of a crystal by array operations, and its bases of bonds and angles.

Single precision loses most of its digits here, not in the network: in 1 - x^2 of nearly straight angles, in envelopes
near their cutoff, in bonds as differences of coordinates. So the geometry is worked out in double precision and handed
over in single, at no cost that can be measured (`python -m benchmarks verification_relaxation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from chgnet.graph.crystalgraph import CrystalGraph
from chgnet.model.model import BatchedGraph, CHGNet
from numpy.typing import NDArray
from vesin import NeighborList

from gnome_lite.chemistry.elements import CHGNET_MAX_Z


class Bases:
    """Graphs -> the model's bases of bonds and angles, with positions and strains to differentiate by."""

    def __init__(self, model: CHGNet) -> None:
        self._bonds = deepcopy(model.bond_basis_expansion).double()
        self._angles = deepcopy(model.angle_basis_expansion).double()

    def __call__(self, graphs: Sequence[CrystalGraph], *, compute_stress: bool = False) -> BatchedGraph:
        batch = BatchedGraph.from_graphs(graphs, self._bonds, self._angles, compute_stress=compute_stress)
        return replace(
            batch,
            bond_bases_ag=batch.bond_bases_ag.float(),
            bond_bases_bg=batch.bond_bases_bg.float(),
            angle_bases=batch.angle_bases.float(),
        )


def crystal_graph(
    numbers: NDArray[np.int64],
    frac_coords: NDArray[np.float64],
    lattice: NDArray[np.float64],
    atom_cutoff_ang: float,
    bond_cutoff_ang: float,
) -> CrystalGraph:
    """Return CHGNet's atom graph (pairs within a cutoff) and bond graph (pairs of short bonds at an atom), for `Bases`.

    Args:
        numbers: atomic numbers, [n_atoms].
        frac_coords: fractional coordinates, [n_atoms, 3].
        lattice: lattice vectors as rows, Å, [3, 3].
        atom_cutoff_ang: longest edge, Å.
        bond_cutoff_ang: longest bond that takes part in an angle, Å.

    Raises:
        NotImplementedError: for an element beyond Pu, or an atom with no neighbour.
    """
    if numbers.max() > CHGNET_MAX_Z:
        raise NotImplementedError(f"CHGNet knows elements up to Z = {CHGNET_MAX_Z}, not Z = {numbers.max()}")
    half = NeighborList(cutoff=atom_cutoff_ang, full_list=False)
    first, second, image, length = half.compute(
        points=frac_coords @ lattice, box=lattice, periodic=True, quantities="ijSd"
    )
    first, second, image = first.astype(np.int32), second.astype(np.int32), image.astype(np.float64)
    # Every pair comes once: edge k and edge n_pairs + k are its two directions.
    n_pairs = len(first)
    pair = np.arange(n_pairs, dtype=np.int32)
    center = np.concatenate([first, second])
    if np.bincount(center, minlength=len(numbers)).min() == 0:
        raise NotImplementedError(f"an atom has no neighbour within {atom_cutoff_ang} Å: CHGNet knows only crystals")
    return CrystalGraph(
        atomic_number=torch.from_numpy(numbers.astype(np.int32)),
        atom_frac_coord=torch.tensor(frac_coords, dtype=torch.float64),
        atom_graph=torch.from_numpy(np.stack([center, np.concatenate([second, first])], axis=1)),
        atom_graph_cutoff=atom_cutoff_ang,
        neighbor_image=torch.from_numpy(np.concatenate([image, -image])),
        directed2undirected=torch.from_numpy(np.concatenate([pair, pair])),
        undirected2directed=torch.from_numpy(pair),
        bond_graph=torch.from_numpy(_bond_graph(center, np.concatenate([length, length]) < bond_cutoff_ang, n_pairs)),
        bond_graph_cutoff=bond_cutoff_ang,
        lattice=torch.tensor(lattice, dtype=torch.float64),
    )


def _bond_graph(center: NDArray[np.int32], short: NDArray[np.bool_], n_pairs: int) -> NDArray[np.int32]:
    """Return all ordered pairs of different short edges that leave the same atom, [n_angles, 5].

    Columns as CHGNet wants them: atom, first pair, first edge, second pair, second edge.
    """
    edges: NDArray[Any] = np.flatnonzero(short)
    edges = edges[np.argsort(center[edges], kind="stable")]
    degree = np.bincount(center[edges], minlength=1)
    start = np.cumsum(degree) - degree
    mine = degree[center[edges]]
    left = np.repeat(edges, mine)
    within = np.arange(len(left)) - np.repeat(np.cumsum(mine) - mine, mine)
    right = edges[np.repeat(start[center[edges]], mine) + within]
    left, right = left[left != right], right[left != right]
    return np.stack([center[left], left % n_pairs, left, right % n_pairs, right], axis=1).astype(np.int32)
