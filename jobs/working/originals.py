"""Originals and plates read back from storage, with what the ledger says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photochrom.colorize.errors import ProofError
from photochrom.colorize.picture import Painter, Photo, Plate, ToneTable
from photochrom.colorize.picture.marking.c2pa import Signer, to_be_signed
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store


def luma_bytes(row: dict[str, Any]) -> int:
    """Return what a row's decoded original takes in memory."""
    return int(row["width"] * row["height"] * row["bits"] // 8)


def read_original(
    sources: Sources,
    row: dict[str, Any],
    scratch: Path,
    signer: Signer | None = None,
    *,
    filed: bool = False,
) -> Photo:
    """Fetch and decode a row's original; raises ProofError if it is not the one colorized.

    Its luma lies in a file in `scratch` if it is to be `filed`.
    """
    path = scratch / f"{row['row_key']}.source"
    try:
        fetched = sources.fetch(row["source_uri"], "", path)
        if fetched.sha256 != row["source_sha256"]:
            raise ProofError("the original's bytes are not those that were colorized")
        photo = Photo.open(
            path, sha256=fetched.sha256, max_pixels=1 << 62, scratch=scratch if filed else None
        )
        photo = to_be_signed(photo, path, row["row_id"], signer)
    finally:
        path.unlink(missing_ok=True)
    if photo.luma_sha256 != row["source_luma_sha256"]:
        raise ProofError(
            f"the original decodes to another luma than with {row['decoder']}: "
            f"this is {photo.header.decoder}"
        )
    return photo


def read_tone_table(store: Store, row: dict[str, Any]) -> ToneTable:
    """Read a row's tone table; raises ProofError if it is another."""
    tone = ToneTable("positive", row["tone_evidence"], row["bits"])
    if uri := row["tone_table_uri"]:
        tone = ToneTable.from_bytes(store.read(key_of(store, uri)), row["tone_evidence"])
    if tone.sha256 != row["tone_table_sha256"]:
        raise ProofError("the tone table is not the one in the ledger")
    return tone


def read_plate(store: Store, row: dict[str, Any]) -> Plate:
    """Read a row's plate and tone table; raises ProofError if either is another."""
    tone = read_tone_table(store, row)
    painter = Painter(row["model"], row["weights_sha256"], row["render_size"], row["precision"])
    plate = Plate.from_png(store.read(key_of(store, row["plate_uri"])), tone, painter)
    if plate.sha256 != row["plate_sha256"]:
        raise ProofError("the plate is not the one in the ledger")
    return plate


def key_of(store: Store, uri: str) -> str:
    """Return the key of an object by the URI that a row gives; the place may have moved since."""
    if uri.startswith(f"{store.root}/"):
        return uri.removeprefix(f"{store.root}/")
    parts = uri.split("/")
    keys = ["/".join(parts[n:]) for n, part in enumerate(parts) if part in ("plates", "prints")]
    if not keys:
        raise ProofError(f"{uri} lies in no folder of this place")
    return next(filter(store.exists, keys), keys[0])
