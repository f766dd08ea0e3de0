"""Spoilt files: every one is read whole or refused, by name, and never harms its reader.

`make fuzz` does the same for an hour with new seeds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.reading import reading_room
from photochrom.colorize.picture.reading.limits import ReadingLimits
from photochrom.colorize.picture.reading.reading_room import ReadingRoom
from tests.colorize.picture import strict_reader
from tests.colorize.picture.seeds import seeds

SEEDS = seeds()
EXAMPLES = int(os.environ.get("PHOTOCHROM_FUZZ_EXAMPLES", "300"))  # of each kind of file
LIMITS = ReadingLimits(max_pixels=1 << 22, decode_bytes=1 << 29, decode_seconds=20)
NUMBERS = (0, 1, 2, 7, 8, 15, 16, 17, 32, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 16, 1 << 24)
NUMBERS += ((1 << 31) - 1, 1 << 31, (1 << 32) - 1)

Edit = tuple[Any, ...]

PLACES = st.one_of(st.integers(0, 160), st.integers(0, 1 << 13))  # headers come first
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.tuples(st.just("put"), PLACES, st.binary(min_size=1, max_size=4)),
    st.tuples(
        st.just("number"),
        PLACES,
        st.sampled_from(NUMBERS),
        st.sampled_from([1, 2, 4]),
        st.sampled_from(["big", "little"]),
    ),
    st.tuples(st.just("cut"), PLACES),
    st.tuples(st.just("remove"), PLACES, st.integers(1, 40)),
    st.tuples(st.just("double"), PLACES, st.integers(1, 40)),
    st.tuples(st.just("insert"), PLACES, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("graft"), PLACES, st.sampled_from(sorted(SEEDS)), PLACES),
)


def spoilt(data: bytes, edits: list[Edit]) -> bytes:
    """Apply edits in order; places beyond the end wrap around."""
    for kind, place, *details in edits:
        at = place % (len(data) + 1)
        match kind, details:
            case "put", [new]:
                data = data[:at] + new + data[at + len(new) :]
            case "number", [value, size, order]:
                new = (value % (1 << 8 * size)).to_bytes(size, order)
                data = data[:at] + new + data[at + size :]
            case "cut", []:
                data = data[:at]
            case "remove", [count]:
                data = data[:at] + data[at + count :]
            case "double", [count]:
                data = data[: at + count] + data[at:]
            case "insert", [new]:
                data = data[:at] + new + data[at:]
            case "graft", [other, start]:
                data = data[:at] + SEEDS[other][start % len(SEEDS[other]) :]
            case _:
                raise AssertionError(f"no such edit: {kind}")
    return data


@pytest.fixture(scope="module")
def rooms() -> Iterator[tuple[ReadingRoom, ReadingRoom]]:
    """Two rooms that count no mistake as a corrupt file; the second one's memory is never blank."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_room, "_PROGRAM", strict_reader.PROGRAM)
        plain, perturbed = ReadingRoom(LIMITS), ReadingRoom(LIMITS)
        with pytest.raises(SourceError):
            plain.read(Path(os.devnull))
        patch.setenv("MALLOC_PERTURB_", "165")
        with pytest.raises(SourceError):
            perturbed.read(Path(os.devnull))
        yield plain, perturbed


def outcome_of(room: ReadingRoom, path: Path) -> Photo | Fault:
    try:
        return room.read(path, sha256="ab" * 32)
    except SourceError as error:
        refusal = error
    assert refusal.reason not in (Fault.DECODER_DIED, Fault.TOO_SLOW), str(refusal)
    assert "decode_bytes" not in str(refusal), str(refusal)
    return refusal.reason


@pytest.mark.parametrize("kind", SEEDS)
def test_sound(kind: str, rooms: tuple[ReadingRoom, ReadingRoom], tmp_path: Path) -> None:
    """The files are sound before they are spoilt."""
    path = tmp_path / "sound"
    path.write_bytes(SEEDS[kind])
    assert isinstance(outcome_of(rooms[0], path), Photo)


@pytest.mark.parametrize("kind", SEEDS)
def test_spoilt(
    kind: str, rooms: tuple[ReadingRoom, ReadingRoom], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("spoilt") / "file"

    @settings(
        max_examples=EXAMPLES,
        derandomize="PHOTOCHROM_FUZZ_EXAMPLES" not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(EDITS, min_size=1, max_size=4))
    def check(edits: list[Edit]) -> None:
        path.write_bytes(spoilt(SEEDS[kind], edits))
        once, again = (outcome_of(room, path) for room in rooms)
        if isinstance(once, Photo) and isinstance(again, Photo):
            assert once.luma.shape == (once.height, once.width)
            assert np.array_equal(once.luma, again.luma), "memory that nobody wrote is in it"
            assert once.header == again.header
        else:
            assert once == again

    check()
