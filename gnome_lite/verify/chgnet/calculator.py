"""CHGNet as an ASE calculator, equal in its numbers to the stock model and several times faster.

CHGNet (Deng et al., Nature Machine Intelligence 5, 1031, 2023) predicts energies that already are on
the MP2020-corrected GGA/GGA+U scale: no correction is ever applied here. The stock calculator builds
its graph in Python loops and differentiates twice, keeping the graph of the derivative for training;
here the graph is made by array operations and one backward pass through frozen weights gives forces
and stress together. Distances and angles are worked out in double precision (see `bond_graph`).
"""

from __future__ import annotations

import contextlib
import io
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from chgnet.model.model import CHGNet
from numpy.typing import NDArray

from gnome_lite.core.errors import CalculatorError
from gnome_lite.verify.chgnet.bond_graph import Bases, crystal_graph
from gnome_lite.verify.chgnet.forward import Forward

CHECKPOINTS = {
    "0.2.0": (
        "0.2.0/chgnet_0.2.0_e30f77s348m32.pth.tar",
        "ef624f78b6db9d315b4ef256f1bb3207449924191b91720dc17d3f60c5df980e",
    ),
    "0.3.0": (
        "0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
        "d14ab7c0f093efe64b60a7bcd540bca10e74fb7f46c86108a079af60524659d1",
    ),
    "r2scan": (
        "r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
        "8eba3db0f35a2788bb3ae22885ad340591e27996f213c6643af522a633b50dad",
    ),
}
"""Version -> (file in the wheel, SHA-256). The files are pickles, so no other content is ever loaded."""


def load_model(version: str) -> CHGNet:
    """Return a frozen CHGNet from the installed wheel, or of a file of `gnome-lite finetune`.

    Raises:
        CalculatorError: if the wheel's checkpoint is missing or is not the pinned one.
    """
    if version not in CHECKPOINTS:  # a file of `gnome-lite finetune`
        from gnome_lite.verify.chgnet.weights import load_tuned

        return load_tuned(Path(version))
    name, expected = CHECKPOINTS[version]
    spec = find_spec("chgnet")
    assert spec is not None, "chgnet is imported above"
    assert spec.origin is not None, "chgnet is a regular package"
    try:
        content = Path(spec.origin).parent.joinpath("pretrained", name).read_bytes()
    except OSError as error:
        raise CalculatorError(f"CHGNet {version} has no checkpoint ({error}): reinstall chgnet") from error
    found = sha256(content).hexdigest()
    if found != expected:
        raise CalculatorError(
            f"checkpoint {name} has SHA-256 {found[:16]}..., not the pinned {expected[:16]}...: "
            "reinstall chgnet>=0.4.2,<0.5"
        )
    # The bytes that were hashed are the bytes that are loaded.
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    with contextlib.redirect_stdout(io.StringIO()):
        model = CHGNet.from_dict(state["model"], mlp_out_bias=version == "0.2.0", version=version)
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


class CHGNetCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3, Voigt order) of a periodic crystal."""

    def __init__(self, version: str = "0.3.0", device: str = "cpu") -> None:
        self.implemented_properties = ["energy", "free_energy", "forces", "stress"]
        super().__init__()
        self.device = torch.device(device)
        self.model = load_model(version).to(self.device)
        self.bases = Bases(self.model)
        self.forward = Forward(self.model)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy, forces and stress by one backward pass.

        Raises:
            NotImplementedError: for an element beyond Pu, or an atom with no neighbour within 6 Å.
        """
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None, "ASE sets it"
        frac_coords = self.atoms.get_scaled_positions(wrap=False)
        energy, forces, s = self.evaluate(self.atoms.numbers, frac_coords, self.atoms.cell.array)
        stress = np.array([s[0, 0], s[1, 1], s[2, 2], s[1, 2], s[0, 2], s[0, 1]])
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": stress}

    def evaluate(
        self, numbers: NDArray[np.int64], frac_coords: NDArray[np.float64], lattice: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return energy, eV, forces, eV/Å, [n_atoms, 3], and stress, eV/Å^3, [3, 3], without ASE's bookkeeping.

        Raises:
            NotImplementedError: for an element beyond Pu, or an atom with no neighbour within 6 Å.
        """
        converter = self.model.graph_converter
        graph = crystal_graph(numbers, frac_coords, lattice, converter.atom_graph_cutoff, converter.bond_graph_cutoff)
        if self.device.type != "cpu":
            graph = graph.to(str(self.device))
        batch = self.bases([graph], compute_stress=True)
        interaction = self.forward.of_sites(batch).sum()
        minus_forces, virial = torch.autograd.grad(interaction, [*batch.atom_positions, *batch.strains])
        energy = float(interaction.detach()) + float(self.model.composition_model([graph]).sum()) * len(numbers)
        stress = virial.double().cpu().numpy() / abs(float(np.linalg.det(lattice)))
        return energy, -minus_forces.double().cpu().numpy(), (stress + stress.T) / 2
