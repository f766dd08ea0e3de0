"""How a run shows itself where there is no terminal: whole lines on stderr."""

from __future__ import annotations

import pytest

from photochrom.jobs.cli.progress import Ticker
from photochrom.jobs.messages import Finished


def test_a_note_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    text = "a worker died: " + "its device is lost, and so is the next one; " * 9 + "[bold]"
    Ticker().note(text)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", text + "\n")


def test_the_last_line_counts_what_was_done_before(capsys: pytest.CaptureFixture[str]) -> None:
    ticker = Ticker()
    ticker.begin(9, 5)
    ticker.advance(Finished("a", "colorized", ""))
    ticker.advance(Finished("b", "failed", "corrupt"))
    ticker.end()
    assert capsys.readouterr().err.startswith("7 of 9 photos, 1 failed")
