"""Patience: what may pass is tried again, what will not is not."""

from __future__ import annotations

import pytest

from photochrom.jobs.errors import NotFound, StorageError
from photochrom.jobs.working.patience import Patience


class Line:
    """A call that fails so many times."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.slept = list(errors), list[float]()
        self.patience = Patience((1.0, 3.0), self.slept.append)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_a_call_is_made_again_after_growing_pauses() -> None:
    line = Line(StorageError("slow down"), StorageError("slow down"))
    assert line.patience(line) == "done"
    first, second = line.slept
    assert 1.0 <= first <= 1.5
    assert 3.0 <= second <= 4.5


def test_the_last_error_is_raised() -> None:
    line = Line(*(StorageError(f"{n}") for n in range(3)))
    with pytest.raises(StorageError, match="2"):
        line.patience(line)


@pytest.mark.parametrize("error", [NotFound("gone"), OSError("disk")])
def test_what_will_not_pass_is_raised_at_once(error: Exception) -> None:
    line = Line(error)
    with pytest.raises(type(error)):
        line.patience(line)
    assert line.slept == []
