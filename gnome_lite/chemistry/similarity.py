"""Chemical similarity of elements without charges: the modified Pettifor scale.

Glawe, Sanna, Gross & Marques, New J. Phys. 18, 093011 (2016), doi 10.1088/1367-2630/18/9/093011, ordered the elements
so that neighbours replace one another in known crystals more often than elements far apart.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z, atomic_number

ORDER = (
    "He Ne Ar Kr Xe Rn Fr Cs Rb K Na Li Ra Ba Sr Ca Eu Yb Lu Tm Y Er Ho Dy Tb Gd Sm Pm Nd Pr Ce La Ac Th Pa U "
    "Np Pu Am Cm Bk Cf Es Fm Md No Lr Sc Zr Hf Ti Ta Nb V Cr Mo W Re Tc Os Ru Ir Rh Pt Pd Au Ag Cu Ni Co Fe Mn "
    "Mg Zn Cd Hg Be Al Ga In Tl Pb Sn Ge Si B C N P As Sb Bi Po Te Se S O At I Br Cl F H"
)
"""Elements from number 1 to 103."""


@lru_cache(maxsize=1)
def modified_pettifor() -> NDArray[np.int64]:
    """Return the number of each element on the scale, 1..103, int64 [MAX_Z + 1] (index = Z; 0 beyond Lr)."""
    scale = np.zeros(MAX_Z + 1, dtype=np.int64)
    for number, element in enumerate(ORDER.split(), start=1):
        scale[atomic_number(element)] = number
    scale.flags.writeable = False
    return scale
