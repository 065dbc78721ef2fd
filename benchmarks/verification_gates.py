"""How many known stable crystals the gates around a relaxation would refuse, by gate: none should be.

Materials Project data, CC BY 4.0 (Jain et al., APL Materials 1, 011002 (2013)).
"""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import warnings
from collections import Counter
from collections.abc import Iterator

import numpy as np

from benchmarks.rows import Row, data_dir
from benchmarks.sizes import Effort, size
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Failure

FALSE_REJECTION = 0.001
ON_HULL_EV_PER_ATOM = 1e-3
"""The data set's distances are rounded; GNoME's published cut is as wide."""
CHGNET_MAX_Z = 94


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    stable, e_form = _on_the_hull()
    yield from _before(stable, e_form)
    yield from _pairs()
    if n_relaxed := size("verification_gates.relaxed", effort):
        yield from _relaxed(stable, n_relaxed)


def _on_the_hull() -> tuple[list[Crystal], np.ndarray]:
    """Crystals of mp20_val on the hull, and their formation energies, eV/atom, [n]."""
    with gzip.open(data_dir() / "mp20_val.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["e_above_hull"]) <= ON_HULL_EV_PER_ATOM]
    return [_crystal(row["cif"]) for row in rows], np.array([float(row["formation_energy_per_atom"]) for row in rows])


def _before(stable: list[Crystal], e_form: np.ndarray) -> Iterator[Row]:
    """The gates that need no calculator."""
    from gnome_lite.verify import sanity

    causes = Counter(refusal[0] for c in stable if (refusal := sanity.bad_start(c, CHGNET_MAX_Z)) is not None)
    refused = {
        "elements beyond the calculator's": causes[Failure.OUT_OF_DOMAIN],
        "pair distance": causes[Failure.OVERLAP],
        "volume per atom": causes[Failure.EXPLODED],
        "formation energy": int((np.abs(e_form) > sanity.MAX_FORMATION_EV_PER_ATOM).sum()),
    }
    for gate, n in refused.items():
        share = n / len(stable)
        name = f"gates: {len(stable)} stable crystals of mp20_val refused by {gate}"
        yield Row(name, "share", share, None, "", None, f"<= {FALSE_REJECTION:g}", share <= FALSE_REJECTION)


def _pairs() -> Iterator[Row]:
    """The gate on the volume ratio, on real relaxations: unrelaxed and relaxed cells of the same crystals."""
    from gnome_lite.verify import sanity

    ratios = np.array([relaxed.volume / len(relaxed) / (start.volume / len(start)) for start, relaxed in _read_pairs()])
    share = float(((ratios < sanity.MIN_VOLUME_RATIO) | (ratios > sanity.MAX_VOLUME_RATIO)).mean())
    name = f"gates: {len(ratios)} DFT relaxations refused by the volume ratio"
    yield Row(name, "share", share, None, "", None, f"<= {FALSE_REJECTION:g}", share <= FALSE_REJECTION)


def _read_pairs() -> Iterator[tuple[Crystal, Crystal]]:
    found: dict[str, dict[str, Crystal]] = {}
    with tarfile.open(data_dir() / "relaxation_pairs.tar.gz") as archive:
        for member in archive:
            kind, _, key = member.name.partition("/")
            content = archive.extractfile(member) if key.endswith(".cif") else None
            if content is not None:
                found.setdefault(key, {})[kind] = _crystal(content.read().decode())
    for pair in found.values():
        if len(pair) == 2:
            yield pair["unrelaxed"], pair["relaxed"]


def _relaxed(stable: list[Crystal], n: int) -> Iterator[Row]:
    """All gates, before, during and after a relaxation with CHGNet from the DFT crystal."""
    from gnome_lite.verify.calculators import make_calculator
    from gnome_lite.verify.relax import relax

    calculator = make_calculator("chgnet")
    chosen = [stable[i] for i in np.linspace(0, len(stable) - 1, n).astype(int)]
    ends = [relax(c, calculator, max_steps=500, max_z=CHGNET_MAX_Z) for c in chosen]
    causes = Counter(str(end.failure) for end in ends if end.failure)
    said = ", ".join(f"{cause} {n}" for cause, n in causes.items()) or "none"
    name = f"gates: {n} stable crystals refused around a CHGNet relaxation ({said})"
    yield Row(name, "share", sum(causes.values()) / n, None, "", None)


def _crystal(cif: str) -> Crystal:
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (structure,) = CifParser(io.StringIO(cif)).parse_structures(primitive=True)
    return Crystal.from_pymatgen(structure)
