"""The print recipe: all that decides a print, given its original and its plate."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from photochrom.colorize.errors import PrintError

Format = Literal["tiff", "png", "jpeg", "webp", "none"]
SUFFIXES: dict[str, str] = {"tiff": "tif", "png": "png", "jpeg": "jpg", "webp": "webp"}
LOSSLESS = frozenset({"tiff", "png"})
WITH_IPTC = frozenset({"tiff", "jpeg"})
_FORMAT_OF = {"tif": "tiff", "tiff": "tiff", "png": "png", "jpg": "jpeg", "jpeg": "jpeg"} | {
    "webp": "webp"
}


class PrintRecipe(BaseModel):
    """All that decides a print, given its original and its plate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format = Field("jpeg", description="tiff and png are lossless and proven exact")
    long_side: int | None = Field(None, ge=16, description="pixels; leave out for full size")
    quality: int = Field(92, ge=1, le=100, description="of jpeg and webp")
    compression: Literal["none", "deflate"] = Field("none", description="of tiff")
    c2pa: bool = Field(False, description="signed too; in a job it follows from `[marks]`")
    visible_mark: Literal["none", "sign", "strip"] = Field(
        "none", description="on access copies: a palette in the corner, or a strip below"
    )

    @field_validator("visible_mark")
    @classmethod
    def _on_access_copies(cls, value: str, info: ValidationInfo) -> str:
        if value != "none" and info.data.get("format") not in ("jpeg", "webp"):
            raise ValueError(f"{value} would change luma; choose jpeg or webp, or none")
        if value != "none" and info.data.get("long_side") is None:
            raise ValueError(f"{value} is for access copies; give them a long_side, or choose none")
        return value

    @property
    def suffix(self) -> str:
        """The file name's ending, without a dot."""
        return SUFFIXES[self.format]


def format_of(path: Path | str) -> Format:
    """Name the format of a file by its ending; raises PrintError for one that we do not write."""
    ending = Path(path).suffix.lstrip(".").lower()
    if ending not in _FORMAT_OF:
        raise PrintError(f"cannot write {path}: end it in one of {', '.join(_FORMAT_OF)}")
    return _FORMAT_OF[ending]  # type: ignore[return-value]
