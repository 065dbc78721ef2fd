"""The two kinds of network side by side: of structures and of compositions. All else in training is the same."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnome_lite.core.records import TrainingSet
from gnome_lite.predict.composition import (
    CompositionArchitecture,
    CompositionNetwork,
    CompositionSet,
    CompositionTensors,
    lowest_of_formulas,
)
from gnome_lite.predict.graph import GraphSet, build_graphs
from gnome_lite.predict.network import Architecture, GraphTensors, Normalisation, StructuralNetwork

AnyArchitecture = CompositionArchitecture | Architecture
AnyNetwork = CompositionNetwork | StructuralNetwork
Inputs = CompositionSet | GraphSet
AnyModule = TypeVar("AnyModule", bound=nn.Module)


def network_of(architecture: AnyArchitecture, normalisation: Normalisation) -> AnyNetwork:
    """A network with random weights."""
    if isinstance(architecture, CompositionArchitecture):
        return CompositionNetwork(architecture, normalisation)
    return StructuralNetwork(architecture, normalisation)


def architecture_of(fields: dict[str, object]) -> AnyArchitecture:
    """The inverse of `dataclasses.asdict`."""
    kind = CompositionArchitecture if fields.get("kind") == "composition" else Architecture
    return kind(**fields)  # type: ignore[arg-type]


def load_weights(network: AnyModule, weights: dict[str, NDArray[np.float32]]) -> AnyModule:
    """Put weights into a network and make it ready to predict."""
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    return network.eval()


def device_of(network: AnyNetwork) -> str:
    """Return the device of a network's weights: "cpu", "cuda:0"."""
    return str(next(network.parameters()).device)


def energies(network: AnyNetwork, inputs: Inputs) -> Tensor:
    """Return energies of all inputs at once, on the network's device, eV/atom, [n].

    Raises:
        TypeError: if the network is not of the inputs' kind.
    """
    if isinstance(network, StructuralNetwork) and isinstance(inputs, GraphSet):
        return network.forward(GraphTensors.of(inputs, device_of(network)))
    if isinstance(network, CompositionNetwork) and isinstance(inputs, CompositionSet):
        return network.forward(CompositionTensors.of(inputs, device_of(network)))
    raise TypeError(f"a {type(network).__name__} cannot read a {type(inputs).__name__}")


def inputs_of(
    architecture: AnyArchitecture, data: TrainingSet, reach: float = 1.0
) -> tuple[Inputs, NDArray[np.float64]]:
    """Return what a network of some architecture reads of labelled crystals, and the targets, eV/atom, [n] each.

    Args:
        reach: edges of graphs go up to the cutoff times this.
    """
    if isinstance(architecture, CompositionArchitecture):
        return lowest_of_formulas(data)
    graphs, graphable = build_graphs(data.crystals, architecture.cutoff_ang * reach)
    return graphs, data.e_form_ev_per_atom[graphable]


def normalisation_of(architecture: AnyArchitecture, inputs: Inputs, targets: NDArray[np.float64]) -> Normalisation:
    """Return the figures of the training data; formulas have no neighbours to count."""
    adjacency = 1.0
    if isinstance(architecture, Architecture) and isinstance(inputs, GraphSet):
        adjacency = max(inputs.scaled(1.0, architecture.cutoff_ang).average_adjacency, 1.0)
    return Normalisation(max(float(targets.std()), 1e-3), float(targets.mean()), adjacency)


def inputs_from(arrays: dict[str, NDArray[np.generic]]) -> Inputs:
    """The inverse of `arrays()` of either set."""
    kind = CompositionSet if "fractions" in arrays else GraphSet
    return kind(**arrays)  # type: ignore[arg-type]
