"""Do batches pay? CHGNet's evaluations of small crystals one by one and together; relaxations of torch-sim, if there.

torch-sim is no dependency: `pip install torch-sim-atomistic` into the environment to have its rows.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.rows import Row, missing, speed_row
from benchmarks.sizes import Effort, size
from benchmarks.verification_relaxation import FMAX_EV_PER_ANG, MAX_STEPS, substituted
from gnome_lite.core.crystals import Crystal

SIZES = (2, 4, 8)
TORCH_SIM_SIZES = (1, 4, 16)


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    import torch

    from gnome_lite.verify.chgnet.calculator import CHGNetCalculator

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    crystals = substituted(size("verification_batches.crystals", effort))
    repeats = size("verification_batches.repeats", effort)
    calculator = CHGNetCalculator()
    one_by_one = _rate(calculator, crystals, 1, repeats)
    for n in SIZES:
        name = f"energy, forces and stress of {len(crystals)} crystals, {n} of like size at a time"
        yield speed_row(name, "1/s", _rate(calculator, crystals, n, repeats), one_by_one, "one at a time")
    if size("verification_batches.torch_sim", effort):
        if find_spec("torch_sim") is None:
            yield missing("relaxations beside torch-sim", "torch-sim")
        else:
            yield from _torch_sim(calculator, crystals)


def _rate(calculator: Any, crystals: list[Crystal], size: int, repeats: int) -> float:
    """Evaluations a processor second, graphs included; `crystals` are sorted by size."""
    _evaluate(calculator, crystals[:size])
    started = time.process_time()
    for _ in range(repeats):
        for first in range(0, len(crystals), size):
            _evaluate(calculator, crystals[first : first + size])
    return repeats * len(crystals) / (time.process_time() - started)


def _evaluate(calculator: Any, crystals: list[Crystal]) -> tuple[Any, list[Any], list[Any]]:
    """Energies (eV), gradients by position and virials of several crystals in one pass."""
    import torch

    from gnome_lite.verify.chgnet.bond_graph import crystal_graph

    model = calculator.model
    cutoffs = model.graph_converter.atom_graph_cutoff, model.graph_converter.bond_graph_cutoff
    graphs = [crystal_graph(c.numbers, c.frac_coords, c.lattice, *cutoffs) for c in crystals]
    batch = calculator.bases(graphs, compute_stress=True)
    sites = calculator.forward.of_sites(batch)
    gradients = torch.autograd.grad(sites.sum(), [*batch.atom_positions, *batch.strains])
    n_atoms = torch.tensor([float(len(c)) for c in crystals])
    energies = torch.zeros(len(crystals)).index_add(0, batch.atom_owners, sites.detach())
    energies += model.composition_model(graphs).view(-1) * n_atoms
    return energies, list(gradients[: len(crystals)]), list(gradients[len(crystals) :])


def _torch_sim(calculator: Any, crystals: list[Crystal]) -> Iterator[Row]:
    """torch-sim's FIRE on atoms and cell, converged crystals replaced by waiting ones, around our evaluations."""
    import torch
    import torch_sim
    from torch_sim.autobatching import InFlightAutoBatcher
    from torch_sim.models.interface import ModelInterface

    from gnome_lite.verify.relax import relax

    class Model(ModelInterface):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._device, self._dtype = torch.device("cpu"), torch.float64
            self._compute_stress = self._compute_forces = True
            self._memory_scales_with = "n_atoms"

        def forward(self, state: Any, **_: Any) -> dict[str, Any]:
            inside = []
            for k in range(int(state.system_idx.max()) + 1):
                mine = state.system_idx == k
                # torch-sim's lattice vectors are columns.
                lattice = state.cell[k].T.numpy()
                positions = state.positions[mine].numpy()
                numbers = state.atomic_numbers[mine].numpy()
                inside.append(Crystal(numbers, positions @ np.linalg.inv(lattice), lattice))
            energies, gradients, virials = _evaluate(calculator, inside)
            stresses = [v / c.volume for v, c in zip(virials, inside, strict=True)]
            return {
                "energy": energies.double(),
                "forces": -torch.cat(gradients).double(),
                "stress": torch.stack(stresses).double(),
            }

    marks = [time.process_time()]
    ours = [relax(c, calculator, FMAX_EV_PER_ANG, MAX_STEPS) for c in crystals]
    marks.append(time.process_time())
    model = Model()
    for most in TORCH_SIM_SIZES:
        batcher = InFlightAutoBatcher(
            model, memory_scales_with="n_atoms", max_memory_scaler=float(most * max(map(len, crystals)))
        )
        started = time.process_time()
        final = torch_sim.optimize(
            system=[c.to_ase() for c in crystals],
            model=model,
            optimizer=torch_sim.frechet_cell_fire,
            convergence_fn=torch_sim.generate_force_convergence_fn(FMAX_EV_PER_ANG),
            max_steps=MAX_STEPS,
            autobatcher=batcher,
        )
        seconds = time.process_time() - started
        name = f"relaxations of {len(crystals)} crystals beside torch-sim, at most {most} of the largest at a time"
        rate, peer = (3600 * len(crystals) / s for s in (marks[1] - marks[0], seconds))
        yield speed_row(name, "1/h", rate, peer, "torch-sim frechet_cell_fire around our CHGNet")
        apart = [
            (o.energy_ev - float(e)) / len(c)
            for o, e, c in zip(ours, final.energy, crystals, strict=True)
            if not o.failure
        ]
        yield Row(f"{name}: energies, median difference", "eV/atom", float(np.median(apart)), None, "torch-sim", None)
