"""The composition network: formation energy of a formula at its best structure, before any structure is known.

GNoME's composition model (Merchant et al., Nature 624 (2023), Methods) is its graph network with nodes only: a node
an element, weighted by its fraction. Between steps every element hears every other, as in Roost (Goodall and Lee,
Nat. Commun. 11, 6280 (2020)). A formula has few elements, so formulas are padded to equal length and a batch is
dense; what is padded has fraction 0 and hence no weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from torch import Tensor, nn

from gnome_lite.core.records import TrainingSet
from gnome_lite.predict.graph import MAX_NETWORK_Z
from gnome_lite.predict.network import MAX_STEPS, MAX_WIDTH, Atoms, Normalisation, Swish

SMALLEST_FRACTION = 1e-3
"""Below it the logarithm of a fraction says no more."""


@dataclass(frozen=True, slots=True)
class CompositionArchitecture:
    """What a composition network looks like.

    Attributes:
        kind: tells its model cards from those of structural networks.
        width: features of an element and of the formula.
        steps: message-passing steps.
    """

    kind: Literal["composition"]
    width: Annotated[int, Field(ge=1, le=MAX_WIDTH)] = 32
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] = 3


@dataclass(frozen=True, slots=True, eq=False)
class CompositionSet:
    """n formulas, the elements of each by atomic number, padded with zeros to the k of the richest.

    Attributes:
        numbers: atomic numbers, int64 [n, k].
        fractions: share of the atoms, float32 [n, k]; a row sums to 1.
    """

    numbers: NDArray[np.int64]
    fractions: NDArray[np.float32]

    @classmethod
    def of(cls, counts: NDArray[np.integer]) -> tuple[CompositionSet, NDArray[np.bool_]]:
        """From atom counts [n, MAX_Z + 1], of any number of formula units.

        Returns:
            The formulas [n_ok], and which they are, bool [n]: one that is empty, has a negative count or an element
            beyond `MAX_NETWORK_Z` is left out.
        """
        usable = (counts >= 0).all(axis=1) & (counts[:, 1:] > 0).any(axis=1)
        usable &= ~(counts[:, MAX_NETWORK_Z + 1 :] > 0).any(axis=1) & (counts[:, 0] == 0)
        some = counts[usable]
        formula, element = np.nonzero(some)
        n_elements = np.bincount(formula, minlength=len(some))
        place = np.arange(len(formula)) - np.repeat(np.cumsum(n_elements) - n_elements, n_elements)
        numbers = np.zeros((len(some), n_elements.max(initial=0)), dtype=np.int64)
        fractions = np.zeros(numbers.shape, dtype=np.float32)
        numbers[formula, place] = element
        fractions[formula, place] = some[formula, element] / some.sum(axis=1)[formula]
        return cls(numbers, fractions), usable

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def n_elements(self) -> NDArray[np.int64]:
        """Elements of each formula, [n]."""
        return np.count_nonzero(self.numbers, axis=1)

    def take(self, which: ArrayLike) -> CompositionSet:
        """The formulas at integer indices, or where a boolean mask [n] is true, in that order."""
        index = np.asarray(which)
        index = index if index.dtype == bool else index.astype(np.int64)
        return CompositionSet(self.numbers[index], self.fractions[index])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by name, for saving."""
        return {"numbers": self.numbers, "fractions": self.fractions}


@dataclass(frozen=True, slots=True, eq=False)
class CompositionTensors:
    """Formulas padded to the richest of them: `numbers` int64 [n, k], `fractions` float32 [n, k]."""

    numbers: Tensor
    fractions: Tensor

    @classmethod
    def of(cls, formulas: CompositionSet, device: str = "cpu") -> CompositionTensors:
        k = int(formulas.n_elements.max(initial=0))
        arrays = (formulas.numbers[:, :k], formulas.fractions[:, :k])
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))


