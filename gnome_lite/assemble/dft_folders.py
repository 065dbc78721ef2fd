"""DFT handed out as folders and taken back, for the store of some settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnome_lite.assemble.references import open_phases, open_store
from gnome_lite.core.errors import ConfigError, StoreError
from gnome_lite.pipeline import Progress, silent
from gnome_lite.settings import Settings

if TYPE_CHECKING:
    from gnome_lite.campaign.asking import Asked
    from gnome_lite.campaign.telling import Told
    from gnome_lite.verify.files.answers import ReadFiles


def ask_for_dft(
    out: Path,
    level: str,
    n: int,
    settings: Settings,
    campaign: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    pseudos: Path | None = None,
    **limits: Any,
) -> Asked:
    """Write a folder with DFT inputs of the best crystals of a campaign.

    Args:
        out: folder to make.
        level: name of the level, e.g. "vasp-mp".
        n: most candidates; competing phases that the level lacks come on top.
        settings: home and store.
        campaign: whose crystals; default: the campaign begun last.
        arguments: settings of "qe" or "gpaw".
        pseudos: folder of pseudopotentials, which "qe" needs.
        limits: `e_above_hull_max`, `competing_max`, `again`, as in `campaign.asking.Request`.

    Raises:
        ConfigError: if the level, a setting or the folder cannot be used.
        StoreError: if there is no such campaign, or nothing to ask for.
    """
    from gnome_lite.campaign.asking import Request, ask
    from gnome_lite.stability.hull import build_hull
    from gnome_lite.verify.files.asked_folder import require_free
    from gnome_lite.verify.files.dft_levels import dft_level, make_settings
    from gnome_lite.verify.files.program_inputs import pseudopotentials_in

    require_free(out)
    given = dict(arguments or {})
    if dft_level(level).program == "espresso":
        if pseudos is None:
            raise ConfigError(
                "level qe needs pseudopotentials: name their folder with --pseudos DIR (a UPF an element)"
            )
        given["pseudopotentials"] = pseudopotentials_in(pseudos)
    elif pseudos is not None:
        raise ConfigError(f"level {level} takes no pseudopotentials of --pseudos: leave it out, or ask for level qe")
    request = Request(level, make_settings(level, given), n, pseudos=pseudos, **limits)
    store = open_store(settings)
    names = [c.name for c in sorted(store.status().campaigns, key=lambda c: c.begun_at)]
    if campaign not in (None, *names) or not names:
        raise StoreError(f"no campaign {campaign or ''!r} in the store: there are {', '.join(names) or 'none'}")
    name = names[-1] if campaign is None else campaign
    phases = open_phases(settings, name)
    return ask(store, name, phases, build_hull(phases), settings.home / "levels", request, out)


def tell_dft(folder: Path, settings: Settings, progress: Progress = silent, read: ReadFiles | None = None) -> Told:
    """Take back what is finished in a folder that was asked for, and judge it.

    Args:
        folder: folder that `ask_for_dft` wrote.
        settings: home and store.
        progress: told how many folders are read.
        read: reads files of results; default: children that are limited.

    Raises:
        ConfigError: if the manifest is not as it was written, or of another store.
    """
    from gnome_lite.campaign.telling import tell
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.stability.hull import build_hull

    store, levels_dir = open_store(settings), settings.home / "levels"
    phases = partial(open_phases, settings)
    return tell(store, folder, phases, build_hull, CrystalNovelty(), levels_dir, progress, read)
