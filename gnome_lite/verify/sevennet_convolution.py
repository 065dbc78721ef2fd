"""SevenNet's convolution with far fewer memory accesses: the same energies in 0.4 to 0.5 of the time.

A message is a tensor product of a neighbour's features x with the spherical harmonics Y of the edge, weighted by a
function w of its length (Batzner et al., Nature Communications 13, 2453 (2022)):

    m[k, u] = sum over edges, i, j of  C[i, j, k] x[i, u] Y[j] w[u]

with u a channel and C Wigner's 3j symbols. The package forms x Y for every edge and channel, couples it, and adds up
messages of some thousand numbers an edge. Here Y is coupled first, once for all channels, to a small matrix an edge,
and coupling and summing over the edges of an atom are one matrix product; channels come last, so that they lie
together. Edges are padded to the most that one atom of the crystal has.

Like `factories` this file imports nothing of gnome_lite: it is loaded by its path where gnome_lite is not installed.
"""

from __future__ import annotations

from typing import Any

import torch
from e3nn import o3
from torch import nn

PADDED = "gnome_lite_padded_edges"


class FusedConvolution(nn.Module):
    """Takes the place of one `sevenn.nn.convolution.IrrepsConvolution`, of which it has the weights."""

    def __init__(self, stock: Any) -> None:
        super().__init__()
        product = stock.convolution
        self.weight_nn, self.denominator = stock.weight_nn, stock.denominator
        self.keys = (stock.key_x, stock.key_filter, stock.key_weight_input, stock.key_edge_idx)
        features, harmonics, out = product.irreps_in1, product.irreps_in2, product.irreps_out
        self.shapes = [(mul, ir.dim) for mul, ir in features]
        self.paths = [(p.i_in1, p.i_out, out[p.i_out].ir.dim) for p in product.instructions]
        self.n_out = len(out)
        blocks = []
        for path in product.instructions:
            of_x, of_y, of_out = features[path.i_in1].ir, harmonics[path.i_in2].ir, out[path.i_out].ir
            block = torch.zeros(harmonics.dim, of_x.dim, of_out.dim)
            symbols = o3.wigner_3j(of_x.l, of_y.l, of_out.l) * path.path_weight
            block[harmonics.slices()[path.i_in2]] = symbols.permute(1, 0, 2)
            blocks.append(block.reshape(harmonics.dim, -1))
        self.widths = [block.shape[1] for block in blocks]
        self.register_buffer("coupling", torch.cat(blocks, dim=1).contiguous())

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replace the features [n_atoms, channels] in `data` by the sums of messages."""
        of_features, of_harmonics, of_weights, of_edges = self.keys
        x = data[of_features]
        n = x.shape[0]
        if PADDED not in data:
            data[PADDED] = padded(data[of_edges], n, x.dtype)
        edge, source, real, most = data[PADDED]
        weights = self.weight_nn(data[of_weights])[edge].split([self.shapes[i][0] for i, _, _ in self.paths], dim=1)
        coupled = ((data[of_harmonics] @ self.coupling)[edge] * real).split(self.widths, dim=1)
        split = x.split([mul * dim for mul, dim in self.shapes], dim=1)
        neighbours = [
            part.reshape(n, mul, dim).transpose(1, 2).reshape(n, dim * mul)[source].view(n * most, dim, mul)
            for part, (mul, dim) in zip(split, self.shapes, strict=True)
        ]
        outs = [x] * self.n_out
        for (i, place, dim_out), weight, matrix in zip(self.paths, weights, coupled, strict=True):
            mul, dim = self.shapes[i]
            weighted = (neighbours[i] * weight.unsqueeze(1)).view(n, most * dim, mul)
            summed = torch.bmm(matrix.reshape(n, most * dim, dim_out).transpose(1, 2), weighted)
            outs[place] = summed.transpose(1, 2).reshape(n, mul * dim_out)
        data[of_features] = torch.cat(outs, dim=1).div(self.denominator)
        return data


def padded(
    edges: torch.Tensor, n_atoms: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Return edges ordered by the atom that they end at, each atom with as many.

    Args:
        edges: atoms at the end and at the beginning of each edge, [2, n_edges].

    Returns:
        Number of the edge in each place, [n_atoms * most]; the atom that it begins at; 1 for an edge and 0 for a filled
        place, [n_atoms * most, 1]; and `most`, the most edges that end at one atom.
    """
    end, begin = edges[0], edges[1]
    order = torch.argsort(end, stable=True)
    counts = torch.bincount(end, minlength=n_atoms)
    most = int(counts.max())
    place = torch.arange(len(end), device=end.device) - (counts.cumsum(0) - counts)[end[order]]
    slot = end[order] * most + place
    edge = torch.zeros(n_atoms * most, dtype=torch.long, device=end.device)
    edge[slot] = order
    real = torch.zeros(n_atoms * most, 1, dtype=dtype, device=end.device)
    real[slot] = 1.0
    return edge, begin[edge], real, most


def fuse(model: nn.Module) -> int:
    """Replace the convolutions of a SevenNet where they are of the kind that is known here; return how many."""
    replaced = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ == "IrrepsConvolution" and not child.is_parallel and _is_known(child.convolution):
                setattr(parent, name, FusedConvolution(child))
                replaced += 1
    return replaced


def _is_known(product: Any) -> bool:
    paths = getattr(product, "instructions", ())
    return bool(paths) and all(p.connection_mode == "uvu" and p.has_weight for p in paths)
