"""The reading room: what files do to their reader, they do to nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from photochrom.colorize.errors import Fault, SourceError
from photochrom.colorize.picture import Photo
from photochrom.colorize.picture.filed import FiledPlane
from photochrom.colorize.picture.reading import reading_room
from photochrom.colorize.picture.reading.limits import ReadingLimits
from photochrom.colorize.picture.reading.reading_room import ReadingRoom
from photochrom.colorize.picture.reading.source import Header
from tests.colorize.picture import harmed_reader
from tests.colorize.picture.lightbox import grain, shelve

ARCHIVE = Path(__file__).parents[2] / "data" / "archive"
SMALL = ReadingLimits(decode_bytes=256 << 20, decode_seconds=1)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> ReadingRoom:
    """A room whose readers come to harm at files of one certain word."""
    monkeypatch.setattr(reading_room, "_PROGRAM", harmed_reader.PROGRAM)
    return ReadingRoom(SMALL)


def harmful(folder: Path, word: bytes) -> Path:
    path = folder / "harmful.tif"
    path.write_bytes(word)
    return path


def fault_of(room: ReadingRoom, path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        room.read(path)
    return caught.value


def outcome_of(read: Callable[[Path], Photo], path: Path) -> Photo | tuple[Fault, str]:
    try:
        return read(path)
    except SourceError as error:
        return error.reason, str(error)


def test_a_photo_read_apart_is_the_photo_read_here() -> None:
    room = ReadingRoom(ReadingLimits())
    read = 0
    for path in sorted(path for path in ARCHIVE.rglob("*.*") if path.suffix not in (".md", ".csv")):
        here = outcome_of(Photo.open, path)
        photo = outcome_of(room.read, path)
        if isinstance(here, tuple) or isinstance(photo, tuple):
            assert photo == here
            continue
        assert photo.header == here.header
        assert np.array_equal(photo.luma, here.luma)
        assert photo.luma.dtype == here.luma.dtype
        assert (photo.sha256, photo.luma_sha256) == (here.sha256, here.luma_sha256)
        assert photo.in_colour == here.in_colour
        read += 1
    assert read > 20


@pytest.mark.parametrize("filed", [False, True])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_upright_and_deep(orientation: int, filed: bool, tmp_path: Path) -> None:
    samples = grain(31, 17, bits=16)
    path = shelve(tmp_path, samples, extratags=[(274, 3, 1, orientation, True)])
    admit = (lambda header: tmp_path) if filed else (lambda header: None)
    photo = ReadingRoom(ReadingLimits()).read(path, sha256="ab" * 32, admit=admit)
    assert isinstance(photo.luma, FiledPlane) == filed
    turned = np.rot90(samples, {1: 0, 3: 2, 6: -1}[orientation])
    assert np.array_equal(photo.luma[: photo.height], turned)
    assert photo.sha256 == "ab" * 32
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "nothing is left behind"


@pytest.mark.parametrize(
    ("word", "fault", "message"),
    [
        (b"crash", Fault.DECODER_DIED, "its decoder died of SIGSEGV"),
        (b"eat", Fault.TOO_LARGE, "takes more than 256 MiB to decode, the limit of decode_bytes"),
        (b"spin", Fault.TOO_SLOW, "not decoded in 1 CPU-seconds, the limit of decode_seconds"),
        (b"blunder", Fault.CORRUPT, "ZeroDivisionError: a decoder's own mistake"),
    ],
)
def test_a_harmful_file_fails_alone(
    word: bytes, fault: Fault, message: str, room: ReadingRoom, tmp_path: Path
) -> None:
    error = fault_of(room, harmful(tmp_path, word))
    assert (error.reason, str(error)) == (fault, message)
    samples = grain(9, 11)
    assert np.array_equal(room.read(shelve(tmp_path, samples)).luma, samples)


def test_a_decoder_that_only_waits_is_ended(
    room: ReadingRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hurried:
        hurried.setattr(reading_room, "_patience", lambda limits: 1.0)
        assert fault_of(room, harmful(tmp_path, b"sleep")).reason is Fault.TOO_SLOW
    assert room.read(shelve(tmp_path, grain(9, 11))).width == 11


@pytest.mark.parametrize("word", [b"leave", b"told"])
def test_a_reader_that_ends_otherwise_is_no_fault_of_the_file(
    word: bytes, room: ReadingRoom, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=r"the reader (ended with 0|was asked to end)"):
        room.read(harmful(tmp_path, word))
    assert room.read(shelve(tmp_path, grain(9, 11))).width == 11


def test_a_reader_that_was_ended_while_idle_is_replaced(tmp_path: Path) -> None:
    room = ReadingRoom(SMALL)
    path = shelve(tmp_path, grain(9, 11))
    assert room.read(path).width == 11
    idle = room._idle.queue[0]._process
    idle.kill()
    idle.wait()
    assert room.read(path).width == 11


def test_the_header_is_heard_before_any_pixel_and_may_be_turned_away(tmp_path: Path) -> None:
    room = ReadingRoom(SMALL)
    path = shelve(tmp_path, grain(9, 11, bits=16))
    heard: list[Header] = []

    def turn_away(header: Header) -> None:
        heard.append(header)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        room.read(path, admit=turn_away)
    assert [(header.width, header.luma_bytes) for header in heard] == [(11, 198)]
    assert room.read(path, admit=heard.append).width == 11
    assert len(heard) == 2


def test_too_many_pixels_are_refused_by_the_header(tmp_path: Path) -> None:
    limits = ReadingLimits(max_pixels=98)
    assert fault_of(ReadingRoom(limits), shelve(tmp_path, grain(9, 11))).reason is Fault.TOO_LARGE


def test_threads_have_readers_of_their_own_and_leave_them_to_each_other(tmp_path: Path) -> None:
    room = ReadingRoom(SMALL)
    pictures = {shelve(tmp_path, grain(20, 30, seed=n), f"{n}.tif"): n for n in range(12)}
    both = threading.Barrier(2, timeout=60)

    def meet(header: Header) -> None:
        both.wait()

    def read(path: Path, met: bool = False) -> bool:
        admit = meet if met else (lambda header: None)
        return np.array_equal(room.read(path, admit=admit).luma, grain(20, 30, seed=pictures[path]))

    with ThreadPoolExecutor(2) as threads:
        assert all(threads.map(read, [*pictures][:2], [True, True])), "two at once"
        assert all(threads.map(read, pictures))
    assert room._idle.qsize() == 2


def test_cpu_seconds_are_the_readers(tmp_path: Path) -> None:
    room = ReadingRoom(ReadingLimits())
    path = shelve(tmp_path, grain(3000, 4000, bits=16), compression="zstd")
    here = time.thread_time()
    there: list[float] = []
    room.read(path, sha256="ab" * 32, spent=there.append)
    here = time.thread_time() - here
    assert sum(there) > here


def test_a_reader_ends_with_its_worker(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from photochrom.colorize.picture.reading.limits import ReadingLimits\n"
        "from photochrom.colorize.picture.reading.reading_room import ReadingRoom\n"
        "room = ReadingRoom(ReadingLimits())\n"
        "room.read(Path(sys.argv[1]))\n"
        "print(room._idle.queue[0]._process.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    path = shelve(tmp_path, grain(9, 11))
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as worker:
        assert worker.stdout
        reader = int(worker.stdout.readline())
        os.kill(reader, 0)
        worker.send_signal(signal.SIGKILL)
    end = time.monotonic() + 30
    while Path(f"/proc/{reader}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{reader}").exists()
