"""JPEG 2000: every way in which its boxes may say what samples mean, each box put there by hand."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.reading.decoders import open_source
from tests.colorize.picture.handmade import box, jp2
from tests.colorize.picture.lightbox import Samples, grain, scene, slow_luma
from tests.colorize.picture.test_claims import spread_slowly
from tests.data.darkroom import grey_profile

SHAPE = (37, 53)
SRGB, GREY, SYCC = 16, 17, 18


def stream(values: Samples, bits: int = 0) -> bytes:
    """Encode values (h, w[, n]) as a lossless codestream whose components are independent."""
    options = {"bitspersample": bits} if bits else {}
    return bytes(
        imagecodecs.jpeg2k_encode(
            values, level=0, reversible=True, mct=False, codecformat="j2k", **options
        )
    )


def colr(space: int) -> bytes:
    return box(b"colr", b"\1\0\0" + struct.pack(">I", space))


def profile(data: bytes) -> bytes:
    return box(b"colr", b"\2\0\0" + data)


def cdef(*entries: tuple[int, int, int]) -> bytes:
    return box(
        b"cdef", struct.pack(">H", len(entries)) + b"".join(struct.pack(">3H", *e) for e in entries)
    )


def rows_of(path: Path) -> Samples:
    return np.concatenate(list(open_source(path).rows()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [2, 4, 8, 10, 12, 16])
@pytest.mark.parametrize("boxed", [True, False])
def test_every_depth(bits: int, channels: int, boxed: bool, tmp_path: Path) -> None:
    shape = SHAPE if channels == 1 else (*SHAPE, 3)
    values = grain(*shape, bits=16) >> 16 - bits
    values = values.astype(np.uint8) if bits <= 8 else values
    codestream = stream(values, bits)
    path = tmp_path / "original"
    path.write_bytes(
        jp2(codestream, colr(GREY if channels == 1 else SRGB)) if boxed else codestream
    )
    photo = Photo.open(path)
    wanted = spread_slowly(values, bits)
    assert np.array_equal(photo.luma, wanted if channels == 1 else slow_luma(wanted))
    assert photo.luma.dtype == wanted.dtype
    assert (photo.header.format, photo.header.channels) == ("jp2", channels)
    assert photo.header.decoder.startswith("openjpeg 2.")


@pytest.mark.parametrize("bits", [8, 16])
def test_another_encoder(bits: int, tmp_path: Path) -> None:
    """OpenJPH writes what OpenJPEG reads."""
    values = grain(*SHAPE, bits=bits)
    (tmp_path / "high.jph").write_bytes(imagecodecs.htj2k_encode(values, reversible=True))
    assert np.array_equal(Photo.open(tmp_path / "high.jph").luma, values)


@pytest.mark.parametrize("options", [{"tile_size": (16, 16)}, {"mct": 1}, {"progression": "RPCL"}])
def test_by_pillow(options: dict[str, object], tmp_path: Path) -> None:
    values = grain(*SHAPE, 3)
    Image.fromarray(values).save(tmp_path / "original.jp2", irreversible=False, **options)
    assert np.array_equal(rows_of(tmp_path / "original.jp2"), values)


CHANNELS = grain(*SHAPE, 4)
R, G, B, A = (CHANNELS[..., i] for i in range(4))
ORDERS: dict[str, tuple[Samples, bytes, Samples]] = {
    "rgba": (CHANNELS, cdef((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0)), CHANNELS[..., :3]),
    "bgr": (CHANNELS[..., :3], cdef((0, 0, 3), (1, 0, 2), (2, 0, 1)), CHANNELS[..., 2::-1]),
    "argb": (
        CHANNELS,
        cdef((0, 1, 0), (1, 0, 1), (2, 0, 2), (3, 0, 3)),
        CHANNELS[..., 1:],
    ),
    "rgb and an unnamed": (
        CHANNELS,
        cdef((3, 65535, 65535), (0, 0, 1), (1, 0, 2), (2, 0, 3)),
        CHANNELS[..., :3],
    ),
    "alpha and grey": (CHANNELS[..., :2], cdef((0, 1, 0), (1, 0, 1)), G),
    "grey of the whole": (CHANNELS[..., :2], cdef((0, 2, 0), (1, 0, 0)), G),
    "nobody says": (CHANNELS[..., :2], b"", R),
}


@pytest.mark.parametrize("order", ORDERS)
def test_channels_are_what_they_are_named(order: str, tmp_path: Path) -> None:
    values, definition, wanted = ORDERS[order]
    space = colr(SRGB if wanted.ndim == 3 else GREY)
    (tmp_path / "named.jp2").write_bytes(jp2(stream(values), space, definition))
    assert np.array_equal(rows_of(tmp_path / "named.jp2"), wanted)


@pytest.mark.parametrize("bits", [8, 16])
def test_palette(bits: int, tmp_path: Path) -> None:
    indices, entries = grain(*SHAPE), grain(256, 3, bits=bits, seed=4)
    depths = bytes([bits - 1] * 3)
    columns = box(
        b"pclr", struct.pack(">HB", 256, 3) + depths + entries.astype(f">u{bits // 8}").tobytes()
    )
    mapping = box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in (2, 1, 0)))
    (tmp_path / "palette.jp2").write_bytes(jp2(stream(indices), colr(SRGB), columns, mapping))
    assert np.array_equal(rows_of(tmp_path / "palette.jp2"), entries[indices][..., ::-1])


@pytest.mark.parametrize("bits", [8, 16])
def test_sycc_is_turned_into_rgb(bits: int, tmp_path: Path) -> None:
    """IEC 61966-2-1's matrix, slowly, in floats."""
    ycc, top = grain(*SHAPE, 3, bits=bits), 2.0**bits - 1
    y, cb, cr = (
        ycc[..., i] - half for i, half in enumerate((0.0, 2.0 ** (bits - 1), 2.0 ** (bits - 1)))
    )
    exact = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
    (tmp_path / "ycc.jp2").write_bytes(jp2(stream(ycc), colr(SYCC)))
    assert np.abs(rows_of(tmp_path / "ycc.jp2") - np.clip(exact, 0, top)).max() <= 0.5001


