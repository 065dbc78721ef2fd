"""The structural network: a graph network with edge, node and global updates.

After GNoME's (Merchant et al., Nature 624 (2023), Methods) in the frame of Battaglia et al., arXiv:1806.01261: in
every step each edge, then each atom, then the crystal's global state is renewed by a small perceptron. What is ours is
an option of `Architecture` each, with its gain in the table of `benchmarks/prediction_ablation.py`; messages fade to
zero at the cutoff (cosine), which makes the energy a continuous function of the volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch_geometric.utils import scatter

from gnome_lite.predict.descriptors import element_descriptors
from gnome_lite.predict.graph import MAX_NETWORK_Z, GraphSet

N_GAUSSIANS = 30
GAUSSIAN_WIDTH_ANG = 0.5
GAUSSIAN_FIRST_ANG = 0.05
MAX_WIDTH, MAX_STEPS, MAX_CUTOFF_ANG = 1024, 16, 12.0
"""Of architectures that a model card may name."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a network looks like; with its weights and `Normalisation` this is all of it.

    Attributes:
        width: features of an edge, an atom, the crystal.
        steps: message-passing steps.
        residual: each step adds to what was there instead of replacing it.
        descriptors: atoms begin with properties of their elements beside a learnt vector (GNoME: one-hot).
        layer_norm: inputs of each step are normalised per edge, atom and crystal.
        angular: channels that see directions, through the lengths of vectors and quadrupoles summed over an atom's
            neighbours (0 = distances only, as GNoME).
        volume_feature, readout: fixed: without the volume per atom as an input, and with the mean of what the atoms
            give as the energy. Cards and hashes of networks hold them.
    """

    width: Annotated[int, Field(ge=1, le=MAX_WIDTH)] = 64
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] = 3
    cutoff_ang: Annotated[float, Field(gt=0, le=MAX_CUTOFF_ANG)] = 4.0
    residual: bool = True
    descriptors: bool = True
    layer_norm: bool = True
    angular: Annotated[int, Field(ge=0, le=MAX_WIDTH)] = 8
    volume_feature: Literal[False] = False
    readout: Literal["atoms"] = "atoms"


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Figures of the training data that the network divides and multiplies by.

    Attributes:
        scale_ev_per_atom, shift_ev_per_atom: standard deviation and mean of the training targets.
        average_adjacency: mean number of neighbours of an atom in the training crystals.
    """

    scale_ev_per_atom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    shift_ev_per_atom: Annotated[float, Field(allow_inf_nan=False)]
    average_adjacency: Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, eq=False)
class GraphTensors:
    """Some graphs as one disconnected graph, in PyG's convention.

    Attributes:
        numbers: atomic numbers, int64 [n_atoms].
        edge_index: (sender, receiver) of each edge, int64 [2, n_edges].
        distances: Å, float32 [n_edges].
        directions: unit vectors from receiver to sender, float32 [n_edges, 3].
        batch: crystal of each atom, int64 [n_atoms].
        n_atoms: atoms of each crystal, float32 [n, 1].
    """

    numbers: Tensor
    edge_index: Tensor
    distances: Tensor
    directions: Tensor
    batch: Tensor
    n_atoms: Tensor

    @classmethod
    def of(cls, graphs: GraphSet, device: str = "cpu") -> GraphTensors:
        """All graphs of a set (take a slice first) as one."""
        first_atom = np.repeat(np.cumsum(graphs.n_atoms) - graphs.n_atoms, graphs.n_edges)
        arrays = (
            graphs.numbers,
            np.stack([graphs.senders + first_atom, graphs.receivers + first_atom]),
            graphs.distances,
            graphs.directions,
            np.repeat(np.arange(len(graphs)), graphs.n_atoms),
            graphs.n_atoms.astype(np.float32)[:, None],
        )
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))


