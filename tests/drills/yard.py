"""The yard where one job is drilled: its photographs, its place, and the weather before both."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import Self
from uuid import uuid4

from photochrom.jobs.audit.orphans import orphans, prune
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.errors import JobError, StorageError
from photochrom.jobs.settings import Job, load_job
from photochrom.jobs.storage.store import Store
from tests.conftest import ACCESS_KEY_ENV, SECRET_KEY_ENV
from tests.drills import schedules
from tests.drills.archive import manifest, sheets
from tests.drills.drive import ALL_WELL, SOME_FAILED, Drive, Verb
from tests.drills.promises import AT_ONCE, assert_the_promises_hold
from tests.drills.schedules import Schedule
from tests.drills.weather import Weather
from tests.servers import SeaweedFS

BUCKET = "drills"
LEASE_SECONDS = 60.0


class Yard:
    """Photographs and a job that colorizes them, through a weather or past it.

    Without a `server` all lies in the folder, whose disk may be full for a while.
    """

    def __init__(self, server: SeaweedFS | None, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.full = folder / "the disk is full"
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.name = uuid4().hex[:12]
        self.names: list[str] = []
        self.keys = {"PHOTOCHROM_TEST_FULL": str(self.full)}
        self.weather = Weather(server.endpoint if server else "http://")
        if server:
            self.keys |= {ACCESS_KEY_ENV: server.access_key, SECRET_KEY_ENV: server.secret_key}

    def __enter__(self) -> Self:
        self.weather.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.weather.__exit__()

    def fill(self, count: int, harm: dict[int, bytes] | None = None) -> None:
        """Store photographs and their manifest."""
        made = sheets(count, harm)
        self.names = [sheet.name for sheet in made]
        rows: list[dict[str, object]] = [
            {"row_id": s.name, "uri": f"{self.name}/{s.name}", "bytes": len(s.data)} for s in made
        ]
        job = self.job(calm=True)
        store = Store(job.manifest.rpartition("/")[0], job.storage.source)
        for sheet in made:
            store.put(f"{self.name}/{sheet.name}", sheet.data)
        store.put(f"{self.name}.parquet", manifest(rows))

    def job(self, *changes: str, calm: bool = False) -> Job:
        """Return the job, behind the weather unless `calm`."""
        usual = ("paint.model=echo", "paint.render_size=64", "paint.tone=positive")
        run = ("print.format=tiff", "run.threads=1", f"run.lease_seconds={LEASE_SECONDS}")
        root = f"s3://{BUCKET}" if self.server else str(self.folder)
        reached = self._reached(calm) if self.server else []
        return load_job(
            f"{root}/{self.name}.parquet",
            f"{root}/{self.name}-out",
            (*usual, *run, "operator=drills", *reached, *changes),
        )

    def _reached(self, calm: bool) -> list[str]:
        assert self.server
        access = {
            "endpoint": self.server.endpoint if calm else self.weather.endpoint,
            "access_key_env": ACCESS_KEY_ENV,
            "secret_key_env": SECRET_KEY_ENV,
        }
        sides = ("source", "output")
        return [f"storage.{side}.{name}={access[name]}" for side in sides for name in access]

    @cached_property
    def store(self) -> Store:
        """Return the place, past the weather."""
        job = self.job(calm=True)
        return Store(job.output, job.storage.output)

    def drive(self, *changes: str, calm: bool = False, verb: Verb = Verb.RUN) -> Drive:
        """Make a driver, or another command."""
        return Drive(self.job(*changes, calm=calm), self.notes, self.keys, verb)

    def play(self, schedule: Schedule) -> None:
        """Let a schedule befall a job, then finish it in fine weather and hold the promises."""
        dice = random.Random(schedule.seed)
        self.fill(schedule.count, schedule.harm)
        self.weather.seed, self.weather.rates = schedule.seed, dict(schedule.rates)
        with ExitStack() as drives:
            driving = drives.enter_context(self.drive())
            for after, event in schedule.events:
                time.sleep(after)
                if driving.process.exitcode is not None:
                    driving = drives.enter_context(self.drive())
                self._befall(event, driving, drives, dice)
            driving.ended()
        self.weather.rates = {}
        self.finish(schedule.failed(self.names))

    def finish(self, failed: dict[str, str]) -> None:
        """Finish the job in fine weather, and hold the promises.

        Where a worker was killed from outside over a photo at its second try, that photo failed
        for it: a retry mends this.
        """
        for verb in (Verb.RUN, Verb.RETRY):
            with self.drive(calm=True, verb=verb) as driving:
                assert driving.ended() in (ALL_WELL, SOME_FAILED), driving.said
            found = self.failures()
            if found == failed:
                break
            assert set(found.values()) <= {"killed_worker", *failed.values()}, found
        assert_the_promises_hold(self.job(calm=True), failed)

    def failures(self) -> dict[str, str]:
        """Return the photographs that have not been colorized, and why."""
        with questions(self.store) as tables:
            rows = tables.ask("SELECT row_id, reason FROM current WHERE NOT ai_colorized")
        return {row["row_id"]: row["reason"] for row in rows}

    def _befall(self, event: str, driving: Drive, drives: ExitStack, dice: random.Random) -> None:
        match event:
            case schedules.KILL_WORKER | schedules.HANG_WORKER:
                stop = signal.SIGSTOP if event == schedules.HANG_WORKER else signal.SIGKILL
                if pids := driving.workers():
                    with suppress(ProcessLookupError):
                        os.kill(dice.choice(pids), stop)
            case schedules.KILL_DRIVER:
                driving.kill()
            case schedules.TERM_DRIVER:
                driving.process.terminate()
            case schedules.TWIN:
                drives.enter_context(self.drive())
            case schedules.PRUNE:
                with suppress(JobError, StorageError):  # nothing stands there yet
                    list(prune(self.store, orphans(self.store, AT_ONCE), AT_ONCE))
            case schedules.OUTAGE:
                self.weather.away = True
                self.full.touch()
                time.sleep(dice.uniform(0.5, 3.0))
                self.full.unlink()
                self.weather.away = False
            case schedules.KILL_SERVER if self.server:
                self.server.kill()
                time.sleep(dice.uniform(0.0, 3.0))
                self.server.start()
