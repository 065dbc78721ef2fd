"""Lowest-energy mixture of one composition: phases in amounts >= 0, and a gas that may be taken up or given off.

This is the programme of `stability.decomposition` with a free column, by SciPy's HiGHS.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.errors import GnomeLiteError


def lowest_mixture(
    fractions: NDArray[np.float64],
    energies: NDArray[np.float64],
    target: NDArray[np.float64],
    last: tuple[float | None, float | None] = (0.0, None),
) -> tuple[float, NDArray[np.float64]]:
    """Return the energy, eV, and amounts (atoms) of phases that together make one atom of a composition.

    Args:
        fractions: atomic fractions of the phases, [n, d].
        energies: eV/atom, [n].
        target: atomic fractions, [d].
        last: limits of the amount of the last phase; a reservoir's may be negative, which takes from the others.

    Returns:
        Energy of the mixture, inf if none makes the target, and amounts [n]: a corner of the programme, so that the
        phases with an amount are independent.

    Raises:
        GnomeLiteError: if there is no lowest, because a reservoir is itself unstable.
    """
    from scipy.optimize import linprog

    n = len(energies)
    if n == 0:
        return np.inf, np.zeros(0)
    solved = linprog(
        energies, A_eq=fractions.T, b_eq=target, bounds=[(0.0, None)] * (n - 1) + [last], method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )  # fmt: skip
    if solved.status == 3:
        raise GnomeLiteError(
            "the gas gains energy by falling apart, so that it reacts with itself without end: at this level, "
            "temperature and pressure it is no reservoir"
        )
    if not solved.success:
        return np.inf, np.zeros(n)
    return float(solved.fun), np.asarray(solved.x)
