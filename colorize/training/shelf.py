"""Decoded training photographs: fetched by a few threads, kept in memory as far as there is room.

A small set is decoded once, a large one streams; what is taken is the same either way.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photochrom.colorize.errors import PhotochromError, SettingsError
from photochrom.colorize.picture.reading.limits import MAX_PIXELS
from photochrom.colorize.picture.reading.source import sniff
from photochrom.colorize.picture.vips import of_this_machine, pyvips
from photochrom.colorize.training.squares import trim

SMALLEST = 32  # pixels of the shorter side
GREY_LEVELS = 2  # channels so near each other differ by a colour profile's rounding only
FEWEST_TRIED = 20  # before too many refused ones are an error
_ENDLESS = 10_000_000  # pixels: no limit for the longer side
_STRICT = "[fail_on=error]"  # libvips 8.18 heeds this, but not thumbnail_buffer's own `fail_on`


@dataclass(frozen=True, slots=True)
class Refused:
    """A photograph that nothing can be learned from; `kind` is what such ones share.

    The reason's words may vary where threads fail at once: libvips keeps one text for all of them.
    """

    index: int
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


class Shelf:
    """Gives decoded photographs (h, w, 3) by index; to be closed, which ends its threads.

    `fetch` returns a photograph's file, for any index below `photographs`. What stands on the
    shelf takes at most `room` bytes. The tensors are shared: never write into them. A thread tells
    `on_refused` of each photograph that nothing can be learned from.
    """

    def __init__(
        self,
        fetch: Callable[[int], bytes],
        photographs: int,
        *,
        side: int,
        room: int,
        threads: int,
        trim_borders: bool = False,
        on_refused: Callable[[Refused], None] = lambda _: None,
    ) -> None:
        self.refused: dict[int, Refused] = {}
        self.bytes = 0
        self._fetch, self._photographs, self._on_refused = fetch, photographs, on_refused
        self._side, self._room, self._trims = side, room, trim_borders
        self._stands: OrderedDict[int, Tensor] = OrderedDict()  # the longest unused first
        self._coming: dict[int, Future[Tensor | Refused]] = {}
        self._tried = bytearray(photographs)  # a 1 for each that was asked for
        self._trials = self._in_vain = 0
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(threads, "shelf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and forget all photographs."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._stands.clear()
        self.bytes = 0

    def take(self, indices: Sequence[int], ahead: Sequence[int] = ()) -> list[Tensor]:
        """Return the photographs, and begin to fetch those that will be asked for next.

        A refused one gives its place to a substitute, always the same. Raises SettingsError if
        most that were tried are refused, and what `fetch` raises if that is retriable.
        """
        coming = [self._ask(int(index)) for index in indices]
        fits = self._room // (2 * 3 * self._side**2)  # more would push each other off
        for index in ahead[:fits]:
            self._ask(int(index))
        found = [self._judged(int(i), c) for i, c in zip(indices, coming, strict=True)]
        return [self._substitute(f) if isinstance(f, Refused) else f for f in found]

    def spread(self, most: int) -> list[Tensor]:
        """Return at most so many of the photographs, evenly spread over all."""
        step = max(1, -(-self._photographs // most))
        return self.take(range(0, self._photographs, step)) if self._photographs else []

    def _ask(self, index: int) -> Tensor | Refused | Future[Tensor | Refused]:
        """Return a photograph that stands here, else the promise of it."""
        with self._lock:
            if index in self.refused:
                return self.refused[index]
            if index in self._stands:
                self._stands.move_to_end(index)
                return self._stands[index]
            if index not in self._coming:
                self._coming[index] = self._threads.submit(self._bring, index)
            return self._coming[index]

    def _bring(self, index: int) -> Tensor | Refused:
        """Fetch and decode one photograph and put it on the shelf."""
        found: Tensor | Refused | None = None
        try:
            found = self._read(index)
        finally:
            with self._lock:
                del self._coming[index]
                if isinstance(found, Refused):
                    self.refused[index] = found
                elif found is not None:
                    self._put(index, found)
        if isinstance(found, Refused):
            self._on_refused(found)
        return found

    def _read(self, index: int) -> Tensor | Refused:
        try:
            photo = develop(self._fetch(index), self._side)
        except Unfit as error:
            return Refused(index, *error.args)
        except PhotochromError as error:
            if error.retriable:
                raise
            return Refused(index, type(error).__name__, str(error))
        return trim(photo) if self._trims else photo

    def _put(self, index: int, photo: Tensor) -> None:
        if photo.nbytes > self._room:
            return
        while self.bytes + photo.nbytes > self._room:
            self.bytes -= self._stands.popitem(last=False)[1].nbytes
        self._stands[index] = photo
        self.bytes += photo.nbytes

    def _judged(
        self, index: int, found: Tensor | Refused | Future[Tensor | Refused]
    ) -> Tensor | Refused:
        """Wait for a photograph; raise SettingsError once most of those asked for are refused."""
        found = found.result() if isinstance(found, Future) else found
        if not self._tried[index]:
            self._tried[index] = 1
            self._trials += 1
            self._in_vain += isinstance(found, Refused)
            if self._trials >= FEWEST_TRIED and 2 * self._in_vain > self._trials:
                self._give_up()
        return found

    def _give_up(self) -> None:
        with self._lock:
            refused = [self.refused[i] for i in sorted(self.refused) if self._tried[i]]
        (kind, count), *_ = Counter(one.kind for one in refused).most_common()
        example = next(one for one in refused if one.kind == kind)
        raise SettingsError(
            f"nothing can be learned from {len(refused)} of {self._trials} photographs that "
            f"were tried; {count}: {kind} (number {example.index}: {example.reason})"
        )

    def _substitute(self, refused: Refused) -> Tensor:
        """Return the next that works, in a round that leaves the neighbours: they may be alike."""
        index = refused.index
        for _ in range(self._photographs - 1):
            index = (index + self._stride) % self._photographs
            found = self._judged(index, self._ask(index))
            if isinstance(found, Tensor):
                return found
        raise SettingsError(f"nothing can be learned from any photograph: {refused.reason}")

    @property
    def _stride(self) -> int:
        """Return a step that leads to every photograph before it leads to one again."""
        step = max(1, round(self._photographs * 0.618))
        while math.gcd(step, self._photographs) > 1:
            step += 1
        return step


class Unfit(Exception):  # noqa: N818 - reads as what it is
    """Nothing can be learned from this file: its kind of fault, and what exactly."""


def develop(data: bytes, side: int) -> Tensor:
    """Decode a photograph to 8-bit sRGB, upright, its shorter side at most `side`.

    Raises SourceError for a kind of file that is not read, Unfit for one that cannot be decoded
    whole, is too small or has no colour, and OSError if it is this machine that fails.
    """
    sniff(data[:32])
    try:
        samples = _thumbnail(data, side)
    except (pyvips.Error, UnicodeDecodeError) as error:
        message = "; ".join(dict.fromkeys(filter(str.strip, str(error).splitlines())))[:300]
        if of_this_machine(message):
            raise OSError(message) from error
        raise Unfit("cannot be decoded", message) from error
    if _is_grey(samples):
        raise Unfit("no colour", "every channel is equal")
    return torch.from_numpy(samples)  # (h, w, 3)


def _is_grey(samples: NDArray[np.uint8]) -> bool:
    """Tell whether all channels are equal; a few pixels are nearly always enough to see it."""
    for step in (8, 1):
        some = samples[::step, ::step].astype(np.int16)
        if np.abs(some - some[..., 1:2]).max() > GREY_LEVELS:
            return False
    return True


def _thumbnail(data: bytes, side: int) -> NDArray[np.uint8]:
    header = pyvips.Image.new_from_buffer(data, "")
    width, height = header.width, header.height
    if min(width, height) < SMALLEST:
        raise Unfit("too small", f"{width} x {height} pixels, and {SMALLEST} are the least")
    if width * height > MAX_PIXELS:
        raise Unfit("too large", f"{width} x {height} pixels, and {MAX_PIXELS:,} are the most")
    if header.bands < 3:
        raise Unfit("no colour", "the file is grey")
    if header.get_typeof("orientation") and header.get("orientation") >= 5:
        width, height = height, width
    profiled = header.get_typeof("icc-profile-data") or header.interpretation == "cmyk"
    image = pyvips.Image.thumbnail_buffer(
        data,
        side if width <= height else _ENDLESS,
        height=side if height < width else _ENDLESS,
        size="down",
        option_string=_STRICT,
        fail_on="error",
        **({"output_profile": "srgb"} if profiled else {}),  # without a profile it costs as much
    )
    image = image if image.interpretation == "srgb" else image.colourspace("srgb")
    image = (image.flatten(background=255) if image.hasalpha() else image).cast("uchar")
    samples = np.frombuffer(image.write_to_memory(), np.uint8)
    return samples.reshape(image.height, image.width, image.bands)[..., :3].copy()