class Swish(nn.Module):
    """x * sigmoid(beta x) with a learnable beta per feature (Ramachandran et al., arXiv:1710.05941)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)


class Gaussians(nn.Module):
    """Distances, Å, [n_edges] -> exp(-(d - r0)^2 / 0.5^2) on 30 centres from 0.05 Å to the cutoff, [n_edges, 30]."""

    def __init__(self, cutoff_ang: float) -> None:
        super().__init__()
        centres = torch.linspace(GAUSSIAN_FIRST_ANG, cutoff_ang, N_GAUSSIANS)
        self.register_buffer("centres", centres, persistent=False)
        self.centres: Tensor

    def forward(self, distances: Tensor) -> Tensor:
        return torch.exp(-(((distances[:, None] - self.centres) / GAUSSIAN_WIDTH_ANG) ** 2))


class Atoms(nn.Module):
    """Atomic numbers [n_atoms] -> features [n_atoms, width]: a learnt vector, and one from the element's properties.

    The properties are part of the weights on disk: another version of their source changes no trained network.
    """

    def __init__(self, width: int, descriptors: bool) -> None:
        super().__init__()
        self.learnt = nn.Embedding(MAX_NETWORK_Z + 1, width)
        self.of_properties: nn.Module | None = None
        if descriptors:
            properties = torch.from_numpy(element_descriptors())
            self.register_buffer("properties", properties)
            self.properties: Tensor
            self.of_properties = nn.Sequential(
                nn.Linear(properties.shape[1], width), nn.SiLU(), nn.Linear(width, width)
            )
            with torch.no_grad():  # at first the properties speak, and the learnt vector corrects them
                self.learnt.weight.mul_(0.1)

    def forward(self, numbers: Tensor) -> Tensor:
        table = self.learnt.weight
        if self.of_properties is not None:
            table = table + self.of_properties(self.properties)
        return table.index_select(0, numbers)


class Surroundings(nn.Module):
    """Directions of an atom's edges -> features that no rotation changes.

    The lengths of learnt sums of unit vectors u (dipoles) and of u u - 1/3 (quadrupoles) over the neighbours: the
    angles between bonds enter, at the price of an edge's own features.
    """

    def __init__(self, width: int, channels: int, average_adjacency: float) -> None:
        super().__init__()
        self.channels = channels
        self.average_adjacency = average_adjacency
        self.weights = nn.Linear(width, 2 * channels, bias=False)
        self.out = nn.Linear(2 * channels, width, bias=False)

    def forward(self, messages: Tensor, harmonics: tuple[Tensor, Tensor], receiver: Tensor, n_atoms: int) -> Tensor:
        """[n_atoms, width], of messages [n_edges, width] and harmonics ([n_edges, 3], [n_edges, 5])."""
        lengths = []
        for weight, harmonic in zip(self.weights(messages).split(self.channels, dim=1), harmonics, strict=True):
            product = (weight[:, :, None] * harmonic[:, None, :]).flatten(1)
            sums = scatter(product, receiver, 0, n_atoms, "sum") / self.average_adjacency
            lengths.append(sums.reshape(n_atoms, self.channels, -1).square().sum(-1))
        return self.out(torch.cat(lengths, dim=1))


class MessageStep(nn.Module):
    """One renewal of edges, atoms and global state.

    The first layer of each perceptron acts on a concatenation; it is written as a sum of linear maps, so that
    what belongs to atoms is multiplied once an atom and not once an edge (an atom has some 16 edges).
    """

    def __init__(self, architecture: Architecture, average_adjacency: float) -> None:
        super().__init__()
        width = architecture.width
        self.average_adjacency = average_adjacency
        self.residual = architecture.residual

        def linear(bias: bool = False) -> nn.Linear:
            return nn.Linear(width, width, bias=bias)

        def rest() -> nn.Sequential:
            return nn.Sequential(Swish(width), linear(True))

        def norm() -> nn.Module:
            return nn.LayerNorm(width) if architecture.layer_norm else nn.Identity()

        self.norm_nodes, self.norm_edges, self.norm_state = norm(), norm(), norm()
        self.edge_of_edge, self.edge_of_sender, self.edge_of_receiver = linear(True), linear(), linear()
        self.edge_of_state, self.edge_rest = linear(), rest()
        self.node_of_node, self.node_of_sent, self.node_of_received = linear(True), linear(), linear()
        self.node_of_state, self.node_rest = linear(), rest()
        self.surroundings = (
            Surroundings(width, architecture.angular, average_adjacency) if architecture.angular else None
        )
        self.state_of_state, self.state_of_nodes, self.state_of_edges = linear(True), linear(), linear()
        self.state_rest = rest()

    def forward(
        self,
        nodes: Tensor,
        edges: Tensor,
        state: Tensor,
        graph: GraphTensors,
        fade: Tensor,
        harmonics: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Renewed (nodes [n_atoms, width], edges [n_edges, width], state [n, width]); fade [n_edges, 1]."""
        sender, receiver = graph.edge_index
        n_atoms, n = len(nodes), len(state)
        old_nodes, old_state = self.norm_nodes(nodes), self.norm_state(state)
        # An edge and its sender belong to the same crystal: the global state enters with the sender.
        of_sender = self.edge_of_sender(old_nodes) + self.edge_of_state(old_state)[graph.batch]
        of_receiver = self.edge_of_receiver(old_nodes)
        new_edges = self.edge_rest(
            self.edge_of_edge(self.norm_edges(edges))
            + of_sender.index_select(0, sender)
            + of_receiver.index_select(0, receiver)
        )
        messages = new_edges * fade
        sent = scatter(messages, sender, 0, n_atoms, "sum") / self.average_adjacency
        received = scatter(messages, receiver, 0, n_atoms, "sum") / self.average_adjacency
        heard = (
            self.node_of_node(old_nodes)
            + self.node_of_sent(sent)
            + self.node_of_received(received)
            + self.node_of_state(old_state)[graph.batch]
        )
        if self.surroundings is not None:
            heard = heard + self.surroundings(messages, harmonics, receiver, n_atoms)
        new_nodes = self.node_rest(heard)
        # Each edge is received once: a crystal's edges sum to what its atoms received.
        new_state = self.state_rest(
            self.state_of_state(old_state)
            + self.state_of_nodes(scatter(new_nodes, graph.batch, 0, n, "sum") / graph.n_atoms)
            + self.state_of_edges(scatter(received, graph.batch, 0, n, "sum") / graph.n_atoms)
        )
        if self.residual:
            return nodes + new_nodes, edges + new_edges, state + new_state
        return new_nodes, new_edges, new_state


