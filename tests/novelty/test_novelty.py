"""`CrystalNovelty` keeps the pipeline's contract."""

from __future__ import annotations

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.pipeline import CrystalIndex, Novelty, PrototypeDatabase


def test_contract(types) -> None:
    novelty: Novelty = CrystalNovelty()
    crystal = types.rock_salt()
    (fingerprint,) = novelty.fingerprints(CrystalBatch.from_crystals([crystal]))
    assert fingerprint == "NaCl|cF8_225_a_b"
    assert novelty.prototype(fingerprint) == "AB_cF8_225_a_b"
    index: CrystalIndex = novelty.index()
    index.add("salt", crystal)
    assert index.find(types.rock_salt(a=6.0)) == "salt"
    prototype_database: PrototypeDatabase = novelty.prototype_database()
    prototype_database.extend(["salt"], CrystalBatch.from_crystals([crystal]), [fingerprint])
    assert prototype_database.credibility(types.rock_salt("K", "Br"), "KBr|cF8_225_a_b").analogue == "salt"
    assert novelty.index().find(crystal) is None
