"""How far the energies of a level are from DFT's: small for crystals its potential was trained on, larger for new ones.

A potential such as SevenNet-l3i5 has the Materials Project's crystals almost by heart, so nothing that is learnt from
its errors there holds for a new crystal. What is kept is what can be known: one number an element, which brings its
elements onto DFT's scale, and two spreads. Each is sigma^2 = floor^2 + (slope * difference)^2 with the difference
between the level and CHGNet after one number an element: where two potentials differ, one of them is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gnome_lite.core.crystals import MAX_Z, CrystalBatch, atomic_fractions, atomic_number, symbol
from gnome_lite.core.disk import writing
from gnome_lite.core.errors import CheckpointError
from gnome_lite.predict.delta import DIFFERENCE_CLIP_EV_PER_ATOM, Corrected
from gnome_lite.predict.delta_train import ONE_SIGMA, by_element
from gnome_lite.predict.error_model import FEWEST_RESIDUALS

SLOPES = tuple(k / 10 for k in range(11))
FLOORS_EV_PER_ATOM = tuple(round(1e-3 * 1.1**k, 5) for k in range(50))
"""From 1 to 107 meV/atom."""
TWO_SIGMA = 0.9545
_Number = Annotated[float, Field(allow_inf_nan=False)]


class Spread(BaseModel):
    """Standard deviation of an error, eV/atom: floor^2 + (slope * difference)^2, squared.

    Attributes:
        n: crystals that it was set on, not those that it is judged on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor_ev_per_atom: Annotated[float, Field(gt=0, le=1)]
    slope: Annotated[float, Field(ge=0, le=2)]
    n: int

    def of(self, difference_ev_per_atom: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return standard deviations for differences between two potentials, [n]."""
        return np.hypot(self.floor_ev_per_atom, self.slope * difference_ev_per_atom)

    @classmethod
    def fitted(cls, error_ev_per_atom: NDArray[np.float64], difference_ev_per_atom: NDArray[np.float64]) -> Spread:
        """Return the spread for which the shares within one and two of it are together nearest 68 % and 95 %.

        Errors have longer tails than a normal distribution's, so that both at once cannot be had.

        Raises:
            ValueError: if fewer than 40 errors are known: of fewer two numbers are chance.
        """
        error = np.abs(error_ev_per_atom)
        known = np.isfinite(error) & np.isfinite(difference_ev_per_atom)
        error, difference = error[known], np.abs(difference_ev_per_atom[known])
        if len(error) < FEWEST_RESIDUALS:
            raise ValueError(f"{len(error)} known errors: give at least {FEWEST_RESIDUALS}")
        made = [cls(floor_ev_per_atom=f, slope=s, n=len(error)) for f in FLOORS_EV_PER_ATOM for s in SLOPES]
        return min(made, key=lambda spread: _misses(error / spread.of(difference)))


class LevelErrors(BaseModel):
    """What is known of a level's errors, as one JSON file.

    Attributes:
        level, target: from which level to which.
        element_ev: by symbol, what an energy per atom of the level lacks to DFT's formation energy, eV.
        difference_ev: by symbol, what CHGNet's energy per atom has more than the level's, eV.
        seen: of crystals such as the potential was trained on: reported compounds, the Materials Project's.
        new: of all others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    level: str
    target: str
    element_ev: dict[str, _Number]
    difference_ev: dict[str, _Number]
    seen: Spread
    new: Spread

    @property
    def id(self) -> str:
        """Name of these numbers."""
        return f"errors-{self.level}"

    def correct(
        self, crystals: CrystalBatch, energies_ev_per_atom: NDArray[np.float64], seen: NDArray[np.bool_]
    ) -> Corrected:
        """Return formation energies by DFT and their spreads; NaN with an element that was not among the crystals.

        Args:
            crystals: n crystals as relaxed at the level.
            energies_ev_per_atom: by the level and by CHGNet, [n, 2]; where CHGNet has none the difference is large.
            seen: which of them the potential was trained on, [n].
        """
        said, difference = _on_dft_scale(self.element_ev, self.difference_ev, crystals, energies_ev_per_atom)
        own = np.where(seen, self.seen.of(difference), self.new.of(difference))
        return Corrected(said, said, own, np.zeros((len(said), 1)))

    def errors(
        self, crystals: CrystalBatch, energies_ev_per_atom: NDArray[np.float64], labels_ev_per_atom: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return errors of formation energies, and differences to CHGNet, eV/atom, [n] each; NaN where unknown."""
        said, difference = _on_dft_scale(self.element_ev, self.difference_ev, crystals, energies_ev_per_atom)
        return said - labels_ev_per_atom, difference

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            DiskError: if it cannot be written.
        """
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> LevelErrors:
        """Read a file of `write`.

        Raises:
            CheckpointError: if it is missing or is none.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise CheckpointError(f"{path} does not hold a level's errors: {str(error).splitlines()[0]}") from error


def fit_level_errors(
    level: str,
    target: str,
    seen: tuple[CrystalBatch, NDArray[np.float64], NDArray[np.float64]],
    new: tuple[CrystalBatch, NDArray[np.float64], NDArray[np.float64]],
) -> LevelErrors:
    """Return what crystals with labels tell of a level's errors.

    Args:
        level, target: from which level to which.
        seen: crystals like those that the potential was trained on, energies by the level and by CHGNet, [n, 2], and
            DFT formation energies, [n], eV/atom.
        new: the same of crystals that it has not seen.

    Raises:
        ValueError: if fewer than 40 of either have all energies.
    """
    crystals, energies, labels = seen
    usable = np.isfinite(energies).all(axis=1) & np.isfinite(labels)
    fractions = atomic_fractions(crystals.counts[usable])
    there = np.flatnonzero(fractions.any(axis=0)).tolist()
    shift = by_element(fractions, (labels - energies[:, 0])[usable])
    apart = by_element(fractions, (energies[:, 1] - energies[:, 0])[usable])
    element_ev, difference_ev = ({symbol(z): round(float(of[z]), 6) for z in there} for of in (shift, apart))
    spreads = []
    for of_crystals, of_energies, of_labels in (seen, new):
        said, difference = _on_dft_scale(element_ev, difference_ev, of_crystals, of_energies)
        spreads.append(Spread.fitted(said - of_labels, difference))
    return LevelErrors(
        level=level, target=target, element_ev=element_ev, difference_ev=difference_ev, seen=spreads[0], new=spreads[1]
    )


def _on_dft_scale(
    element_ev: dict[str, float],
    difference_ev: dict[str, float],
    crystals: CrystalBatch,
    energies_ev_per_atom: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return formation energies on the scale of DFT, and how far CHGNet is from the level, eV/atom, [n] each."""
    shift, apart = _vector(element_ev), _vector(difference_ev)
    known, fractions = ~np.isnan(shift), atomic_fractions(crystals.counts)
    outside = (crystals.counts[:, ~known] > 0).any(axis=1)
    said = energies_ev_per_atom[:, 0] + fractions[:, known] @ shift[known]
    difference = energies_ev_per_atom[:, 1] - energies_ev_per_atom[:, 0] - fractions[:, known] @ apart[known]
    difference = np.nan_to_num(np.abs(difference), nan=np.inf)
    return np.where(outside, np.nan, said), np.minimum(difference, DIFFERENCE_CLIP_EV_PER_ATOM)


def _misses(error: NDArray[np.float64]) -> float:
    """Return how far the shares of errors, in units of their spread, within one and two are from 68 % and 95 %."""
    one, two = float((error <= 1).mean()), float((error <= 2).mean())
    return (one - ONE_SIGMA) ** 2 + (two - TWO_SIGMA) ** 2


def _vector(by_symbol: dict[str, float]) -> NDArray[np.float64]:
    """Return numbers by atomic number, NaN where there is none, [MAX_Z + 1]."""
    out = np.full(MAX_Z + 1, np.nan)
    for element, value in by_symbol.items():
        out[atomic_number(element)] = value
    return out
