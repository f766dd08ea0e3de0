"""The print recipe: all that decides a print, given its original and its plate."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from photochrom.colorize.errors import PrintError

Format = Literal["tiff", "png", "jpeg", "webp", "none"]
SUFFIXES: dict[str, str] = {"tiff": "tif", "png": "png", "jpeg": "jpg", "webp": "webp"}
WITH_IPTC = frozenset({"tiff", "jpeg"})
LARGEST = {"jpeg": 65_500, "webp": 16_383}
"""The longest side in pixels that a format can hold, where that is a limit worth a word."""
_FORMAT_OF = {"tif": "tiff", "tiff": "tiff", "png": "png", "jpg": "jpeg", "jpeg": "jpeg"} | {
    "webp": "webp"
}


class PrintRecipe(BaseModel):
    """All that decides a print, given its original and its plate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format = Field("jpeg", description="tiff and png are lossless and proven exact")
    long_side: int | None = Field(None, ge=16, description="pixels; leave out for full size")
    quality: int = Field(
        92, ge=1, le=100, description="of jpeg and webp; jpeg below 90 halves the colour's size"
    )
    compression: Literal["none", "deflate", "lzw"] = Field("none", description="of tiff")
    tiled: bool = Field(False, description="tiff in tiles of 256 x 256, for image servers")
    lossless: bool = Field(False, description="webp, too, is lossless and proven exact, at 8 bit")
    c2pa: bool = Field(False, description="signed too; in a job it follows from `[marks]`")
    visible_mark: Literal["none", "sign", "strip"] = Field(
        "none", description="on access copies: a palette in the corner, or a strip below"
    )

    @field_validator("visible_mark")
    @classmethod
    def _on_access_copies(cls, value: str, info: ValidationInfo) -> str:
        if value != "none" and info.data.get("format") not in ("jpeg", "webp"):
            raise ValueError(f"{value} would change luma; choose jpeg or webp, or none")
        if value != "none" and info.data.get("lossless"):
            raise ValueError(f"{value} would change luma; choose lossy webp, or none")
        if value != "none" and info.data.get("long_side") is None:
            raise ValueError(f"{value} is for access copies; give them a long_side, or choose none")
        return value

    @field_validator("lossless")
    @classmethod
    def _possible(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("format") == "jpeg":
            raise ValueError("jpeg cannot be lossless; choose tiff, png or webp as the format")
        return value

    @property
    def exact(self) -> bool:
        """Whether every sample comes back, and is proven to."""
        return self.deep or (self.format == "webp" and self.lossless)

    @property
    def deep(self) -> bool:
        """Whether 16-bit samples stay what they are."""
        return self.format in ("tiff", "png")

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
