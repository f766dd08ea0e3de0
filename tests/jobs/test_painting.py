"""What rows say of the painting: the size used, what memory did, how much colour, how firm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.colorizer import Colorizer
from photochrom.colorize.errors import OutOfMemory
from photochrom.colorize.generator.echo import EchoGenerator
from photochrom.colorize.generator.known import find_model
from photochrom.jobs.driving.driver import Driver
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.pinned import Pinned, paint_recipe, pinned_of
from photochrom.jobs.planning.order import Order
from photochrom.jobs.working.originals import key_of
from photochrom.jobs.working.task import Task
from photochrom.jobs.working.tray import Tray
from photochrom.jobs.working.worker import Orders, Worker
from photochrom.monitoring import Metrics, PrometheusBackend
from photochrom.monitoring.series import LOW_CHROMA
from tests.jobs.archive import (
    Listener,
    current,
    drive,
    findings,
    inline,
    job_of,
    outcomes,
    place_of,
    write_photo,
)
from tests.jobs.program import Program

WIDTHS = {"small.png": 60, "middle.tif": 150, "large.jpg": 300}


class CrampedGenerator(EchoGenerator):
    """An echo on a device with room for one square of 96 by 96."""

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if squares.size > 96 * 96:
            raise OutOfMemory("no room")
        return super().chroma(squares)


class PaleGenerator(EchoGenerator):
    """Paints dark photos, and hardly touches light ones."""

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        vivid = super().chroma(squares)
        light = squares.mean(axis=(1, 2)) > 128
        vivid[light] = 129
        return vivid


class CrampedWorker(Worker):
    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self._colorizer = Colorizer(CrampedGenerator())


class PaleWorker(Worker):
    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self._colorizer = Colorizer(PaleGenerator())


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a folder of three photos of different sizes."""
    for seed, (name, width) in enumerate(WIDTHS.items()):
        write_photo(tmp_path / "scans" / name, seed, width=width, height=40)
    return tmp_path / "scans"


