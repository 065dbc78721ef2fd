"""What is bundled, but small: a few hundred reference phases and networks that hardly know them, for whole campaigns.

A campaign in it is the shipped one in all but size; most of its seconds would else go into the seed and its networks.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gnome_lite.assemble import load_references, make_predictor
from gnome_lite.config import CampaignConfig
from gnome_lite.pipeline import silent
from gnome_lite.settings import Settings, bundled
from gnome_lite.sources.reference_files import read_references, write_references

VARIABLE = "GNOME_LITE_BUNDLED"


def write_small_world(bundle: Path, config: CampaignConfig, n_compounds: int = 250) -> None:
    """Write the elements and some compounds of a campaign's space, and a base trained for its networks."""
    (bundle / "seed").mkdir(parents=True)
    (bundle / "models").mkdir()
    for path in [*bundled("models").iterdir(), *bundled("seed").glob("molecules-*.parquet")]:
        (bundle / path.parent.name / path.name).symlink_to(path)
    seed = load_references()
    space = {*config.space.elements}
    kinds = (seed.counts > 0).sum(axis=1)
    inside = [kinds[i] > 1 and {*p.crystal.chemical_system.split("-")} <= space for i, p in enumerate(seed)]
    compounds = np.flatnonzero(np.array(inside) & (seed.crystals.n_atoms <= 10))
    spread = compounds[np.linspace(0, len(compounds) - 1, n_compounds).astype(int)]
    kept = seed.take(np.union1d(np.flatnonzero(kinds == 1), spread))
    inputs = [e for e in read_references(bundled("seed", "inputs.parquet")) if e.id in kept]
    write_references(bundle / "seed" / "references.parquet", list(kept))
    write_references(bundle / "seed" / "inputs.parquet", inputs)
    with lived_in(bundle):
        settings = Settings(home=bundle / "home")
        predictor = make_predictor(config, settings, seed.level, shipped=False)
        base = predictor.base(load_references(), silent)
    place = bundle / "models" / f"base-{seed.level}"
    place.unlink()
    shutil.copytree(settings.models_dir / base.id, place)


@contextmanager
def lived_in(bundle: Path) -> Iterator[None]:
    """Let this process and those that it starts find this bundle."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(bundle)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before
