"""The prototype database: nearest known analogue, new prototypes, and all judgements of one crystal together."""

from __future__ import annotations

import numpy as np

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.records import Credibility
from gnome_lite.novelty.fingerprint import fingerprints
from gnome_lite.novelty.prototype_database import PrototypeDatabase


def fingerprint(crystal: Crystal) -> str:
    return fingerprints(CrystalBatch.from_crystals([crystal]))[0]


def prototype_database(**known: Crystal) -> PrototypeDatabase:
    database = PrototypeDatabase()
    batch = CrystalBatch.from_crystals(known.values())
    database.extend(list(known), batch, fingerprints(batch))
    return database


def judged(by: PrototypeDatabase, crystal: Crystal) -> Credibility:
    return by.credibility(crystal, fingerprint(crystal))


def test_analogue_is_of_the_same_prototype_and_of_the_nearest_elements(types) -> None:
    by = prototype_database(
        salt=types.rock_salt("Na", "Cl"),
        oxide=types.rock_salt("Mg", "O", 4.2),
        blende=types.zinc_blende("Zn", "S", 5.4),
        perovskite=types.perovskite("Sr", "Ti"),
    )
    assert judged(by, types.rock_salt("K", "Br", 6.6)).analogue == "salt"
    assert judged(by, types.rock_salt("Zn", "S", 5.0)).analogue == "oxide"
    assert judged(by, types.zinc_blende("K", "Br")).analogue == "blende"
    assert judged(by, types.fluorite()).analogue is None


def test_crystals_that_come_after_a_question_count_too(types) -> None:
    by = prototype_database(salt=types.rock_salt("Na", "Cl"))
    assert judged(by, types.rock_salt("K", "Br", 6.6)).analogue == "salt"
    assert judged(by, types.perovskite("Sr", "Ti")).new_prototype
    later = CrystalBatch.from_crystals([types.rock_salt("K", "Cl", 6.3), types.perovskite("Ba", "Ti")])
    by.extend(["nearer", "new"], later, fingerprints(later))
    assert judged(by, types.rock_salt("K", "Br", 6.6)).analogue == "nearer"
    assert not judged(by, types.perovskite("Sr", "Ti")).new_prototype


def test_roles_are_compared_not_the_alphabet(types) -> None:
    # A and B sites of perovskite: Ca-Ti is near Sr-Ti, not near Ti-Ca.
    by = prototype_database(swapped=types.perovskite("Ti", "Ca"), right=types.perovskite("Ba", "Zr"))
    assert judged(by, types.perovskite("Ca", "Ti")).analogue == "right"
    # Rock salt's two sites are alike: either order will do.
    for cation, anion in (("Na", "Cl"), ("Cl", "Na")):
        assert (
            judged(prototype_database(salt=types.rock_salt("K", "Br")), types.rock_salt(cation, anion)).analogue
            == "salt"
        )


def test_first_known_wins_a_tie_and_elements_off_the_scale_are_far(types) -> None:
    by = prototype_database(
        rf=types.rock_salt("Rf", "Cl"), a=types.rock_salt("Na", "Cl"), b=types.rock_salt("Na", "Cl")
    )
    assert judged(by, types.rock_salt("Na", "Cl")).analogue == "a"
    assert judged(by, types.rock_salt("Rf", "Cl")).analogue == "rf"


def test_new_prototype(types) -> None:
    by = prototype_database(salt=types.rock_salt())
    assert judged(by, types.fluorite()).new_prototype
    assert not judged(by, types.rock_salt("Mg", "O", 4.2)).new_prototype


def test_suspects_and_flags_come_along(types) -> None:
    by = prototype_database(salt=types.rock_salt())
    assert judged(by, types.double_perovskite("Ba", "Zr", "Hf")).ordering_suspect
    found = judged(by, types.fluorite("Na", "F", 5.5))
    assert not found.ordering_suspect
    assert found.flags == ("more F than its cations can bind",)


def test_what_is_no_crystal_has_nothing(types) -> None:
    flat = Crystal(np.array([57, 39]), np.array([[0.0] * 3, [0.5] * 3]), np.diag([4.0, 4.0, 0.0]))
    assert fingerprint(flat).endswith("|")
    by = prototype_database(salt=types.rock_salt(), flat=flat)
    assert judged(by, flat) == Credibility(ordering_suspect=False, flags=(), analogue=None, new_prototype=False)
    assert judged(prototype_database(), types.rock_salt()) == Credibility(False, (), None, True)