class CompositionStep(nn.Module):
    """One renewal of elements and global state; the sums of linear maps are as in `network.MessageStep`."""

    def __init__(self, width: int) -> None:
        super().__init__()

        def linear(bias: bool = False) -> nn.Linear:
            return nn.Linear(width, width, bias=bias)

        def rest() -> nn.Sequential:
            return nn.Sequential(Swish(width), linear(True))

        self.norm_nodes, self.norm_state = nn.LayerNorm(width), nn.LayerNorm(width)
        self.message_of_sender, self.message_of_receiver = linear(True), linear()
        self.message_of_state, self.message_rest = linear(), rest()
        self.node_of_node, self.node_of_messages, self.node_of_state = linear(True), linear(), linear()
        self.node_rest = rest()
        self.state_of_state, self.state_of_nodes, self.state_rest = linear(True), linear(), rest()

    def forward(self, nodes: Tensor, state: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Renewed (nodes [n, k, width], state [n, width]); weights [n, k, 1] sum to 1."""
        old_nodes, old_state = self.norm_nodes(nodes), self.norm_state(state)
        of_sender = self.message_of_sender(old_nodes) + self.message_of_state(old_state)[:, None]
        of_receiver = self.message_of_receiver(old_nodes)
        messages = self.message_rest(of_receiver[:, :, None] + of_sender[:, None])  # [n, receiver, sender, width]
        heard = (messages * weights[:, None]).sum(dim=2)
        new_nodes = self.node_rest(
            self.node_of_node(old_nodes) + self.node_of_messages(heard) + self.node_of_state(old_state)[:, None]
        )
        new_state = self.state_rest(
            self.state_of_state(old_state) + self.state_of_nodes((new_nodes * weights).sum(dim=1))
        )
        return nodes + new_nodes, state + new_state


class CompositionNetwork(nn.Module):
    """Formulas -> lowest formation energy, eV/atom, [n].

    All sums over elements are weighted by fractions, so the energy depends neither on the number of formula units
    nor on the order of the elements; it is scale x out + shift, where out is the mean of what each atom gives.
    """

    def __init__(self, architecture: CompositionArchitecture, normalisation: Normalisation) -> None:
        super().__init__()
        width = architecture.width
        self.normalisation = normalisation
        self.atoms = Atoms(width, descriptors=True)
        self.amounts = nn.Sequential(nn.Linear(2, width), nn.SiLU(), nn.Linear(width, width))
        self.state = nn.Parameter(torch.zeros(width))
        self.steps = nn.ModuleList(CompositionStep(width) for _ in range(architecture.steps))
        self.readout = nn.Sequential(nn.Linear(width, width), Swish(width), nn.Linear(width, 1))

    def forward(self, formulas: CompositionTensors) -> Tensor:
        n, k = formulas.numbers.shape
        weights = formulas.fractions[:, :, None]
        amounts = torch.cat([weights, torch.log(weights.clamp(min=SMALLEST_FRACTION))], dim=2)
        nodes = self.atoms(formulas.numbers.flatten()).reshape(n, k, -1) + self.amounts(amounts)
        state = self.state.expand(n, -1)
        for step in self.steps:
            nodes, state = step(nodes, state, weights)
        out = (self.readout(nodes) * weights).sum(dim=(1, 2))
        return self.normalisation.scale_ev_per_atom * out + self.normalisation.shift_ev_per_atom


def lowest_of_formulas(data: TrainingSet) -> tuple[CompositionSet, NDArray[np.float64]]:
    """Each formula of some labelled crystals once, with the lowest formation energy known of it, eV/atom, [n]."""
    counts = data.crystals.counts
    counts = counts // np.maximum(np.gcd.reduce(counts, axis=1), 1)[:, None]
    formulas, which = np.unique(counts, axis=0, return_inverse=True)
    lowest = np.full(len(formulas), np.inf)
    np.minimum.at(lowest, which.ravel(), data.e_form_ev_per_atom)
    compositions, usable = CompositionSet.of(formulas)
    return compositions, lowest[usable]
