"""The header of a JPEG XL codestream, bit by bit: size, orientation, depth, colours.

ISO/IEC 18181-1, annexes A to E. imagecodecs does not tell it, and a picture's size must be known
before anything is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from photochrom.colorize.picture.reading.source import ANIMATION, corrupt, refuse

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_RGB, _GREY = 0, 1
_ALPHA, _SPOT, _BLACK, _CFA = 0, 2, 4, 5
_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))
_PREVIEW_IN_8 = ((0, 16), (0, 32), (5, 1), (9, 33))
_PREVIEW = ((6, 1), (8, 65), (10, 321), (12, 1345))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))


@dataclass(frozen=True, slots=True)
class JxlHeader:
    """What a codestream says of itself; `bits` counts those of floats too."""

    width: int
    height: int
    bits: int = 8
    is_float: bool = False
    orientation: int = 1
    grey: bool = False
    has_profile: bool = False


class _Bits:
    """Reads little-endian bit fields; raises SourceError at the end of the data."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            corrupt("its JPEG XL header is cut")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def flag(self) -> bool:
        return self.take(1) == 1

    def number(self, choices: tuple[tuple[int, int], ...]) -> int:
        """Read a number that may take one of four (bits, offset)."""
        bits, offset = choices[self.take(2)]
        return self.take(bits) + offset


def jxl_header(data: bytes) -> JxlHeader:
    """Read the header from the first bytes of a codestream; raises SourceError."""
    if data[:2] != b"\xff\x0a":
        corrupt("no JPEG XL codestream where one should begin")
    bits = _Bits(data[2:])
    width, height = _size(bits)
    if bits.flag():  # everything as usual: 8-bit sRGB
        return JxlHeader(width, height)
    orientation = 1
    if bits.flag():
        orientation = bits.take(3) + 1
        if bits.flag():
            _size(bits)
        if bits.flag():
            _preview(bits)
        if bits.flag():
            refuse(ANIMATION)
    depth, is_float = _depth(bits)
    bits.flag()  # whether 16-bit buffers suffice
    for _ in range(bits.number(((0, 0), (0, 1), (4, 2), (12, 1)))):
        _extra_channel(bits)
    bits.flag()  # whether colours are coded as XYB
    grey, has_profile = _colours(bits)
    return JxlHeader(width, height, depth, is_float, orientation, grey, has_profile)


def _size(bits: _Bits) -> tuple[int, int]:
    in_8 = bits.flag()
    height = 8 * (bits.take(5) + 1) if in_8 else bits.number(_SIZES)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    return (8 * (bits.take(5) + 1) if in_8 else bits.number(_SIZES)), height


def _preview(bits: _Bits) -> None:
    choices = _PREVIEW_IN_8 if bits.flag() else _PREVIEW
    bits.number(choices)
    if not bits.take(3):
        bits.number(choices)


def _depth(bits: _Bits) -> tuple[int, bool]:
    if bits.flag():
        depth = bits.number(((0, 32), (0, 16), (0, 24), (6, 1)))
        bits.take(4)  # of them for the exponent
        return depth, True
    return bits.number(((0, 8), (0, 10), (0, 12), (6, 1))), False


def _extra_channel(bits: _Bits) -> None:
    """Pass over a channel that is no colour; raises SourceError where the colours need it."""
    if bits.flag():  # an alpha channel as usual
        return
    kind = bits.number(_ENUM)
    _depth(bits)
    bits.number(((0, 0), (0, 3), (0, 4), (3, 1)))  # how much smaller it is
    for _ in range(bits.number(((0, 0), (4, 0), (5, 16), (10, 48)))):
        bits.take(8)  # its name
    if kind == _ALPHA:
        bits.flag()  # whether colours were multiplied by it
    elif kind in (_SPOT, _BLACK, _CFA):
        refuse("a JPEG XL of inks or sensor values; convert it to grey or RGB first")


def _colours(bits: _Bits) -> tuple[bool, bool]:
    """Tell whether the picture is grey, and whether it has a profile."""
    if bits.flag():
        return False, False
    has_profile = bits.flag()
    space = bits.number(_ENUM)
    if space not in (_RGB, _GREY):
        refuse("a JPEG XL of unknown colours; convert it to grey or RGB first")
    return space == _GREY, has_profile
