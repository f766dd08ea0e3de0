"""What one file may take to be read. Imports no decoder: settings are checked without any."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MAX_PIXELS = 500_000_000


class ReadingLimits(BaseModel):
    """What one file may take to decode, before it fails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: int = Field(MAX_PIXELS, ge=1, description="of one source, by its header")
    decode_bytes: int = Field(4 << 30, ge=1 << 20, description="of memory, to decode one source")
    decode_seconds: float = Field(300, gt=0, description="of CPU time, to decode one source")
