"""Output of pw.x 6.7 (vc-relax of MgO in two steps and a last scf), in its format; numbers of the crystal filled in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase.units import create_units

from gnome_lite.core.crystals import Crystal, symbol
from gnome_lite.verify.files.dft_levels import EspressoSettings

CODATA = create_units("2006")
BOHR, RY = CODATA["Bohr"], CODATA["Ry"]


def output(
    crystal: Crystal,
    settings: EspressoSettings,
    energy_ev: float,
    strain: float = 1.01,
    changed: Mapping[str, str] | None = None,
) -> str:
    """Return what pw.x prints.

    Args:
        crystal: crystal to begin with.
        settings: cutoffs and pseudopotentials.
        energy_ev: of the last scf.
        strain: final lattice vectors over those to begin with.
        changed: words of the output and what stands in their place.
    """
    alat = float(np.linalg.norm(crystal.lattice[0]))
    end = Crystal(crystal.numbers, crystal.frac_coords, crystal.lattice * strain)
    parts = [_head(crystal, settings, alat), _scf(energy_ev + 0.1, 0.002, crystal), _step(end, alat)]
    parts += [_scf(energy_ev + 0.001, 0.0001, end), _end(end, alat, energy_ev), _scf(energy_ev, 0.0001, end), _TAIL]
    text = "".join(parts)
    for words, other in (changed or {}).items():
        assert words in text, words
        text = text.replace(words, other)
    return text


def _head(crystal: Crystal, settings: EspressoSettings, alat: float) -> str:
    elements = sorted({symbol(z) for z in crystal.numbers})
    rows = crystal.lattice / alat
    axes = "".join(
        f"               a({k + 1}) = ( {a:10.6f} {b:10.6f} {c:10.6f} )  \n" for k, (a, b, c) in enumerate(rows)
    )
    sites = "".join(
        f"         {k + 1:>4}           {symbol(z):<2}  tau({k + 1:>4}) = ( {x:11.7f} {y:11.7f} {w:11.7f}  )\n"
        for k, (z, (x, y, w)) in enumerate(zip(crystal.numbers, crystal.cart_coords / alat, strict=True))
    )
    pseudos = "".join(
        f"     PseudoPot. # {k} for {e:<2} read from file:\n     ../pseudo/{settings.pseudopotentials[e].file}\n"
        f"     MD5 check sum: {settings.pseudopotentials[e].md5}\n"
        "     Pseudo is Ultrasoft + core correction, Zval = 6.0\n\n"
        for k, e in enumerate(elements, 1)
    )
    return f"""
     Program PWSCF v.6.7MaX starts on 30Nov2026 at 12: 0: 0

     This program is part of the open-source Quantum ESPRESSO suite

     bravais-lattice index     =            0
     lattice parameter (alat)  = {alat / BOHR:11.4f}  a.u.
     unit-cell volume          = {crystal.volume / BOHR**3:11.4f} (a.u.)^3
     number of atoms/cell      = {len(crystal):12d}
     number of atomic types    = {len(elements):12d}
     kinetic-energy cutoff     = {settings.ecut_ry:11.4f}  Ry
     charge density cutoff     = {settings.ecut_density_ry:11.4f}  Ry
     convergence threshold     =      1.0E-08

     celldm(1)= {alat / BOHR:11.6f}  celldm(2)=   0.000000  celldm(3)=   0.000000
     celldm(4)=   0.000000  celldm(5)=   0.000000  celldm(6)=   0.000000

     crystal axes: (cart. coord. in units of alat)
{axes}
{pseudos}   Cartesian axes

     site n.     atom                  positions (alat units)
{sites}
     number of k points=     1
                       cart. coord. in units 2pi/alat
        k(    1) = (   0.0000000   0.0000000   0.0000000), wk =   2.0000000

"""


def _scf(energy_ev: float, force_ry: float, crystal: Crystal) -> str:
    kinds = {z: k + 1 for k, z in enumerate(sorted(set(crystal.numbers.tolist())))}
    forces = "".join(
        f"     atom {k + 1:4d} type {kinds[int(z)]:2d}   force = {force_ry:13.8f} {0.0:13.8f} {0.0:13.8f}\n"
        for k, z in enumerate(crystal.numbers)
    )
    return f"""     End of self-consistent calculation

          k = 0.0000 0.0000 0.0000 (   113 PWs)   bands (ev):

   -10.0000   4.0000   4.0000   4.0000

     highest occupied level (ev):     4.0000

!    total energy              = {energy_ev / RY:16.8f} Ry
     estimated scf accuracy    <       0.00000001 Ry

     convergence has been achieved in   9 iterations

     Forces acting on atoms (cartesian axes, Ry/au):

{forces}
     Total force =     0.000000     Total SCF correction =     0.000001


     Computing stress (Cartesian axis) and pressure

          total   stress  (Ry/bohr**3)                   (kbar)     P=        0.05
   0.00000034   0.00000000   0.00000000            0.05        0.00        0.00
   0.00000000   0.00000034   0.00000000            0.00        0.05        0.00
   0.00000000   0.00000000   0.00000034            0.00        0.00        0.05

"""


def _cards(crystal: Crystal, alat: float) -> str:
    rows = "".join(f"  {a:13.9f} {b:13.9f} {c:13.9f}\n" for a, b, c in crystal.lattice / alat)
    sites = "".join(
        f"{symbol(z):<2}   {x:15.10f} {y:15.10f} {w:15.10f}\n"
        for z, (x, y, w) in zip(crystal.numbers, crystal.frac_coords, strict=True)
    )
    return f"CELL_PARAMETERS (alat= {alat / BOHR:11.8f})\n{rows}\nATOMIC_POSITIONS (crystal)\n{sites}"


def _step(crystal: Crystal, alat: float) -> str:
    return f"""     BFGS Geometry Optimization

     number of scf cycles    =   1
     number of bfgs steps    =   0

     new unit-cell volume =    {crystal.volume / BOHR**3:11.5f} a.u.^3 ( {crystal.volume:11.5f} Ang^3 )
{_cards(crystal, alat)}


"""


def _end(crystal: Crystal, alat: float, energy_ev: float) -> str:
    return f"""
     bfgs converged in   2 scf cycles and   1 bfgs steps
     (criteria: energy <  1.0E-05 Ry, force <  1.9E-03 Ry/Bohr, cell <  5.0E-01 kbar)

     End of BFGS Geometry Optimization

     Final enthalpy = {energy_ev / RY:18.10f} Ry
Begin final coordinates
     new unit-cell volume =    {crystal.volume / BOHR**3:11.5f} a.u.^3 ( {crystal.volume:11.5f} Ang^3 )

{_cards(crystal, alat)}End final coordinates



     A final scf calculation at the relaxed structure.

"""


_TAIL = """     PWSCF        :   1m12.50s CPU   1m15.30s WALL


   This run was terminated on:  12: 1:15  30Nov2026

=------------------------------------------------------------------------------=
   JOB DONE.
=------------------------------------------------------------------------------=
"""
