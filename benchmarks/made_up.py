"""A machine of its own for smoke runs: an empty home, a small part of what is bundled, CHGNet's energies for DFT's."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sizes import Effort, campaign_settings, size
from gnome_lite.core.crystals import Crystal, symbol
from gnome_lite.core.phases import Phase, PhaseSet

SYSTEM = ("Fe", "Li", "O", "P")
MAX_ATOMS = 8
N_PAIRS = 3
N_WBM = 4
SCATTER_EV_PER_ATOM = 0.05


@contextlib.contextmanager
def made_up_machine() -> Iterator[None]:
    """Home, bundled files and benchmark data in a temporary directory, as the environment names them."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        places = {
            "GNOME_LITE_HOME": home / "home",
            "GNOME_LITE_REDISCOVERY_HOME": home / "rediscovery",
            "GNOME_LITE_BENCHMARK_DATA": home / "data",
            "GNOME_LITE_BUNDLED": home / "bundled",
        }
        before = {name: os.environ.pop(name, None) for name in (*places, "GNOME_LITE_DATABASE_URL")}
        try:
            _write_machine(places["GNOME_LITE_BUNDLED"], places["GNOME_LITE_BENCHMARK_DATA"])
            os.environ |= {name: str(path) for name, path in places.items()}
            _train_base(places["GNOME_LITE_BUNDLED"] / "models")
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                os.environ |= {} if value is None else {name: value}


def _write_machine(bundle: Path, data: Path) -> None:
    """Write what is bundled, and tables of the names and columns of the Materials Project's, all from the seed."""
    from gnome_lite.settings import bundled
    from gnome_lite.sources.bundled_seed import SeedSource
    from gnome_lite.sources.reference_files import read_references, write_references

    for directory in (bundle / "seed", bundle / "replay", data):
        directory.mkdir(parents=True)
    (bundle / "models").mkdir()
    for path in bundled("models").iterdir():
        (bundle / "models" / path.name).symlink_to(path)
    for path in bundled("seed").glob("molecules-*.parquet"):
        (bundle / "seed" / path.name).symlink_to(path)
    seed = _small(SeedSource(reported=False).load())
    kept = set(seed.ids)
    inputs = [e for e in read_references(bundled("seed", "inputs.parquet")) if e.id in kept]
    write_references(bundle / "seed" / "references.parquet", list(seed))
    write_references(bundle / "seed" / "inputs.parquet", inputs)
    _write_pool(bundled("replay", "universe.parquet"), bundle / "replay" / "universe.parquet", seed)

    compounds = np.flatnonzero(_kinds(seed) > 1)
    _write_table(data / "mp20_val.csv.gz", seed, compounds[::2])
    _write_table(data / "mpts52_val.csv.gz", seed, compounds[1::2])
    pairs = [(e.crystal, seed[seed.index(e.id)].crystal) for e in inputs[:N_PAIRS]]
    _write_pairs(data / "relaxation_pairs.tar.gz", pairs)
    _write_entries(data / "mp_entries_Fe-Li-O-P.json.gz", [e for e in seed if _within(e)])
    _write_wbm(data, seed, compounds[:N_WBM])


def _train_base(models: Path) -> None:
    """Put networks that hardly know anything in the place of the bundled ones for the seed's level."""
    from gnome_lite.assemble import load_references, make_predictor
    from gnome_lite.config import CampaignConfig
    from gnome_lite.pipeline import silent
    from gnome_lite.settings import Settings

    config, references = CampaignConfig.model_validate(campaign_settings(Effort.SMOKE)), load_references()
    base = make_predictor(config, Settings(), references.level, shipped=False).base(references, silent)
    place = models / f"base-{references.level}"
    for shipped in models.glob(f"*-{references.level}"):
        if shipped.name.startswith(("base-", "wide-")):
            shipped.unlink()
    shutil.copytree(Settings().models_dir / base.id, place)


