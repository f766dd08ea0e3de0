"""Random faults, many at once, drawn from seeds: PHOTOCHROM_DRILLS says how many."""

from __future__ import annotations

import os

import pytest

from tests.drills.schedules import Schedule
from tests.drills.yard import Yard

COUNT = int(os.environ.get("PHOTOCHROM_DRILLS", "3"))
FIRST = int(os.environ.get("PHOTOCHROM_DRILLS_FIRST", "0"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_whatever_befalls_a_job_the_promises_hold(seed: int, yard: Yard) -> None:
    yard.play(Schedule.drawn(seed))
