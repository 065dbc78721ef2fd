"""Names of 0.1 and those that took their places."""

from __future__ import annotations

import pytest

from gnome_lite.config import CampaignConfig
from gnome_lite.core.old_settings import GONE, MOVED, with_current_names

NOT_A_DEFAULT = {"expert.steps": 2, "expert.supercell_max": 2, "expert.structures_per_composition": 7}


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_says_what_its_new_one_says(old: str) -> None:
    (section, key), (new_section, new_key) = old.split("."), MOVED[old].split(".")
    value = NOT_A_DEFAULT.get(MOVED[old], 0.125 if "share" in key else 3)
    settings, notices = with_current_names({"name": "x", section: {key: value}})
    assert settings == {"name": "x", section: {}, new_section: {new_key: value}}
    assert notices == [f"{old} is now {MOVED[old]}"]


@pytest.mark.parametrize("old", GONE)
def test_what_is_fixed_now_may_say_what_it_always_says_and_nothing_else(old: str) -> None:
    section, key = old.split(".")
    settings, notices = with_current_names({section: {key: GONE[old]}})
    assert settings == {section: {}}
    assert notices == [f"{old} is no longer a setting"]
    other = {section: {key: "another"}}
    assert with_current_names(other) == (other, [])


def test_today_s_names_are_left_alone() -> None:
    settings = CampaignConfig().model_dump(mode="json")
    assert with_current_names(settings) == (settings, [])


def test_under_both_names_the_old_one_stays_to_be_refused() -> None:
    both = {"stop": {"fresh": 0.1, "min_new_fraction": 0.2}}
    assert with_current_names(both) == (both, [])


def test_what_is_given_is_not_changed() -> None:
    given = {"select": {"likely": 0.5}}
    with_current_names(given)
    assert given == {"select": {"likely": 0.5}}
