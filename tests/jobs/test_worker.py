"""The worker: one shard, whole or photo by photo, within its bounds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from photochrom.cluster import PoolError
from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.errors import DeviceLost
from photochrom.colorize.generator.echo import EchoGenerator
from photochrom.colorize.picture import photo
from photochrom.colorize.picture.filed import FiledPlane
from photochrom.colorize.picture.reading import reading_room
from photochrom.jobs.messages import Attempt, Committed, Finished, Shard, Working
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.settings import Job
from photochrom.jobs.working.worker import Orders, Worker
from tests.colorize.picture import harmed_reader
from tests.jobs.archive import (
    Listener,
    current,
    drive,
    findings,
    job_of,
    keys,
    outcomes,
    place_of,
    planned_only,
    write_photo,
    write_photos,
)


def worker_and_shards(job: Job) -> tuple[Worker, list[Shard]]:
    """Plan a job, and make a worker for it."""
    (plan,) = planned_only(job)
    return Worker(Orders(job, read_pinned(place_of(job)), "tests")), plan.shards


def test_a_worker_says_who_it_is(job_folder: Path) -> None:
    worker, _ = worker_and_shards(job_of(job_folder / "scans", job_folder / "out"))
    assert worker.ready().device == "cpu"
    assert ":" in worker.ready().worker
    assert worker.ready().warm_up_seconds is None


def test_a_compiled_generator_is_warm_before_its_worker_is_ready(job_folder: Path) -> None:
    warmed: list[tuple[int, int]] = []

    class Warming(EchoGenerator):
        def warm_up(self, side: int, count: int) -> float:
            warmed.append((side, count))
            return 75.4

    class WarmingWorker(Worker):
        def __init__(self, orders: Orders) -> None:
            super().__init__(orders)
            self._colorizer = Colorizer(Warming())

    scans, listener = job_folder / "scans", Listener()
    job = job_of(scans, job_folder / "out", "paint.compiled=true", "run.batch=5")
    assert drive(job, worker=WarmingWorker, listener=listener).counts == {("colorized", ""): 6}
    assert warmed == [(64, 5)], "at the job's own size"
    (note,) = listener.notes
    assert re.fullmatch(r"worker .+:\d+ compiled its generator in 75 s", note)
    drive(job_of(scans, job_folder / "plain"), worker=WarmingWorker, listener=listener)
    assert warmed[1:] == [(64, 1)], "one blank square, whatever the job"
    assert len(listener.notes) == 1, "it is not worth a note"


def test_a_device_that_cannot_compute_says_so_before_it_has_a_photo(job_folder: Path) -> None:
    class Broken(EchoGenerator):
        def warm_up(self, side: int, count: int) -> float:
            raise DeviceLost("CUDA error: no kernel image is available for execution")

        def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
            raise AssertionError("it has a photo in hand")

    class BrokenWorker(Worker):
        def __init__(self, orders: Orders) -> None:
            super().__init__(orders)
            self._colorizer = Colorizer(Broken())

    job, listener = job_of(job_folder / "scans", job_folder / "out"), Listener()
    with pytest.raises(PoolError, match="did not start: DeviceLost: CUDA error: no kernel image"):
        drive(job, worker=BrokenWorker, listener=listener)
    assert not any("died" in note for note in listener.notes)
    assert keys(place_of(job), "ledger") == []
    assert drive(job).counts == {("colorized", ""): 6}


def test_a_careful_attempt_says_which_photo_it_is_on(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    worker, (shard, _) = worker_and_shards(job)
    row_keys = [row.row_key for row in shard.rows]
    *said, last = worker.run(Attempt(shard, 2, True, frozenset(), False))
    spoken = [message.row_key for message in said if isinstance(message, Working | Finished)]
    assert spoken == [*(key for key in row_keys for _ in (0, 1)), None]
    assert isinstance(last, Committed)
    assert last.ours
    assert [row.row_key for row in last.rows] == row_keys
    assert {row.attempt for row in last.rows} == {2}


def test_a_condemned_photo_is_not_touched(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    worker, (shard, _) = worker_and_shards(job)
    condemned = shard.rows[1].row_key
    messages = list(worker.run(Attempt(shard, 3, True, frozenset({condemned}), False)))
    assert Working(condemned) not in messages
    assert Finished(condemned, "failed", "killed_worker") in messages
    found = current(place_of(job))[shard.rows[1].row_id]
    assert (found["outcome"], found["reason"]) == ("failed", "killed_worker")
    assert found["source_sha256"] is None
    assert sum(row["ai_colorized"] for row in current(place_of(job)).values()) == 3
    drive(job)
    assert findings(place_of(job)) == []


def test_carefully_and_in_batches_give_the_same(job_folder: Path) -> None:
    one = job_of(job_folder / "scans", job_folder / "one", "run.threads=1", "run.batch=1")
    many = job_of(job_folder / "scans", job_folder / "many", "run.threads=4", "run.batch=5")
    careful = job_of(job_folder / "scans", job_folder / "careful")
    drive(one)
    drive(many)
    worker, shards = worker_and_shards(careful)
    for shard in shards:
        assert list(worker.run(Attempt(shard, 1, True, frozenset(), False)))
    plates = [keys(place_of(job), "plates") for job in (one, many, careful)]
    assert plates[0] == plates[1] == plates[2]
    assert len(plates[0]) == 6


@pytest.mark.parametrize(("room", "filed"), [(1, 16), (1 << 20, 0)])
def test_photos_beyond_the_room_lie_in_files(
    room: int, filed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When they are painted, and when they are verified."""
    made: list[FiledPlane] = []

    class Counted(FiledPlane):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(photo, "FiledPlane", Counted)
    monkeypatch.setattr(reading_room, "FiledPlane", Counted)
    write_photos(tmp_path / "scans", 8)
    job = job_of(tmp_path / "scans", tmp_path / "out", f"run.bytes_in_flight={room}")
    drive(job)
    assert findings(place_of(job)) == []
    assert len(made) == filed


