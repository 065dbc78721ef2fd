"""Probabilities of ionic substitution: Hautier's data-mined lambdas, with GNoME's changes, as one array.

Hautier, Fischer, Ehrlacher, Jain & Ceder, Inorg. Chem. 50, 656 (2011), doi 10.1021/ic102031h, mined from the ICSD a
weight lambda(a, b) for each pair of 230 species that one replaces the other in the same structure type. The
probability that b stands where the parent has a is, as in pymatgen's `SubstitutionProbability.cond_prob`,

    p(b | a) = exp(lambda(a, b)) / sum over all species c of exp(lambda(a, c)).

GNoME (Merchant et al., Nature 624, 80 (2023), Methods) raises every lambda, observed or not, to at least a floor
of 0 (pymatgen gives pairs that were never observed -5, and leaves negative observed ones), so that unseen
substitutions get a chance, and multiplies p over the species that *change* only. With floor = -5 our p(b | a) are
pymatgen's.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class SubstitutionTable:
    """Species and the log-probabilities of one replacing another.

    Attributes:
        z: atomic number of each species, int64 [m].
        charges: its charge, int64 [m].
        log_p: log p(column | row): row = species of the parent, column = its replacement, [m, m].
    """

    z: NDArray[np.int64]
    charges: NDArray[np.int64]
    log_p: NDArray[np.float64]

    def index(self, z: int, charge: int) -> int | None:
        """Row of a species, None where the table lacks it."""
        found = np.flatnonzero((self.z == z) & (self.charges == charge))
        return int(found[0]) if len(found) else None


@lru_cache(maxsize=8)
def substitution_table(floor: float = 0.0) -> SubstitutionTable:
    """Return the table with all lambdas raised to `floor`, species by atomic number and charge."""
    z, charges, weights = _lambdas()
    raised = np.maximum(np.where(np.isnan(weights), -np.inf, weights), floor)
    return SubstitutionTable(z, charges, raised - np.log(np.exp(raised).sum(axis=1, keepdims=True)))


@lru_cache(maxsize=1)
def _lambdas() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Read pymatgen's file: atomic numbers [m], charges [m], symmetric weights [m, m] (NaN = never observed)."""
    from pymatgen.analysis.structure_prediction.substitution_probability import SubstitutionProbability
    from pymatgen.core import Species

    # The file lies beside the class wherever pymatgen's version puts it; the class itself takes a second to build.
    path = Path(inspect.getfile(SubstitutionProbability)).parent / "data" / "lambda.json"
    rows = [row for row in json.loads(path.read_text(encoding="utf-8")) if "D1+" not in row]
    parsed = {name: Species.from_str(name) for row in rows for name in row[:2]}
    of_name = {name: (int(s.Z), int(s.oxi_state or 0)) for name, s in parsed.items()}
    species = sorted(set(of_name.values()))
    index = {s: i for i, s in enumerate(species)}
    weights = np.full((len(species), len(species)), np.nan)
    for a, b, weight in rows:
        i, j = index[of_name[a]], index[of_name[b]]
        weights[i, j] = weights[j, i] = float(weight)
    return np.array([s[0] for s in species]), np.array([s[1] for s in species]), weights