def _small(seed: PhaseSet) -> PhaseSet:
    """The lowest crystal of each element, and small compounds: some of one chemical system, and some of all."""
    small, kinds = seed.crystals.n_atoms <= MAX_ATOMS, _kinds(seed)
    rows: set[int] = set()
    for element in np.unique(seed.crystals.numbers):
        pure = np.flatnonzero((kinds == 1) & (seed.crystals.counts[:, element] > 0))
        rows.add(int(pure[np.argmin(seed.e_form_ev_per_atom[pure])]))
    within = np.array([_within(e) for e in seed])
    for which, n in ((within, size("made_up.system", Effort.SMOKE)), (~within, size("made_up.others", Effort.SMOKE))):
        rows |= set(_spread(np.flatnonzero(which & small & (kinds > 1)), n).tolist())
    return PhaseSet.make([seed[i] for i in sorted(rows)])


def _spread(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return rows[np.linspace(0, len(rows) - 1, n).astype(int)]


def _within(phase: Phase) -> bool:
    return set(phase.crystal.chemical_system.split("-")) <= set(SYSTEM)


def _kinds(phases: PhaseSet) -> NDArray[np.int64]:
    return np.asarray((phases.crystals.counts > 0).sum(axis=1))


def _write_pool(shipped: Path, path: Path, references: PhaseSet) -> None:
    """Write some candidates of the shipped labelled pool that lie among elements with references."""
    from gnome_lite.evaluation.labelled_pool import LabelledPool
    from gnome_lite.evaluation.pool_files import read_pool, write_pool

    pool = read_pool(shipped)
    some = _spread(np.arange(len(pool)), size("made_up.pool", Effort.SMOKE))
    write_pool(path, LabelledPool.make([(pool.candidates[i], pool.outcomes[i]) for i in some], references.id))


def _write_table(path: Path, phases: PhaseSet, rows: Sequence[int] | NDArray[np.int64]) -> None:
    """Write labelled crystals; DFT and CHGNet differ by a normal scatter, as there is nothing to learn otherwise."""
    scatter = np.random.default_rng(0).normal(0.0, SCATTER_EV_PER_ATOM, len(phases))
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("material_id", "formation_energy_per_atom", "e_above_hull", "cif"))
        for i in rows:
            energy = f"{phases.e_form_ev_per_atom[i] + scatter[i]:.6f}"
            table.writerow((phases.ids[i], energy, "0.0", phases.crystals[i].to_pymatgen().to(fmt="cif")))


def _write_pairs(path: Path, pairs: Sequence[tuple[Crystal, Crystal]]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for number, pair in enumerate(pairs):
            for kind, crystal in zip(("unrelaxed", "relaxed"), pair, strict=True):
                content = crystal.to_pymatgen().to(fmt="cif").encode()
                member = tarfile.TarInfo(f"{kind}/{number}.cif")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def _write_entries(path: Path, phases: Sequence[Phase]) -> None:
    """Write pymatgen's JSON; the last structure is there twice, as where DFT has two magnetic orderings."""
    documents = [_entry(phase) for phase in phases]
    twin = documents[-1] | {"entry_id": "twin", "energy": documents[-1]["energy"] + 0.01}
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump([*documents, twin], file)


def _write_wbm(data: Path, phases: PhaseSet, rows: NDArray[np.int64]) -> None:
    elements = {e: {"energy": v, "composition": {e: 1.0}} for e, v in phases.elemental_ev_per_atom.items()}
    with gzip.open(data / "mp_elemental_reference_entries.json.gz", "wt", encoding="utf-8") as file:
        json.dump(elements, file)
    crystals = [
        {
            "material_id": phases.ids[i],
            "lattice": phases.crystals[i].lattice.tolist(),
            "frac_coords": phases.crystals[i].frac_coords.tolist(),
            "species": [symbol(z) for z in phases.crystals[i].numbers],
            "corrected_energy": float(phases.energies_ev[i]),
            "corrected_formation_energy_per_atom": float(phases.e_form_ev_per_atom[i]),
        }
        for i in rows
    ]
    with gzip.open(data / "wbm_random_half.json.gz", "wt", encoding="utf-8") as file:
        json.dump(crystals, file)


def _entry(phase: Phase) -> dict[str, Any]:
    structure = phase.crystal.to_pymatgen()
    return {
        "entry_id": phase.id,
        "composition": structure.composition.get_el_amt_dict(),
        "energy": float(phase.energy_ev),
        "correction": 0.0,
        "structure": structure.as_dict(),
        "data": {"oxide_type": "oxide"},
    }
