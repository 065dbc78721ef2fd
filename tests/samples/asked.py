"""Campaigns whose crystals can be asked for: their reference phases lie in a file of their home."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from samples.small_campaign import CRYSTALS, LEVEL, begin, play_round, pool, references, verdict, verification

from gnome_lite.config import CampaignConfig, Sources
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import ModelRecord, Phase
from gnome_lite.sources.reference_files import write_references
from gnome_lite.store.database import SqlStore
from gnome_lite.verify.files.result_readers import answer_of

LIF, NACL, NAMNF3 = (CRYSTALS[k].content_id for k in (0, 1, 3))
"""Of the small campaign: on the hull and novel; 0.1 and 0.03 eV/atom above it."""


def home_with_campaign(home: Path) -> SqlStore:
    """Make a home whose campaign "first" has played one round; copied, for it is made once a process."""
    shutil.copytree(_played(), home)
    return SqlStore.open(home / "store.sqlite")


@cache
def _played() -> Path:
    home = Path(tempfile.mkdtemp(prefix="gnome_lite_asked"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    write_references(home / "elements.parquet", list(references()))
    store = SqlStore.open(home / "store.sqlite")
    begin(store, rounds=1, sources=Sources(seed=False, files=(home / "elements.parquet",)))
    play_round(store, "first")
    return home


def read_here(paths: Sequence[Path], level: str, settings: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Read results in this process, which spares the start of a child."""
    yield from ((path, answer_of(path, level, settings)) for path in paths)


def home_with(home: Path, elements: Sequence[Phase], crystals: Sequence[Crystal]) -> SqlStore:
    """Make a home whose campaign "first" found some crystals stable, beside some elements."""
    home.mkdir(parents=True, exist_ok=True)
    known = PhaseSet.make(elements)
    write_references(home / "elements.parquet", list(known))
    store = SqlStore.open(home / "store.sqlite")
    files = Sources(seed=False, files=(home / "elements.parquet",))
    store.begin(CampaignConfig(name="first", rounds=1, sources=files), known)
    store.add_model("first", 0, ModelRecord("model-0", "models/0", 90, 10, 0.05), {})
    store.add_candidates("first", pool(tuple(crystals)), [f"f{i}" for i in range(len(crystals))], {})
    store.add_selection("first", 1, [c.content_id for c in crystals], [], {})
    store.add_verifications(
        "first", 1, [verification(c, -3.0 * len(c), crystal=c, fingerprint=f"f{i}") for i, c in enumerate(crystals)]
    )
    store.add_verdicts("first", 1, [verdict(c, 0.0) for c in crystals], {})
    return store


def element(name: str, crystal: Crystal) -> Phase:
    """Return a reference phase of the campaign's level at -1 eV/atom."""
    return Phase(name, crystal, -1.0 * len(crystal), LEVEL, "test", "CC0")
