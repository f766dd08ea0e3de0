"""Random faults, many at once, drawn from seeds: PHOTOCHROM_DRILLS says how many."""

from __future__ import annotations

import os

import pytest

from tests.drills.schedules import Schedule
from tests.drills.yard import Yard

LONG = "PHOTOCHROM_DRILLS" in os.environ
COUNT = int(os.environ.get("PHOTOCHROM_DRILLS", "3"))
FIRST = int(os.environ.get("PHOTOCHROM_DRILLS_FIRST", "0"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_whatever_befalls_a_job_the_promises_hold(
    seed: int, request: pytest.FixtureRequest
) -> None:
    schedule = Schedule.drawn(seed)
    yard: Yard = request.getfixturevalue("s3_yard" if schedule.in_s3 else "folder_yard")
    print(schedule)
    yard.play(schedule)