def test_no_room_means_one_photo_at_a_time(tmp_path: Path) -> None:
    write_photos(tmp_path / "scans", 8)
    (tmp_path / "scans" / "text.jpg").write_text("no photo")
    job = job_of(tmp_path / "scans", tmp_path / "out", "run.bytes_in_flight=1", "run.threads=4")
    assert drive(job).counts == {("colorized", ""): 8, ("failed", "not_an_image"): 1}
    assert findings(place_of(job)) == []


def test_a_photo_beyond_the_limit_is_not_decoded(tmp_path: Path) -> None:
    write_photo(tmp_path / "scans" / "large.png", width=300, height=300)
    write_photo(tmp_path / "scans" / "small.png")
    job = job_of(tmp_path / "scans", tmp_path / "out", "limits.max_pixels=80000")
    drive(job)
    assert outcomes(place_of(job)) == {"large.png": "failed:too_large", "small.png": "colorized"}


def test_a_name_that_no_storage_takes_fails_alone_and_for_good(tmp_path: Path) -> None:
    write_photo(tmp_path / "scans" / "one\ntwo.png")
    job = job_of(tmp_path / "scans", tmp_path / "out", "run.attempts=2")
    assert drive(job).failed == 1
    (row,) = current(place_of(job)).values()
    assert "control characters" in row["error"]


def test_nothing_is_left_in_the_scratch_folder(
    job_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = job_folder / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    drive(job_of(job_folder / "scans", job_folder / "out"))
    assert list(scratch.iterdir()) == []


def test_a_row_says_what_was_read_and_by_whom(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    drive(job)
    for row_id, row in current(place_of(job)).items():
        path = job_folder / "scans" / row_id
        assert row["source_uri"] == f"file://{path}"
        assert row["source_bytes"] == path.stat().st_size
        assert (row["operator"], row["model"], row["render_size"]) == ("tests", "echo", 64)
        assert row["started_at"] <= row["finished_at"]
        assert row["cpu_seconds"] > 0
        assert row["gpu_seconds"] == 0
        assert row["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")
        assert row["source_format"] in ("tiff", "png", "jpeg")


def test_an_attempt_travels_unchanged(job_folder: Path) -> None:
    import pickle

    _, (shard, _) = worker_and_shards(job_of(job_folder / "scans", job_folder / "out"))
    attempt = Attempt(shard, 1, False, frozenset({"a"}), True)
    whole = replace(attempt, shard=replace(shard, rows=tuple(shard.rows)))
    assert pickle.loads(pickle.dumps(attempt)) == whole
    assert replace(attempt, number=2) != attempt


def test_files_that_harm_their_decoder_fail_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_room, "_PROGRAM", harmed_reader.PROGRAM)
    write_photos(tmp_path / "scans", 5)
    for word in ("crash", "eat", "spin"):
        (tmp_path / "scans" / f"{word}.tif").write_text(word)
    limits = ("limits.decode_bytes=268435456", "limits.decode_seconds=1.5")
    job, listener = job_of(tmp_path / "scans", tmp_path / "out", *limits), Listener()
    drive(job, listener=listener)
    found = current(place_of(job)).values()
    assert {(row["outcome"], row["reason"]): row["attempt"] for row in found} == {
        ("colorized", ""): 1,
        ("failed", "decoder_died"): 1,
        ("failed", "too_large"): 1,
        ("failed", "too_slow"): 1,
    }
    assert not any("died" in note for note in listener.notes), "no worker did"
    assert max(row["cpu_seconds"] for row in found if row["reason"] == "too_slow") > 1
    assert findings(place_of(job)) == []