class StructuralNetwork(nn.Module):
    """Graphs -> formation energy, eV/atom, [n].

    The energy of a cell is n_atoms x (scale x out + shift); what is returned is that divided by n_atoms, and
    the sums over a crystal are means per atom, so a supercell has the energy per atom of its cell.
    """

    def __init__(self, architecture: Architecture, normalisation: Normalisation) -> None:
        super().__init__()
        width = architecture.width
        self.normalisation = normalisation
        self.cutoff_ang = architecture.cutoff_ang
        self.atoms = Atoms(width, architecture.descriptors)
        self.gaussians = Gaussians(architecture.cutoff_ang)
        self.bonds = nn.Linear(N_GAUSSIANS, width)
        self.state = nn.Parameter(torch.zeros(width))
        self.steps = nn.ModuleList(
            MessageStep(architecture, normalisation.average_adjacency) for _ in range(architecture.steps)
        )
        self.readout = nn.Sequential(nn.Linear(width, width), Swish(width), nn.Linear(width, 1))

    def forward(self, graph: GraphTensors) -> Tensor:
        nodes, edges = self.atoms(graph.numbers), self.bonds(self.gaussians(graph.distances))
        fade = 0.5 * (1.0 + torch.cos(torch.pi * (graph.distances / self.cutoff_ang).clamp(max=1.0)))[:, None]
        state, harmonics = self.state.expand(len(graph.n_atoms), -1), _harmonics(graph.directions)
        for step in self.steps:
            nodes, edges, state = step(nodes, edges, state, graph, fade, harmonics)
        out = scatter(self.readout(nodes), graph.batch, 0, len(state), "sum")[:, 0] / graph.n_atoms[:, 0]
        return self.normalisation.scale_ev_per_atom * out + self.normalisation.shift_ev_per_atom


def _harmonics(directions: Tensor) -> tuple[Tensor, Tensor]:
    """Real spherical harmonics of degree 1 and 2 of unit vectors [n_edges, 3], up to a factor: [..., 3], [..., 5]."""
    x, y, z = directions.T
    root3 = 3.0**0.5
    return directions, torch.stack(
        [root3 * x * y, root3 * y * z, root3 * z * x, root3 / 2 * (x * x - y * y), 1.5 * z * z - 0.5], dim=1
    )
