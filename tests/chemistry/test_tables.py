"""The tables on the ground floor: complete, finite, and right where everyone knows the answer."""

from __future__ import annotations

import numpy as np

from gnome_lite.chemistry.elements import RADIOACTIVE, merged
from gnome_lite.chemistry.radii import MAX_CHARGE, covalent_radii_ang, ionic_radii_ang
from gnome_lite.chemistry.states import electronegativities, states
from gnome_lite.core.crystals import MAX_Z, atomic_number


def numbers(*symbols: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([atomic_number(s) for s in symbols])


def test_radii_are_complete_and_ions_order_as_they_must() -> None:
    covalent = covalent_radii_ang()
    ionic = ionic_radii_ang(np.arange(MAX_Z + 1)[:, None], np.arange(-MAX_CHARGE, MAX_CHARGE + 1)[None])
    assert covalent.shape == (MAX_Z + 1,)
    assert ionic.shape == (MAX_Z + 1, 2 * MAX_CHARGE + 1)
    assert np.isfinite(covalent).all()
    assert np.isfinite(ionic).all()
    assert (ionic > 0).all()
    fe, o, cl = numbers("Fe", "O", "Cl")
    assert ionic[fe, 3 + MAX_CHARGE] < ionic[fe, 2 + MAX_CHARGE] < covalent[fe]
    assert covalent[o] < ionic[o, -2 + MAX_CHARGE] < ionic[cl, -1 + MAX_CHARGE]


def test_states_are_shares_of_charged_sites() -> None:
    for z in range(1, 95):
        charges = [s.charge for s in states()[z]]
        assert charges == sorted(charges)
        assert 0 not in charges
        assert all(0 < s.share <= 1 for s in states()[z])
    assert [s.charge for s in states()[11]] == [1]
    assert {s.charge for s in states()[26] if s.common} >= {2, 3}
    assert np.isfinite(electronegativities()).all()


def test_radioactive_and_near_identical() -> None:
    assert np.isin(numbers("Tc", "Pm", "Po", "U", "Bi", "Fe"), list(RADIOACTIVE)).tolist() == [True] * 4 + [False] * 2
    assert (
        merged(numbers("Ce", "Y", "Hf", "Ta", "W", "Fe")).tolist()
        == numbers("La", "La", "Zr", "Nb", "Mo", "Fe").tolist()
    )
