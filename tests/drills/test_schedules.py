"""Random faults, many at once, drawn from seeds."""

from __future__ import annotations

import pytest

from tests.drills.long_form import COUNT, FIRST
from tests.drills.schedules import Schedule
from tests.drills.yard import Yard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_whatever_befalls_a_job_the_promises_hold(
    seed: int, request: pytest.FixtureRequest
) -> None:
    schedule = Schedule.drawn(seed)
    yard: Yard = request.getfixturevalue("s3_yard" if schedule.in_s3 else "folder_yard")
    print(schedule)
    yard.play(schedule)
