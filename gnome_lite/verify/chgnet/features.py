"""Features of crystals as they are by two CHGNets: energies, and a vector of each atom. Inputs of the Δ-model.

The wheel holds two networks trained apart on the same DFT data, 0.3.0 and 0.2.0 (Deng et al., Nature Machine
Intelligence 5, 1031 (2023)). The atoms' vectors are 0.3.0's; where the two differ, both are doubtful.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from chgnet.graph.crystalgraph import CrystalGraph
from chgnet.model.model import CHGNet
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.surrogate_features import SurrogateFeatures
from gnome_lite.pipeline import Progress, silent
from gnome_lite.verify.chgnet.bond_graph import Bases, crystal_graph
from gnome_lite.verify.chgnet.calculator import load_model

WIDTH = 64
ATOM_FEATURES = 2 * WIDTH + 4
"""The last two states of an atom, its energy (eV) and magnetic moment (μB) by 0.3.0, and both again by 0.2.0, the
energy as a difference."""

ATOMS_AT_ONCE, CRYSTALS_AT_ONCE = 120, 8
"""Larger batches lose to page faults."""


class CHGNetFeatures:
    """Crystals -> `SurrogateFeatures`. The two networks are loaded when one is made.

    Raises:
        CalculatorError: if a checkpoint is missing or is not the pinned one.
    """

    def __init__(self) -> None:
        self._models = tuple(load_model(version) for version in ("0.3.0", "0.2.0"))

    def __call__(self, crystals: CrystalBatch, progress: Progress = silent) -> SurrogateFeatures:
        """Return features, NaN where a network cannot know a crystal (beyond Pu, an atom without neighbours)."""
        energies = np.full((len(crystals), 2), np.nan)
        atoms = np.full((len(crystals.numbers), ATOM_FEATURES), np.nan, dtype=np.float32)
        done = 0
        for rows in _batches(crystals.n_atoms):
            said = [_judge(model, crystals, rows) for model in self._models]
            for row in rows:
                energies[row] = [of[row][0] if row in of else np.nan for of in said]
                if np.isnan(energies[row]).any():
                    continue
                new, old = (of[row][1] for of in said)
                # States, energy and moment by 0.3.0; energy and moment by 0.2.0.
                site, moment = 2 * WIDTH, 2 * WIDTH + 1
                of_row = slice(crystals.offsets[row], crystals.offsets[row + 1])
                atoms[of_row] = np.column_stack([new, old[:, site] - new[:, site], old[:, moment]])
            done += len(rows)
            progress("describe", done, len(crystals), "")
        return SurrogateFeatures(crystals, energies, atoms)


def _batches(n_atoms: NDArray[np.int64]) -> list[list[int]]:
    """Return the rows in batches of crystals of similar size."""
    out: list[list[int]] = []
    filled = 0
    for row in np.argsort(n_atoms, kind="stable").tolist():
        if not out or len(out[-1]) == CRYSTALS_AT_ONCE or filled + n_atoms[row] > ATOMS_AT_ONCE:
            out.append([])
            filled = 0
        out[-1].append(row)
        filled += int(n_atoms[row])
    return out


def _judge(model: CHGNet, crystals: CrystalBatch, rows: Sequence[int]) -> dict[int, tuple[float, NDArray[np.float32]]]:
    """Return energy, eV/atom, and features [n_atoms, 2 * WIDTH + 2] of each crystal that this network can know."""
    graphs: dict[int, CrystalGraph] = {}
    cutoffs = model.graph_converter.atom_graph_cutoff, model.graph_converter.bond_graph_cutoff
    for row in rows:
        crystal = crystals[row]
        try:
            graphs[row] = crystal_graph(crystal.numbers, crystal.frac_coords, crystal.lattice, *cutoffs)
        except NotImplementedError:
            continue
    # 0.2.0 treats bonds without angles otherwise where any crystal of the batch has some: those without go apart.
    flat = {row: graph for row, graph in graphs.items() if not len(graph.bond_graph)}
    with_angles = {row: graph for row, graph in graphs.items() if len(graph.bond_graph)}
    return _compute(model, with_angles) | _compute(model, flat)


def _compute(model: CHGNet, graphs: dict[int, CrystalGraph]) -> dict[int, tuple[float, NDArray[np.float32]]]:
    if not graphs:
        return {}
    batch = Bases(model)(list(graphs.values()))
    last: list[torch.Tensor] = []
    hook = model.mlp.register_forward_pre_hook(lambda _, inputs: last.append(inputs[0]))
    try:
        with torch.inference_mode():
            said: dict[str, Any] = model._compute(
                batch, compute_magmom=True, return_site_energies=True, return_atom_feas=True
            )
            energies = said["e"].view(-1) + model.composition_model(list(graphs.values())).view(-1)
    finally:
        hook.remove()
    sizes = [len(graph.atomic_number) for graph in graphs.values()]
    columns = zip(torch.split(last[0], sizes), said["atom_fea"], said["site_energies"], said["m"], strict=True)
    atoms = [torch.cat([a, b, site[:, None], m[:, None]], 1).numpy() for a, b, site, m in columns]
    return dict(zip(graphs, zip(energies.tolist(), atoms, strict=True), strict=True))
