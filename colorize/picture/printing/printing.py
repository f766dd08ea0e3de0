"""Printing: original luma through its tone table, plus the plate, at any size and format.

A print is made in strips, written, and then proven: the file is decoded again, and a lossless one
must give back every sample of its luma and of its colour. A lossy one records its luma error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from photochrom.colorize.errors import PrintError, ProofError
from photochrom.colorize.picture.luma import Samples, strip_rows
from photochrom.colorize.picture.marking.c2pa import Signer, read_manifest
from photochrom.colorize.picture.marking.carried import carried
from photochrom.colorize.picture.marking.marks import (
    JPEG_ROOM,
    ROOM,
    SENTENCE,
    Marks,
    description,
    read_marks,
    xmp_packet,
)
from photochrom.colorize.picture.photo import Photo, file_sha256
from photochrom.colorize.picture.printing.canvas import Canvas, carried_exif
from photochrom.colorize.picture.printing.encoders import write_png, write_vips
from photochrom.colorize.picture.printing.icc import rgb_profile
from photochrom.colorize.picture.printing.plate import Plate
from photochrom.colorize.picture.printing.proof import read_back
from photochrom.colorize.picture.printing.recipe import LARGEST, WITH_IPTC, PrintRecipe, format_of
from photochrom.colorize.picture.printing.rendering import Rendering
from photochrom.colorize.picture.printing.tiff_encoder import write_tiff
from photochrom.colorize.picture.printing.visible import Kind, visible_mark


def _software() -> str:
    return f"photochrom {version('photochrom')}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Origin:
    """Which job ordered a print, and when.

    A job gives its plan's time, so that the same work done twice gives the same bytes.
    """

    recipe_digest: str = ""
    software: str = field(default_factory=_software)
    when: str = field(default_factory=_now)
    original: str = ""


@dataclass(frozen=True, slots=True)
class PrintFacts:
    """What a written and proven print is; the errors are in code values of the print's depth.

    They, and `luma_sha256`, leave out what a visible mark covers; `height` includes its strip.
    """

    output_bytes: int
    output_sha256: str
    output_format: str
    width: int
    height: int
    bits: int
    luma_sha256: str
    luma_proof: Literal["exact", "measured"]
    luma_max_error: int
    luma_mean_error: float
    chroma_scaled_fraction: float


class Print:
    """A plate laid on its photo, with the marks of its origin; `save` writes and proves it."""

    def __init__(self, photo: Photo, plate: Plate, origin: Origin = Origin()) -> None:
        self._photo, self._plate, self._origin = photo, plate, origin

    def save(
        self, path: Path | str, recipe: PrintRecipe | None = None, signer: Signer | None = None
    ) -> PrintFacts:
        """Write the print and prove it; raises PrintError and leaves no file behind.

        Without a recipe the print has full size, in the format that the file's name ends in, and is
        signed if there is a signer: then the photo must have its `ingredient`.
        """
        path = Path(path)
        recipe = recipe or PrintRecipe(format=format_of(path), c2pa=signer is not None)
        wanted = Rendering(self._photo, self._plate, recipe)
        _check_size(wanted, recipe)
        writing = _Writing(wanted, recipe.visible_mark)
        marks = self._marks(recipe)
        unproven = path.with_name(f".unproven-{path.name}")
        try:
            self._encode(unproven, recipe, writing, marks)
            if recipe.c2pa:
                self._sign(unproven, recipe, signer, marks)
            facts = _proven(unproven, recipe, writing, marks)
            unproven.replace(path)
        finally:
            unproven.unlink(missing_ok=True)
        return facts

    @cached_property
    def marks(self) -> Marks:
        """What this print says of itself."""
        photo, plate, origin = self._photo, self._plate, self._origin
        return Marks(
            Model=plate.painter.model,
            WeightsSHA256=plate.painter.weights_sha256,
            OriginalSHA256=photo.sha256,
            OriginalLumaSHA256=photo.luma_sha256,
            PlateSHA256=plate.sha256,
            ToneTableSHA256=plate.tone.sha256,
            RecipeDigest=origin.recipe_digest,
            Software=origin.software,
            When=origin.when,
            Original=origin.original,
        )

    def _marks(self, recipe: PrintRecipe) -> Marks:
        visible = "" if recipe.visible_mark == "none" else recipe.visible_mark
        return replace(self.marks, VisibleMark=visible)

    def _sign(self, path: Path, recipe: PrintRecipe, signer: Signer | None, marks: Marks) -> None:
        """Sign the file as it is, last of all; raises PrintError."""
        if signer is None or self._photo.ingredient is None:
            raise PrintError("a print to be signed needs a signer, and its photo's ingredient")
        signer.sign(path, recipe.format, marks, self._photo.ingredient)
        found = read_manifest(path)
        if not found.holds:
            raise ProofError(f"its C2PA signature does not hold: {', '.join(found.codes)}")

    def _encode(self, path: Path, recipe: PrintRecipe, writing: _Writing, marks: Marks) -> None:
        header, wanted = self._photo.header, writing.rendering
        own = carried(header, has_iptc=recipe.format in WITH_IPTC, has_exif=recipe.format != "tiff")
        text = description(header.description or own.description)
        canvas = Canvas(
            width=wanted.width,
            height=writing.height,
            bits=wanted.bits,
            rows=strip_rows(wanted.width),
            xmp=xmp_packet(marks, own, JPEG_ROOM if recipe.format == "jpeg" else ROOM),
            icc=rgb_profile(header.icc),
            dpi=self._photo.dpi if wanted.height == self._photo.height else None,
            description=text,
            exif=carried_exif(header, text),
            iptc=own.iptc.captioned(SENTENCE),
        )
        match recipe.format:
            case "tiff":
                write_tiff(path, canvas, writing.blocks(), recipe.compression, recipe.tiled)
            case "png":
                write_png(path, canvas, writing.blocks())
            case "jpeg":
                write_vips(path, canvas, writing.blocks(), Q=recipe.quality)
            case "webp":
                kind = {"lossless": True} if recipe.lossless else {"Q": recipe.quality}
                write_vips(path, canvas, writing.blocks(), **kind)
            case "none":
                raise PrintError("this recipe makes plates only")


def _check_size(wanted: Rendering, recipe: PrintRecipe) -> None:
    """Raise PrintError for a print that its format cannot hold, before anything is done."""
    largest = LARGEST.get(recipe.format)
    if largest is not None and max(wanted.width, wanted.height) > largest:
        raise PrintError(
            f"{wanted.width} x {wanted.height} pixels are too large for {recipe.format}, which "
            f"holds {largest:,} a side: set print.long_side, or print tiff or png"
        )


class _Writing:
    """Passes a rendering's strips to an encoder and remembers what went by."""

    def __init__(self, rendering: Rendering, visible: Kind = "none") -> None:
        self.rendering = rendering
        self.mark = visible_mark(visible, rendering.width, rendering.height)
        self.height = rendering.height + (self.mark.below if self.mark else 0)
        self.scaled = 0
        self._sha256 = hashlib.sha256()

    def blocks(self) -> Iterator[Samples]:
        """Yield what is to be written, the visible mark included."""
        if self.mark is None:
            return self._blocks()
        return self.mark.lay_on(self._blocks(), strip_rows(self.rendering.width))

    def _blocks(self) -> Iterator[Samples]:
        for rgb, scaled in self.rendering.blocks():
            if self.rendering.exact:
                self._sha256.update(rgb.data)
            self.scaled += scaled
            yield rgb

    @property
    def samples_sha256(self) -> str:
        return self._sha256.hexdigest()


def _proven(path: Path, recipe: PrintRecipe, writing: _Writing, marks: Marks) -> PrintFacts:
    """Read the written file back; raises ProofError where a lossless one differs."""
    wanted = writing.rendering
    reading = read_back(path, wanted, writing.mark)
    if not read_marks(path).give_back(marks):
        raise ProofError("the written file does not give back its marks")
    if wanted.exact and (reading.max_error or reading.samples_sha256 != writing.samples_sha256):
        raise ProofError("the written file does not give back the print's samples")
    return PrintFacts(
        output_bytes=path.stat().st_size,
        output_sha256=file_sha256(path),
        output_format=recipe.format,
        width=wanted.width,
        height=writing.height,
        bits=wanted.bits,
        luma_sha256=reading.luma_sha256,
        luma_proof="exact" if wanted.exact else "measured",
        luma_max_error=reading.max_error,
        luma_mean_error=reading.mean_error,
        chroma_scaled_fraction=writing.scaled / (wanted.width * wanted.height),
    )
