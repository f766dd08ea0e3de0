"""Presses on Ray: any of them may be killed, and so may the whole command."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import ray

from photochrom.colorize.picture import PrintRecipe
from photochrom.jobs.driving.presses import on_ray
from photochrom.jobs.driving.reprint import Reprint
from photochrom.jobs.messages import Attempt
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.records import PrintedRow
from photochrom.jobs.working.budget import Budget
from photochrom.jobs.working.press import Press, Row
from tests.jobs.archive import (
    NO_METERS,
    Listener,
    drive,
    findings,
    job_of,
    keys,
    place_of,
    prints,
)
from tests.jobs.program import Program

# The presses' processes cannot import this file, so its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

KILLS_ALWAYS, KILLS_ONCE = "album-0/photo-000.tif", "album-1/photo-005.jpg"


def harmed(notes: Path) -> type[Press]:
    """Make a press that one photo kills whenever it is printed, and another one once."""

    class HarmedPress(Press):
        def _made(self, row: Row, attempt: Attempt, budget: Budget) -> PrintedRow:
            once = row["row_id"] == KILLS_ONCE and not notes.exists()
            if once:
                notes.touch()
            if once or row["row_id"] == KILLS_ALWAYS:
                os.kill(os.getpid(), signal.SIGKILL)
            return super()._made(row, attempt, budget)

    return HarmedPress


def test_presses_that_are_killed_cost_no_print_but_the_killers(
    job_folder: Path, program: Program
) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", "print.format=none")
    drive(job)
    store, recipe = place_of(job), PrintRecipe(format="png", long_side=20)
    presses = on_ray("local", 2, harmed(job_folder / "killed-once"))
    work = Reprint(store, read_pinned(store), recipe, presses, Listener(), NO_METERS)
    work.run()
    assert [(one.row_id, one.reason) for one in work.failures] == [(KILLS_ALWAYS, "killed_worker")]
    assert work.made == 5
    assert len(prints(store)) == 5

    options = ("--format", "png", "--long-side", "20", "--address", "local", "--replicas", "1")
    answer = program("print", job_folder / "out", *options)
    assert answer.code == 0
    assert answer.out.startswith("1 prints made")
    assert len(keys(store, "prints")) == 6, "what was printed twice has the same bytes"
    assert findings(store) == []
