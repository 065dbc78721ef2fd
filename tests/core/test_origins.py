"""Origins of phases: the table's are reported, whatever else is not."""

from __future__ import annotations

from gnome_lite.core.origins import is_reported


def test_only_the_tables_sources_are_reported() -> None:
    assert is_reported("reported: halite, rock-salt type")
    assert not any(map(is_reported, ("gnome_lite seed, prototypes", "Materials Project", "gnome_lite, verified", "")))
