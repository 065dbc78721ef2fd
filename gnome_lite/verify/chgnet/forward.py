"""The forward pass of a frozen CHGNet, with the same numbers for fewer operations.

Each message of CHGNet is a gated perceptron of atom, bond and angle features laid side by side. Its first layer is
linear, so that it can be taken of every atom and bond *before* they are gathered over the many edges and angles that
they share: W [a, b, c] = W_a a + W_b b + W_c c. Core and gate share one such product. The last update of the angles,
which nothing reads, and the magnetic moments are left out.
"""

from __future__ import annotations

from typing import cast

import torch
from chgnet.model.functions import GatedMLP
from chgnet.model.layers import AngleUpdate, AtomConv, BondConv
from chgnet.model.model import BatchedGraph, CHGNet
from torch import Tensor, nn
from torch.nn.functional import linear, silu


class _Gate:
    """A gated perceptron whose input is a sum over parts instead of a row of them.

    Attributes:
        parts: first layers of core and gate together, one [2 * width, n_features] for each part of the input.
    """

    def __init__(self, stock: GatedMLP, n_parts: int) -> None:
        core, gate = (
            [layer for layer in mlp.layers if isinstance(layer, nn.Linear)] for mlp in (stock.mlp_core, stock.mlp_gate)
        )
        together = torch.cat([core[0].weight, gate[0].weight])
        self.parts = [part.contiguous() for part in together.chunk(n_parts, dim=1)]
        self.bias = torch.cat([core[0].bias, gate[0].bias])
        self.second = [(layers[1].weight, layers[1].bias) for layers in (core, gate) if len(layers) == 2]
        self.norms = [cast(nn.LayerNorm, norm) for norm in (stock.bn1, stock.bn2)]

    def __call__(self, summed: Tensor) -> Tensor:
        """Return core times gate of a sum of the parts, [n, 2 * width] -> [n, width]."""
        core, gate = summed.chunk(2, dim=1)
        if self.second:
            core, gate = (linear(silu(h), *layer) for h, layer in zip((core, gate), self.second, strict=True))
        return silu(self.norms[0](core)) * torch.sigmoid(self.norms[1](gate))


class Forward:
    """Energies of the atoms of graphs, eV, with weights shared with `model`, which must not change."""

    def __init__(self, model: CHGNet) -> None:
        self.model = model
        self.atom_layers = [cast(AtomConv, layer) for layer in model.atom_conv_layers]
        self.bond_layers = [cast(BondConv, layer) for layer in model.bond_conv_layers]
        self.atom_gates = [_Gate(layer.twoBody_atom, 3) for layer in self.atom_layers]
        self.bond_gates = [_Gate(layer.twoBody_bond, 4) for layer in self.bond_layers]
        self.angle_gates = [_Gate(cast(AngleUpdate, layer).twoBody_bond, 4) for layer in model.angle_layers[:-1]]

    def of_sites(self, g: BatchedGraph) -> Tensor:
        """Return the energy of each atom without that of the composition model, [n_atoms]."""
        model = self.model
        center, neighbour = g.batched_atom_graph[:, 0], g.batched_atom_graph[:, 1]
        atoms = model.atom_embedding(g.atomic_numbers - 1)
        bonds = model.bond_embedding(g.bond_bases_ag)
        edge_weights = model.bond_weights_ag(g.bond_bases_ag).index_select(0, g.directed2undirected)
        has_angles = len(g.angle_bases) != 0
        if has_angles:
            apex, left, right = g.batched_bond_graph.unbind(1)
            angles = model.angle_embedding(g.angle_bases)
            weights = model.bond_weights_bg(g.bond_bases_bg)
            angle_weights = weights.index_select(0, left) * weights.index_select(0, right)
        for k, (layer, gate) in enumerate(zip(self.atom_layers, self.atom_gates, strict=True)):
            messages = gate(
                linear(atoms, gate.parts[0], gate.bias).index_select(0, center)
                + linear(bonds, gate.parts[1]).index_select(0, g.directed2undirected)
                + linear(atoms, gate.parts[2]).index_select(0, neighbour)
            )
            gathered = torch.zeros_like(atoms).index_add(0, center, messages * edge_weights)
            atoms = layer.mlp_out(gathered) + atoms
            if not has_angles or k == len(self.bond_gates):
                continue
            bond_gate = self.bond_gates[k]
            messages = bond_gate(_of_angle(bond_gate, atoms, bonds, angles, apex, left, right)) * angle_weights
            bonds = self.bond_layers[k].mlp_out(torch.zeros_like(bonds).index_add(0, left, messages)) + bonds
            if k < len(self.angle_gates):
                angle_gate = self.angle_gates[k]
                angles = angle_gate(_of_angle(angle_gate, atoms, bonds, angles, apex, left, right)) + angles
        return model.mlp(cast(nn.LayerNorm, model.readout_norm)(atoms)).view(-1)


def _of_angle(
    gate: _Gate, atoms: Tensor, bonds: Tensor, angles: Tensor, apex: Tensor, left: Tensor, right: Tensor
) -> Tensor:
    return (
        linear(bonds, gate.parts[0]).index_select(0, left)
        + linear(bonds, gate.parts[1]).index_select(0, right)
        + linear(angles, gate.parts[2])
        + linear(atoms, gate.parts[3], gate.bias).index_select(0, apex)
    )
