"""What the boxes of a JPEG 2000 file say of its colour: colr, pclr, cmap and cdef.

ISO/IEC 15444-1, I.5.3. Components, or the columns of a palette, become channels; cdef names those
that are colours, and all others (opacity, what nobody named) are left out.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.reading.boxes import Box
from photochrom.colorize.picture.reading.source import corrupt, refuse

Space = Literal["grey", "rgb", "sycc"]

_ENUMERATED: dict[int, Space] = {15: "grey", 16: "rgb", 17: "grey", 18: "sycc"}
_PROFILED: dict[bytes, Space] = {b"GRAY": "grey", b"RGB ": "rgb"}
_KINDS = {b"pclr", b"cmap", b"cdef"}
_COLOUR, _WHOLE_PICTURE, _NOBODY = 0, 0, 65535


@dataclass(frozen=True, eq=False)
class Colour:
    """How samples become colours.

    `components` and `columns` name for each colour the component it is read from and, where there
    is a `palette` (entries, columns) of `bits` bits, the column to look it up in (None: directly).
    """

    space: Space
    components: tuple[int, ...]
    columns: tuple[int | None, ...]
    palette: NDArray[Any] | None = None
    bits: int | None = None
    icc: bytes | None = None

    def pick(self, decoded: NDArray[Any]) -> NDArray[Any]:
        """Return the colours (n, w, 1 or 3) of decoded components (n, w, any number)."""
        if self.palette is None and self.components == tuple(range(decoded.shape[2])):
            return decoded
        picked = [decoded[..., component] for component in self.components]
        if self.palette is not None:
            last = len(self.palette) - 1
            picked = [
                self.palette[np.minimum(plane, last), column]
                for plane, column in zip(picked, self.columns, strict=True)
            ]
        return np.stack(picked, axis=-1)


def colour_unsaid(components: int) -> Colour:
    """Take one or two components for grey and three or four for RGB, as nothing says otherwise."""
    if components > 4:
        refuse(f"{components} components of unknown colours; convert it to grey or RGB TIFF")
    count = 1 if components < 3 else 3
    return Colour("rgb" if count == 3 else "grey", tuple(range(count)), (None,) * count)


def colour_in(file: BinaryIO, inner: list[Box], components: int) -> Colour:
    """Read the colour boxes of a header; raises SourceError for colours we do not read."""
    found = {box.kind: box.read(file) for box in reversed(inner) if box.kind in _KINDS}
    space, icc = _space([box.read(file) for box in inner if box.kind == b"colr"])
    palette, bits = _palette(found.get(b"pclr"))
    sources = _mapped(found.get(b"cmap"), components, palette)
    order = _order(found.get(b"cdef"), len(sources))
    if space is None:
        space = "grey" if len(order) < 3 else "rgb"
    count = 1 if space == "grey" else 3
    if len(order) < count or max(order[:count]) >= len(sources):
        corrupt(f"{len(order)} colour channels, but {count} for its colour space")
    chosen = [sources[channel] for channel in order[:count]]
    return Colour(
        space,
        tuple(component for component, _ in chosen),
        tuple(column for _, column in chosen),
        palette,
        bits,
        icc,
    )


def _space(specifications: list[bytes]) -> tuple[Space | None, bytes | None]:
    """Return the colour space and profile of the first specification that we know."""
    unknown = ""
    for data in specifications:
        if data[:1] == b"\1" and len(data) >= 7:
            (number,) = struct.unpack(">I", data[3:7])
            if number in _ENUMERATED:
                return _ENUMERATED[number], None
            unknown = f"enumerated space {number}"
        elif data[:1] in (b"\2", b"\3"):
            if data[19:23] in _PROFILED:
                return _PROFILED[data[19:23]], data[3:]
            unknown = f"a profile for {data[19:23].decode('latin-1').strip()}"
    if unknown:
        refuse(f"a JPEG 2000 of {unknown}; convert it to grey or RGB first")
    return None, None


def _palette(data: bytes | None) -> tuple[NDArray[Any] | None, int | None]:
    """Return a palette (entries, columns) and its depth."""
    if data is None:
        return None, None
    entries, columns = struct.unpack(">HB", data[:3])
    depths = set(data[3 : 3 + columns])
    if len(depths) != 1 or max(depths) > 15:
        refuse("a JPEG 2000 palette of unequal or signed depths; convert it to TIFF first")
    bits = depths.pop() + 1
    values = np.frombuffer(data[3 + columns :], "u1" if bits <= 8 else ">u2")
    if not entries or values.size < entries * columns:
        corrupt("its palette is cut")
    return values[: entries * columns].reshape(entries, columns).astype(np.uint16), bits


def _mapped(
    data: bytes | None, components: int, palette: NDArray[Any] | None
) -> list[tuple[int, int | None]]:
    """Return for each channel its component, and its column of the palette."""
    if palette is None:
        return [(component, None) for component in range(components)]
    if data is None:
        corrupt("a palette that no box maps")
    entries = list(struct.iter_unpack(">HBB", data[: len(data) // 4 * 4]))
    if any(how != 1 or column >= palette.shape[1] for _, how, column in entries):
        refuse("a JPEG 2000 that is a palette in part; convert it to TIFF first")
    return [(component, column) for component, _, column in entries]


def _order(data: bytes | None, channels: int) -> list[int]:
    """Return the colour channels in the order of the colours they stand for."""
    if data is None:
        return list(range(channels))
    entries = list(struct.iter_unpack(">HHH", data[2 : 2 + (len(data) - 2) // 6 * 6]))
    colours = {of: channel for channel, kind, of in reversed(entries) if kind == _COLOUR}
    if set(colours) == {_WHOLE_PICTURE}:
        return [colours[_WHOLE_PICTURE]]
    return [colours[of] for of in sorted(colours) if of not in (_WHOLE_PICTURE, _NOBODY)]