def test_what_it_carries(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270], exif[274] = "The mole, 1903", 6
    resolution = box(b"res ", box(b"resc", struct.pack(">4H2b", 236, 1, 118, 1, 2, 2)))
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    after = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + xmp)
    after += box(b"uuid", b"JpgTiffExif->JP2" + exif.tobytes()[6:])
    path = tmp_path / "carries.jp2"
    path.write_bytes(jp2(stream(grain(*SHAPE)), profile(grey_profile()), resolution, after=after))
    header = Photo.open(path).header
    assert header.icc == grey_profile()
    assert header.dpi == pytest.approx((299.72, 599.44))
    assert header.xmp == xmp
    assert header.description == "The mole, 1903"
    assert header.orientation == 1, "JPEG 2000 has none"


def test_the_first_of_several(tmp_path: Path) -> None:
    values = grain(*SHAPE)
    more = box(b"jp2c", stream(values // 2))
    (tmp_path / "several.jpx").write_bytes(jp2(stream(values), colr(GREY), after=more))
    photo = Photo.open(tmp_path / "several.jpx")
    assert np.array_equal(photo.luma, values)
    assert photo.header.note == "the first of 2 pictures"


def tiled() -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene(40, 48)).save(out, "JPEG2000", tile_size=(16, 16), no_jp2=True)
    return out.getvalue()


def signed(codestream: bytes) -> bytes:
    return codestream[:42] + bytes([codestream[42] | 0x80]) + codestream[43:]


WHOLE = stream(scene(40, 48))
TILE = tiled().index(b"\xff\x90")
SECOND = tiled().index(b"\xff\x90", TILE + 2)
REFUSED: dict[str, tuple[Fault, bytes]] = {
    "cmyk": (Fault.UNSUPPORTED, jp2(stream(CHANNELS), colr(12))),
    "lab profile": (Fault.UNSUPPORTED, jp2(WHOLE, profile(bytes(16) + b"Lab " + bytes(200)))),
    "five components": (Fault.UNSUPPORTED, stream(grain(*SHAPE, 5))),
    "signed": (Fault.UNSUPPORTED, signed(WHOLE)),
    "one channel of rgb": (Fault.CORRUPT, jp2(WHOLE, colr(SRGB))),
    "a tile is missing": (Fault.CORRUPT, tiled()[:TILE] + tiled()[SECOND:]),
    "no end": (Fault.CORRUPT, WHOLE[:-2]),
    "no codestream": (Fault.CORRUPT, jp2(b"", colr(GREY))),
    "no header": (Fault.CORRUPT, box(b"jP  ", b"\r\n\x87\n") + box(b"jp2c", WHOLE)),
    "palette without a map": (
        Fault.CORRUPT,
        jp2(WHOLE, colr(GREY), box(b"pclr", b"\0\1\1\7\0")),
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, tmp_path: Path) -> None:
    reason, content = REFUSED[kind]
    (tmp_path / "refused.jp2").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        Photo.open(tmp_path / "refused.jp2")
    assert caught.value.reason is reason, str(caught.value)