def column(rows: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    return {row_id: row[name] for row_id, row in rows.items()}


def test_each_row_has_the_size_that_was_used(scans: Path, tmp_path: Path) -> None:
    (scans / "text.jpg").write_text("no photo")
    job = job_of(scans, tmp_path / "out", "paint.render_size=auto")
    drive(job)
    rows = current(place_of(job))
    wanted = {"small.png": 128, "middle.tif": 192, "large.jpg": 256, "text.jpg": None}
    assert column(rows, "render_size") == wanted
    assert {json.loads(row["recipe_json"])["render_size"] for row in rows.values()} == {"auto"}
    for row in rows.values():
        if row["ai_colorized"]:
            plate = tmp_path / "out" / key_of(place_of(job), row["plate_uri"])
            with Image.open(plate) as image:
                assert image.size == (row["render_size"], row["render_size"])
    assert findings(place_of(job)) == []


def test_a_row_says_that_it_was_painted_alone(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Patient(Tray[Task]):
        def __len__(self) -> int:
            return 0 if super().__len__() < len(WIDTHS) else len(WIDTHS)

    monkeypatch.setattr("photochrom.jobs.working.flow.Tray", Patient)  # so: one batch
    job = job_of(scans, tmp_path / "out", "paint.render_size=80")
    drive(job, worker=CrampedWorker)
    rows = current(place_of(job))
    assert column(rows, "fallback") == dict.fromkeys(WIDTHS, "one_at_a_time")
    assert column(rows, "render_size") == dict.fromkeys(WIDTHS, 80)
    usual = job_of(scans, tmp_path / "usual", "paint.render_size=80")
    drive(usual)
    roomy = current(place_of(usual))
    assert column(roomy, "fallback") == dict.fromkeys(WIDTHS, "")
    assert column(roomy, "plate_sha256") == column(rows, "plate_sha256")


def test_no_room_at_all_is_a_failure_unless_smaller_is_allowed(scans: Path, tmp_path: Path) -> None:
    strict = job_of(scans, tmp_path / "strict", "paint.render_size=auto")
    drive(strict, worker=CrampedWorker)
    assert set(outcomes(place_of(strict)).values()) == {"failed:out_of_memory"}
    allowed = job_of(
        scans, tmp_path / "allowed", "paint.render_size=auto", "paint.smallest_render_size=80"
    )
    drive(allowed, worker=CrampedWorker)
    rows = current(place_of(allowed))
    assert column(rows, "outcome") == dict.fromkeys(WIDTHS, "colorized")
    assert column(rows, "fallback") == dict.fromkeys(WIDTHS, "smaller")
    assert column(rows, "render_size") == dict.fromkeys(WIDTHS, 96)
    assert findings(place_of(allowed)) == []


def test_a_plate_without_colour_is_flagged_and_counted(tmp_path: Path, program: Program) -> None:
    write_photo(tmp_path / "scans" / "dark.png")
    light = np.full((40, 40), 220, np.uint8)
    Image.fromarray(light).save(tmp_path / "scans" / "light.png")
    (tmp_path / "scans" / "text.jpg").write_text("no photo")
    job = job_of(tmp_path / "scans", tmp_path / "out")
    backend = PrometheusBackend()
    Driver(Order.of(job), inline(PaleWorker), Listener(), Meters(Metrics(backend))).run()
    rows = current(place_of(job))
    assert column(rows, "outcome") == {
        "dark.png": "colorized",
        "light.png": "colorized",
        "text.jpg": "failed",
    }
    assert column(rows, "low_chroma") == {"dark.png": False, "light.png": True, "text.jpg": False}
    assert rows["light.png"]["chroma_mean"] == pytest.approx(2**0.5)
    assert backend.registry.get_sample_value(LOW_CHROMA.name) == 1
    assert program("status", tmp_path / "out", "--json").json["low_chroma"] == 1
    assert "1 of the colorized show next to no colour" in program("status", tmp_path / "out").out


def test_confidence_is_in_the_rows_if_asked_for(scans: Path, tmp_path: Path) -> None:
    plain = job_of(scans, tmp_path / "plain")
    asked = job_of(scans, tmp_path / "asked", "paint.confidence=true")
    drive(plain)
    drive(asked)
    plain_rows, asked_rows = (current(place_of(job)) for job in (plain, asked))
    assert set(column(plain_rows, "confidence").values()) == {None}
    assert all(0 < value < 1 for value in column(asked_rows, "confidence").values())
    assert column(plain_rows, "plate_sha256") == column(asked_rows, "plate_sha256")


# --- the recipe -----------------------------------------------------------------------------------


def test_the_recipe_names_the_precision(scans: Path, tmp_path: Path) -> None:
    job = job_of(scans, tmp_path / "out")
    assert job.paint.precision == "auto"
    assert paint_recipe(job).precision == find_model("echo").precision == "float32"
    other = job_of(scans, tmp_path / "out", "paint.precision=bfloat16")
    assert paint_recipe(other).precision == "bfloat16"


@pytest.mark.parametrize(
    "change",
    [
        "paint.render_size=auto",
        "paint.smallest_render_size=64",
        "paint.precision=float16",
        "paint.compiled=true",
        "paint.confidence=true",
    ],
)
def test_what_decides_a_plate_or_its_row_is_in_the_recipe(
    change: str, scans: Path, tmp_path: Path
) -> None:
    plain, changed = job_of(scans, tmp_path / "out"), job_of(scans, tmp_path / "out", change)
    assert paint_recipe(plain).digest != paint_recipe(changed).digest


def test_what_pins_nothing_new_is_read_as_it_was_meant(scans: Path, tmp_path: Path) -> None:
    """A job.json from before these settings."""
    pinned = json.loads(pinned_of(job_of(scans, tmp_path / "out")).model_dump_json())
    for part in (pinned["paint"], pinned["job"]["paint"]):
        for name in ("smallest_render_size", "compiled", "confidence"):
            del part[name]
        part["precision"] = "float32"
    read = Pinned.model_validate_json(json.dumps(pinned))
    for paint in (read.paint, read.job.paint):
        assert paint.smallest_render_size is None
        assert (paint.compiled, paint.confidence) == (False, False)
        assert (paint.render_size, paint.precision) == (64, "float32")
    assert paint_recipe(read.job) == read.paint
