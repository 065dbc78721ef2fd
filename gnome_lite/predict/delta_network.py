"""The network of the Δ-model: what a potential's formation energy lacks to DFT's, and how far that may be off.

Reads a vector of each atom, made by the potentials (`SurrogateFeatures`), and the crystal's energies. The correction is
a mean over atoms of what each contributes, plus a term of the crystal's mean and spread of atomic states, plus a learnt
share of the difference between the potentials. Errors have a Laplace distribution whose scale is learnt beside: labels
of magnetic oxides, say, scatter by more than those of phosphates do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gnome_lite.core.crystals import MAX_Z

UNIT_EV_PER_ATOM = 0.03
"""Corrections and differences are of this size."""

_EMBEDDING = 8
_CLIP = 6.0
_LOG_SCALE = -3.9
_LOG_SCALE_RANGE = (-6.5, 0.0)


@dataclass(frozen=True, slots=True)
class DeltaTensors:
    """n crystals of n_atoms atoms.

    Attributes:
        atoms: standardised vectors, [n_atoms, f].
        numbers: atomic numbers, [n_atoms].
        owner: crystal of each atom, [n_atoms].
        sizes: atoms of each crystal, [n].
        difference_ev_per_atom: between the potentials, after what is linear in the composition, [n].
    """

    atoms: Tensor
    numbers: Tensor
    owner: Tensor
    sizes: Tensor
    difference_ev_per_atom: Tensor


class DeltaNetwork(nn.Module):
    """One member."""

    def __init__(self, features: int, width: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.element = nn.Embedding(MAX_Z + 1, _EMBEDDING)
        self.atom = nn.Sequential(
            nn.Linear(features + _EMBEDDING, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.SiLU()
        )
        self.site = nn.Linear(width, 1)
        self.crystal = nn.Sequential(
            nn.Linear(2 * width + 2, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, 2)
        )
        self.share = nn.Parameter(torch.tensor(0.4))
        nn.init.zeros_(self.site.weight)

    def forward(self, x: DeltaTensors) -> tuple[Tensor, Tensor]:
        """Correction and scale of its error, eV/atom, [n] each."""
        state = self.atom(torch.cat([x.atoms.clamp(-_CLIP, _CLIP), self.element(x.numbers)], 1))
        mean = self._mean(state, x)
        spread = (self._mean(state * state, x) - mean * mean).clamp(min=1e-6).sqrt()
        apart = x.difference_ev_per_atom[:, None] / UNIT_EV_PER_ATOM
        said = self.crystal(torch.cat([mean, spread, apart, apart.abs()], 1))
        correction = (self._mean(self.site(state), x)[:, 0] + said[:, 0]) * UNIT_EV_PER_ATOM
        scale = (said[:, 1] + _LOG_SCALE).clamp(*_LOG_SCALE_RANGE).exp()
        return correction + self.share * x.difference_ev_per_atom, scale

    @staticmethod
    def _mean(values: Tensor, x: DeltaTensors) -> Tensor:
        """Over the atoms of each crystal, [n, m]."""
        total = torch.zeros(len(x.sizes), values.shape[1]).index_add_(0, x.owner, values)
        return total / x.sizes[:, None]
