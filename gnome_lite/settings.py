"""The machine, not the science: where things lie, which database, which keys. From GNOME_LITE_* and MP_API_KEY."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from gnome_lite.core.errors import SourceError


class Settings(BaseSettings):
    """Settings of this machine; nothing is created until a directory is asked for by its user.

    Attributes:
        home: everything written by a campaign lies below it (default: `data/local` in a checkout's
            working directory, so that a laptop user finds it beside the project).
        database_url: an SQLAlchemy URL, which may hold a password; default is the file `store.sqlite` in `home`.
        trust: run whatever code campaigns name (`assemble.trust`); never set by a store, a file or a server.
    """

    model_config = SettingsConfigDict(env_prefix="GNOME_LITE_", extra="ignore", populate_by_name=True)

    home: Path = Path("data/local")
    database_url: SecretStr | None = None
    trust: bool = False
    mp_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("MP_API_KEY", "GNOME_LITE_MP_API_KEY")
    )
    mp_api_endpoint: str | None = Field(
        default=None, validation_alias=AliasChoices("MP_API_ENDPOINT", "GNOME_LITE_MP_API_ENDPOINT")
    )

    @classmethod
    def at(cls, home: Path | str | None = None, trust: bool = False) -> Settings:
        """Return the settings of the environment, with another home if one is named, and trust if it is given."""
        given = cls(home=Path(home)) if home else cls()
        return given.model_copy(update={"trust": True}) if trust else given

    @property
    def store_url(self) -> str:
        """The URL of the store, its password in the open: for opening it, never for a message."""
        return self.database_url.get_secret_value() if self.database_url else f"sqlite:///{self.home / 'store.sqlite'}"

    @property
    def models_dir(self) -> Path:
        return self.home / "models"

    @property
    def references_dir(self) -> Path:
        return self.home / "references"

    @property
    def prefect_home(self) -> Path:
        return self.home / "prefect"

    def require_mp_key(self) -> SecretStr:
        """The Materials Project key.

        Raises:
            SourceError: if it is missing or not 32 characters long.
        """
        key = self.mp_api_key
        if key is None or not key.get_secret_value():
            raise SourceError("no Materials Project key: set MP_API_KEY (your key is on the MP dashboard)")
        if len(key.get_secret_value()) != 32:
            raise SourceError(
                f"MP_API_KEY has {len(key.get_secret_value())} characters, a Materials Project key has 32: check it"
            )
        return key


def bundled(*parts: str) -> Path:
    """Return the path of a file shipped with gnome_lite: `gnome_lite/_data/...` in a wheel, `data/...` in a checkout.

    An installation that keeps seed and models elsewhere names their directory in GNOME_LITE_BUNDLED.
    """
    if elsewhere := os.environ.get("GNOME_LITE_BUNDLED"):
        return Path(elsewhere, *parts)
    package = Path(__file__).resolve().parent
    wheel, checkout = package / "_data", package.parent / "data"
    return (wheel if wheel.is_dir() else checkout).joinpath(*parts)
