"""Assembly of verifiers: the calculator of a campaign and those of its higher levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gnome_lite.assemble.trust import require_trust
from gnome_lite.campaign.stages import HigherLevel
from gnome_lite.config import CampaignConfig, Level
from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import CalculatorError, LevelMismatchError
from gnome_lite.core.plain_text import file_name
from gnome_lite.settings import Settings

if TYPE_CHECKING:
    from gnome_lite.verify.verifier import ProcessVerifier


def level_of(config: CampaignConfig, settings: Settings | None = None) -> str:
    """Return the level of theory of the campaign's verifier; the package of its calculator may be asked for it.

    Raises:
        ConfigError: if the campaign names code that the user has not trusted.
    """
    from gnome_lite.verify.calculators import level_of as level_of_calculator

    require_trust(config, settings)
    verify = config.verify
    return level_of_calculator(verify.calculator, verify.calculator_kwargs, verify.corrections)


def make_verifier(
    config: CampaignConfig, elemental_ev_per_atom: Mapping[str, float] | None, settings: Settings
) -> ProcessVerifier:
    """Return the campaign's verifier; its trajectories, if wanted, go to the home.

    Raises:
        ConfigError: if the campaign names code that the user has not trusted.
    """
    from gnome_lite.verify.verifier import ProcessVerifier

    require_trust(config, settings)
    return ProcessVerifier(config.verify, elemental_ev_per_atom, settings.home / "trajectories")


def make_higher_level(name: str, config: CampaignConfig, settings: Settings) -> HigherLevel:
    """Return a level above the campaign's own, with its results log in the home.

    Raises:
        ConfigError: if the campaign names code that the user has not trusted.
        CalculatorError: if the calculator is unknown or cannot be had here.
        LevelMismatchError: if it is of the campaign's own level.
    """
    from gnome_lite.verify.verifier import ProcessVerifier

    require_trust(config, settings)
    verifier = ProcessVerifier(config.verify.at(name), None, settings.home / "trajectories")
    if verifier.level == level_of(config, settings):
        raise LevelMismatchError(
            f"{name} and {config.verify.calculator} are both of level {verifier.level}: name another calculator"
        )
    results_log = settings.home / "levels" / f"{file_name(verifier.level)}.jsonl"
    return HigherLevel(name, verifier, config.verify.level.get(name, Level()), results_log)


def check_calculators(config: CampaignConfig, settings: Settings) -> None:
    """Build each calculator once, where it is not one of our own with nothing changed, before anything is spent.

    Raises:
        ConfigError: if the campaign names code that the user has not trusted.
        CalculatorError: if one is unknown, cannot be built here, or does not know an element of the space.
    """
    from gnome_lite.verify.calculators import CALCULATORS
    from gnome_lite.verify.verifier import ProcessVerifier

    require_trust(config, settings)
    require_range(config)
    for level in (config.verify, *(config.verify.at(name) for name in config.verify.levels[1:])):
        named = CALCULATORS.get(level.calculator)
        with ProcessVerifier(level) as verifier:
            if named is None or not named.level or level.calculator_kwargs:
                verifier.check()


def require_range(config: CampaignConfig) -> None:
    """Raise CalculatorError if a calculator does not know an element of the space."""
    from gnome_lite.verify.calculators import max_z

    for name in (config.verify.calculator, *config.verify.levels[1:]):
        beyond = sorted(e for e in config.space.all_elements if atomic_number(e) > max_z(name))
        if beyond:
            raise CalculatorError(
                f"{name} does not know {', '.join(beyond)} (Z <= {max_z(name)}): "
                "leave it out of space.elements or choose another calculator"
            )
