"""Printing beside the job: it is killed, doubled and cut off, and every print stands once."""

from __future__ import annotations

import pytest

from photochrom.jobs.audit.questions import questions
from tests.drills.drive import ALL_WELL, PRINTED, Verb
from tests.drills.long_form import LONG_ONLY
from tests.drills.place import until
from tests.drills.promises import assert_one_truthful_row_each
from tests.drills.yard import Yard

COUNT = 48
PLATES_ONLY = "print.format=none"
ONE_EACH = "SELECT count(*) AS prints, count(DISTINCT row_id) AS photos FROM prints"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def printed(yard: Yard) -> int:
    """Count the prints that stand."""
    return sum(1 for _ in yard.store.list("prints"))


def test_printing_that_is_killed_and_doubled_prints_each_photo_once(s3_yard: Yard) -> None:
    s3_yard.fill(COUNT)
    with s3_yard.drive(PLATES_ONLY) as driving:
        until(lambda: any(s3_yard.store.list("ledger")), "a commit")
        with s3_yard.drive(PLATES_ONLY, verb=Verb.PRINT) as first:
            until(lambda: printed(s3_yard) > 1, "prints")
            first.kill()
        with (
            s3_yard.drive(PLATES_ONLY, verb=Verb.PRINT) as second,
            s3_yard.drive(PLATES_ONLY, verb=Verb.PRINT) as third,
        ):
            assert (second.ended(), third.ended()) == (ALL_WELL, ALL_WELL), second.said + third.said
        assert driving.ended() == ALL_WELL, driving.said
    assert_each_is_printed_once(s3_yard)


@LONG_ONLY
def test_printing_and_its_job_wait_for_a_storage_that_is_away(s3_yard: Yard) -> None:
    s3_yard.fill(COUNT)
    with s3_yard.drive(PLATES_ONLY) as driving:
        until(lambda: any(s3_yard.store.list("ledger")), "a commit")
        with s3_yard.drive(PLATES_ONLY, verb=Verb.PRINT) as printing:
            until(lambda: printed(s3_yard) > 1, "prints")
            s3_yard.weather.away = True
            until(lambda: "the storage is away" in printing.said, "a pause")
            s3_yard.weather.away = False
            assert printing.ended() == ALL_WELL, printing.said
        assert driving.ended() == ALL_WELL, driving.said
    assert_each_is_printed_once(s3_yard)


def assert_each_is_printed_once(yard: Yard) -> None:
    """Hold the place against its manifest, and its prints against what was asked for."""
    assert_one_truthful_row_each(yard.store, yard.names, {})
    with questions(yard.store) as tables:
        assert tables.ask(ONE_EACH) == [{"prints": COUNT, "photos": COUNT}]
        formats = tables.ask("SELECT DISTINCT output_format FROM prints")
    assert formats == [{"output_format": PRINTED.format}]
