"""The program: exit codes, one-line errors, JSON, and what each verb shows."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from photochrom.colorize.picture.marking.marks import read_marks
from photochrom.jobs.cli import app
from photochrom.jobs.driving.driver import Driver
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.pinned import JOB_FILE
from photochrom.jobs.planning.order import Order
from photochrom.jobs.storage.store import Store
from photochrom.monitoring import Metrics, PrometheusBackend
from tests.jobs.archive import (
    Listener,
    drive,
    inline,
    job_of,
    listing,
    place_of,
    planned_only,
    write_manifest,
    write_photos,
)
from tests.jobs.program import Program

SET = ("paint.model=echo", "paint.render_size=64", "paint.tone=positive")
ECHO = tuple(word for change in SET for word in ("--set", change))
PROGRAM = "from photochrom.jobs.cli import program; program()"


@pytest.fixture
def some_failed(job_folder: Path) -> Path:
    """Return a folder with a finished job of six photos and one that failed."""
    (job_folder / "scans" / "text.jpg").write_text("no photo")
    drive(job_of(job_folder / "scans", job_folder / "out"))
    return job_folder


def test_a_run_asks_on_a_terminal_before_a_large_output(job_folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = ["run", str(job_folder / "scans"), str(job_folder / "out"), *ECHO]
    command += ["--set", "limits.confirm_bytes=1"]
    os.write(ours, b"n\n")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command], stdin=theirs, capture_output=True, text=True
    )
    os.close(ours)
    os.close(theirs)
    assert ran.returncode == 1
    assert "This will write about" in ran.stdout
    assert not (job_folder / "out").exists()


# --- plan ----------------------------------------------------------------------------------------


def test_a_plan_writes_nothing(job_folder: Path, program: Program) -> None:
    (job_folder / "scans" / "notes.txt").write_text("left out")
    arguments = ("plan", job_folder / "scans", job_folder / "out", *ECHO, "--json")
    answer = program(*arguments)
    assert answer.code == 0
    found = answer.json
    sizes = [p.stat().st_size for p in (job_folder / "scans").rglob("photo-*")]
    assert (found["rows"], found["known"], found["work"]) == (6, 0, 6)
    assert found["bytes_in"] == sum(sizes)
    assert found["bytes_out"] > 0
    assert found["shards"] == 2
    assert found["seconds"] > 0
    assert found["left_out"] == {".txt": 1}
    assert found["skips"] == {}
    assert sorted(path.name for path in job_folder.iterdir()) == ["scans"]


def test_a_plan_of_a_started_job_says_what_is_left(job_folder: Path, program: Program) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    drive(job)
    write_photos(job_folder / "scans", 3, first=6)
    before = listing(place_of(job))
    arguments = ("plan", job_folder / "scans", job_folder / "out", *ECHO)
    found = program(*arguments, "--json").json
    assert (found["rows"], found["known"], found["work"]) == (9, 6, 3)
    assert "photographs in the manifest" in program(*arguments).out
    assert listing(place_of(job)) == before
    other = program(*arguments, "--set", "paint.tone=negative")
    assert other.code == 1
    assert "paint.tone is 'positive' there and 'negative' here" in other.err


def test_a_plan_counts_skips_by_reason(tmp_path: Path, program: Program) -> None:
    rows: list[dict[str, object]] = [
        {"uri": "a.tif", "restriction": "family", "bytes": 10},
        {"uri": "b.tif", "storage_class": "GLACIER", "bytes": 10},
        {"uri": "c.tif", "bytes": 10_000_000},
    ]
    manifest = write_manifest(tmp_path / "list.csv", rows)
    for format in ("tiff", "png", "jpeg", "webp", "none"):
        change = ("--set", f"print.format={format}", "--set", "print.long_side=500")
        found = program("plan", manifest, tmp_path / "out", *ECHO, *change, "--json").json
        assert found["skips"] == {"restricted": 1, "archived_storage": 1}
        assert (found["work"], found["bytes_in"]) == (1, 10_000_000)


# --- run, retry, status, audit -------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_on_a_ray_of_this_machine(job_folder: Path, program: Program) -> None:
    (job_folder / "scans" / "text.jpg").write_text("no photo")
    for name in ("a.xmp", "b.XMP"):
        (job_folder / "scans" / name).write_text("<x/>")
    arguments = ("run", job_folder / "scans", job_folder / "out", *ECHO, "--json")
    answer = program(*arguments, "--set", "run.replicas=1")
    assert answer.code == 3
    assert answer.json == {
        "total": 7,
        "done_now": 7,
        "counts": [
            {"outcome": "colorized", "reason": "", "rows": 6},
            {"outcome": "failed", "reason": "not_an_image", "rows": 1},
        ],
        "left_out": {".xmp": 2},
    }
    again = program(*arguments)
    assert (again.code, again.json["done_now"]) == (3, 0)
    assert program("verify", job_folder / "out").code == 0


def test_a_finished_run_without_failures_ends_well(job_folder: Path, program: Program) -> None:
    drive(job_of(job_folder / "scans", job_folder / "out"))
    answer = program("run", job_folder / "scans", job_folder / "out", *ECHO)
    assert answer.code == 0
    assert f"0 done now; everything is under {job_folder}/out" in answer.out


def test_a_job_file_is_all_that_a_verb_needs(job_folder: Path, program: Program) -> None:
    drive(job_of(job_folder / "scans", job_folder / "out"))
    path = job_folder / "job.toml"
    path.write_text(
        'manifest = "scans"\noutput = "out"\n'
        '[paint]\nmodel = "echo"\nrender_size = 64\ntone = "positive"\n'
    )
    assert program("run", path, "--json").json["total"] == 6
    assert program("plan", path, "--json").json["known"] == 6


def test_a_retry_of_nothing_does_nothing(some_failed: Path, program: Program) -> None:
    before = listing(Store(str(some_failed / "out")))
    answer = program("retry", some_failed / "out", "--reason", "corrupt", "--json")
    assert (answer.code, answer.json["done_now"]) == (3, 0)
    assert listing(Store(str(some_failed / "out"))) == before


def test_status(some_failed: Path, program: Program) -> None:
    found = program("status", some_failed / "out", "--json").json
    assert found["counts"] == [
        {"outcome": "colorized", "reason": "", "rows": 6},
        {"outcome": "failed", "reason": "not_an_image", "rows": 1},
    ]
    assert (found["planned"], found["committed"], found["shards_left"]) == (7, 7, 0)
    text = program("status", some_failed / "out").out
    assert "7 of 7 planned photographs have their row, in 1 plans; 0 shards are left" in text
    assert "6 prints of recipe " in text


def test_status_of_a_job_at_work(job_folder: Path, program: Program) -> None:
    planned_only(job_of(job_folder / "scans", job_folder / "out"))
    found = program("status", job_folder / "out", "--json").json
    assert (found["planned"], found["committed"], found["left"]) == (6, 0, 6)
    assert found["counts"] == []


def test_audit(some_failed: Path, program: Program) -> None:
    out = some_failed / "out"
    overview = program("audit", out, "--json").json
    assert sum(row["rows"] for row in overview) == 7
    sql = "SELECT row_id FROM current WHERE reason <> ''"
    assert program("audit", out, sql, "--json").json == [{"row_id": "text.jpg"}]
    assert "text.jpg" in program("audit", out, sql).out
    assert program("audit", out, "--duplicates", "--json").json == []
    assert program("audit", out, "--orphans", "--json").json == []
    assert "nothing found" in program("audit", out, "--orphans").out
    Store(str(out)).put("prints/album-0/left.ai-colorized.jpg", b"")
    assert program("audit", out, "--orphans", "--json").json == [
        {"object": "prints/album-0/left.ai-colorized.jpg", "what": "not counted"}
    ]
    for view in ("current", "ledger", "prints", "printed", "plans", "events"):
        answer = program("audit", out, f"SELECT count(*) AS n FROM {view}", "--json")
        assert answer.json[0]["n"] == {"prints": 6, "printed": 6, "events": 0}.get(view, 7)


def test_a_contact_sheet(some_failed: Path, program: Program) -> None:
    sheet = some_failed / "sheets" / "all.jpg"
    assert program("audit", some_failed / "out", "--sheet", sheet).code == 0
    assert sheet.read_bytes().startswith(b"\xff\xd8\xff")
    assert read_marks(sheet).digital_source_type.endswith("/compositeWithTrainedAlgorithmicMedia")


def test_doctor_tries_a_place(tmp_path: Path, program: Program) -> None:
    answer = program("doctor", tmp_path / "out", "--json")
    checks = {check["check"]: check for check in answer.json}
    assert checks[f"storage {tmp_path}/out"]["ok"]
    assert checks["decoders"]["ok"]
    assert checks["generator"]["ok"]
    assert "quick in float32" in checks["device"]["what"]
    assert answer.code == (0 if all(check["ok"] for check in checks.values()) else 1)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("plan", "nothing.toml"), 2, "nothing.toml: no such job file"),
        (("plan", "scans"), 2, "give a job file (.toml), or a manifest and an output"),
        (("plan", "empty", "new"), 2, "no photographs there"),
        (("plan", "scans", "scans/out", *ECHO), 2, "lies inside the source folder"),
        (("plan", "scans", "new", "--set", "paint.x=1"), 2, "paint.x: no such setting; there are"),
        (("plan", "scans", "new", "--set", "paint"), 2, "write it as section.key=value"),
        (("plan", "lost.csv", "new"), 1, "lost.csv"),
        (("plan", "gs://b/scans", "new"), 1, "no such storage"),
        (("run", "scans", "out", *ECHO, "--set", "paint.render_size=80"), 1, "holds another job"),
        (("run", "scans", "out", *ECHO, "--set", "print.format=png"), 1, "photochrom print file"),
        (("status", "nowhere"), 1, "no job.json there; is this an output place?"),
        (("retry", "nowhere"), 1, "no job.json there"),
        (("retry", "out", "--reason", "boredom"), 2, "--reason boredom: there are already_colour"),
        (("print", "nowhere"), 1, "no job.json there"),
        (("print", "out", "--format", "gif"), 2, "--format: "),
        (("print", "out", "--format", "none"), 1, "choose a format"),
        (("print", "out", "--where", "nonsense", "--format", "png"), 1, "the question failed"),
        (("audit", "out", "SELEC 1"), 1, "the question failed"),
        (("verify", "lost.tif"), 1, "no job.json there"),
        (("verify", "out", "--set", "storage.output.region=5"), 2, "storage.output.region: "),
    ],
)
def test_an_error_is_one_line(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    some_failed: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(some_failed)
    (some_failed / "empty").mkdir()
    before = listing(Store(str(some_failed / "out")))
    answer = program(*arguments)
    assert words in answer.err
    assert answer.code == code
    assert answer.err.startswith("photochrom: ")
    assert len(answer.err.splitlines()) == 1
    assert answer.out == ""
    assert listing(Store(str(some_failed / "out"))) == before
    assert not (some_failed / "new").exists()


@pytest.mark.parametrize(
    "arguments", [("plan",), ("develop",), ("run", "a", "b", "--sample", "0"), ("status", "--x")]
)
def test_usage_errors_exit_with_2(arguments: tuple[str, ...], program: Program) -> None:
    answer = program(*arguments)
    assert answer.code == 2
    assert "Traceback" not in answer.err


def test_an_error_of_another_kind_says_how_to_see_more(
    job_folder: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(job_of(job_folder / "scans", job_folder / "out"))
    arguments = ("audit", job_folder / "out", "--sheet", job_folder / "scans" / "album-0" / "x.gif")
    (job_folder / "scans" / "album-0" / "x.gif").mkdir()
    answer = program(*arguments)
    assert answer.code == 1
    assert "IsADirectoryError: " in answer.err
    assert "set PHOTOCHROM_DEBUG=1 to see where" in answer.err
    assert len(answer.err.splitlines()) == 1
    monkeypatch.setenv("PHOTOCHROM_DEBUG", "1")
    with pytest.raises(IsADirectoryError):
        program(*arguments)


def test_a_damaged_job_file_is_one_line(job_folder: Path, program: Program) -> None:
    drive(job_of(job_folder / "scans", job_folder / "out"))
    place = Store(str(job_folder / "out"))
    for data in (b"not json", b"{}", b"\xff"):
        place.put(JOB_FILE, data)
        answer = program("status", place.root)
        assert answer.code == 1
        assert "job.json is damaged" in answer.err
        assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_verb_exits_with_130(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        changes = [f"storage.output.endpoint={endpoint}", "storage.output.anonymous=true"]
        options = [part for change in changes for part in ("--set", change)]
        running = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "status", "s3://bucket/place", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PHOTOCHROM_DEBUG": ""},
        )
        silent.settimeout(60)
        line, _ = silent.accept()
        with line:
            running.send_signal(number)
            _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize(("words", "code"), [(["status", "nowhere"], 1), (["plan"], 2)])
def test_the_program_ends_with_its_code(words: list[str], code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, *words]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == code
    assert ended.stderr


def test_the_program_says_all_that_it_has_to_say() -> None:
    command = [sys.executable, "-c", PROGRAM, "models", "list", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0
    assert len(json.loads(ended.stdout)) >= 5


def test_nobody_need_hear_the_program_out() -> None:
    command = [sys.executable, "-c", PROGRAM, "models", "list", "--json"]
    read, written = os.pipe()
    os.close(read)
    ended = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, timeout=60)
    os.close(written)
    assert ended.returncode != 0


# --- metrics -------------------------------------------------------------------------------------


def sample_of(backend: PrometheusBackend, name: str, **labels: str) -> Any:
    return backend.registry.get_sample_value(f"photochrom_{name}", labels)


def test_metrics_add_up_to_the_ledger(some_failed: Path) -> None:
    backend = PrometheusBackend()
    job = job_of(some_failed / "scans", some_failed / "again")
    Driver(Order.of(job), inline(), Listener(), Meters(Metrics(backend))).run()
    assert sample_of(backend, "photos_total", outcome="colorized", reason="none") == 6
    assert sample_of(backend, "photos_total", outcome="failed", reason="not_an_image") == 1
    assert sample_of(backend, "rows_planned") == sample_of(backend, "rows_done") == 7
    assert sample_of(backend, "prints_total", format="jpeg") == 6
    sizes = [path.stat().st_size for path in (some_failed / "scans").rglob("*.*")]
    assert sample_of(backend, "source_bytes_total") == sum(sizes)
    assert sample_of(backend, "generator_seconds_total", state="busy") > 0
    assert sample_of(backend, "generator_seconds_total", state="idle") > 0


def test_metrics_are_served_where_asked(some_failed: Path, program: Program) -> None:
    arguments = ("run", some_failed / "scans", some_failed / "out", *ECHO)
    answer = program(*arguments, "--metrics-port", "0", "--json")
    assert "metrics at http://127.0.0.1:" in answer.err
    assert answer.json["total"] == 7


def help_of(command: Any, name: str = "photochrom") -> Iterator[tuple[str, str]]:
    """Yield every text that help shows, of a command and of those below it."""
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", "") or ""
    for below, one in getattr(command, "commands", {}).items():
        yield from help_of(one, f"{name} {below}")


def test_help_has_no_brackets_which_terminals_would_take_for_markup() -> None:
    texts = dict(help_of(typer.main.get_command(app)))
    assert len(texts) > 50
    assert [name for name, text in texts.items() if re.search(r"\[[a-z/#@]", text)] == []
