"""What signs prints: where its key lies. The key itself is in no row, log or job.json."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from photochrom.colorize.errors import SettingsError

if TYPE_CHECKING:
    from photochrom.colorize.picture.marking.c2pa import Signer

_FROM_ENVIRONMENT = "env:"


class Signing(BaseModel):
    """The key that signs every print by C2PA, its chain, and who stamps the time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    c2pa_key: str | None = Field(None, description="signs every print: a PEM file, or env:NAME")
    c2pa_chain: str | None = Field(None, description="its certificates, likewise")
    tsa_url: str | None = Field(None, description="a time-stamping authority (RFC 3161)")

    @field_validator("c2pa_key", "c2pa_chain")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if not value or value.startswith(_FROM_ENVIRONMENT):
            return value or None
        if "-----BEGIN" in value or "\n" in value:
            raise ValueError("name the file, or the variable as env:NAME; never the key itself")
        return os.path.abspath(os.path.expanduser(value.removeprefix("file://")))

    @field_validator("tsa_url")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value or None

    @model_validator(mode="after")
    def _complete(self) -> Signing:
        if bool(self.c2pa_key) != bool(self.c2pa_chain):
            raise ValueError("c2pa_key and c2pa_chain go together; name both or neither")
        if self.tsa_url and not self.c2pa_key:
            raise ValueError("tsa_url stamps signatures; name c2pa_key and c2pa_chain too")
        return self

    @property
    def wanted(self) -> bool:
        """Whether prints are signed."""
        return self.c2pa_key is not None

    def signer(self) -> Signer | None:
        """Read the key, on the machine where this is called; raises SettingsError."""
        if self.c2pa_key is None or self.c2pa_chain is None:
            return None
        from photochrom.colorize.picture.marking.c2pa import Signer

        return Signer(
            _content("c2pa_key", self.c2pa_key),
            _content("c2pa_chain", self.c2pa_chain),
            self.tsa_url,
        )


def _content(name: str, place: str) -> bytes:
    if place.startswith(_FROM_ENVIRONMENT):
        variable = place.removeprefix(_FROM_ENVIRONMENT)
        if not (text := os.environ.get(variable)):
            raise SettingsError(
                f"marks.{name}: {variable} is not set here; it must be wherever workers run"
            )
        return text.encode()
    try:
        return Path(place).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"marks.{name}: {place}: {error.strerror}; it must be readable wherever workers run"
        ) from None
