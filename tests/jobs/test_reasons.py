"""Reasons and errors: closed lists that rows, metrics and retries speak in."""

from __future__ import annotations

import threading

import pytest

from photochrom.colorize import errors as pictures
from photochrom.colorize.errors import Fault, PhotochromError, SourceError
from photochrom.jobs import errors
from photochrom.jobs.reasons import Outcome, Reason, reason_of
from photochrom.jobs.working.budget import Budget, BudgetClosed


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_of_a_file_is_a_reason(fault: Fault) -> None:
    assert reason_of(SourceError(fault, "x")).value == fault.value


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.NotFound("x"), "missing"),
        (errors.AccessDenied("x"), "access_denied"),
        (errors.SourceChanged("x"), "source_changed"),
        (errors.StorageError("x"), "storage"),
        (errors.UnsafeStorage("x"), "storage"),
        (pictures.OutOfMemory("x"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (pictures.WrongWeights("x"), "model"),
        (pictures.ProofError("x"), "proof"),
        (pictures.PrintError("x"), "print"),
        (ZeroDivisionError(), "internal"),
    ],
)
def test_every_error_has_its_reason(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_the_lists_are_closed_and_lower_case() -> None:
    assert [outcome.value for outcome in Outcome] == ["colorized", "skipped", "failed"]
    assert len({reason.value for reason in Reason}) == len(Reason)
    assert all(reason.value == reason.name.lower() for reason in Reason)


def tree(kind: type[PhotochromError]) -> set[type[PhotochromError]]:
    return {kind}.union(*(tree(child) for child in kind.__subclasses__()))


def test_every_error_is_drawn_in_a_tree() -> None:
    drawn = f"{errors.__doc__}{pictures.__doc__}"
    ours = {k for k in tree(PhotochromError) if k.__module__.startswith("photochrom.")}
    homes = {errors.__name__, pictures.__name__}
    missing = {k.__name__ for k in ours if k.__module__ in homes and k.__name__ not in drawn}
    assert missing == set()


def test_what_may_go_better_later_says_so() -> None:
    later = {k.__name__ for k in tree(PhotochromError) if k.retriable}
    assert {"StorageError", "Unfinished", "OutOfMemory"} <= later
    assert not later & {"NotFound", "AccessDenied", "SourceChanged", "UnsafeStorage", "BadAddress"}


# --- the budget of bytes in flight ----------------------------------------------------------------


def test_a_budget_lets_pass_what_fits() -> None:
    budget = Budget(100)
    budget.take(60)
    passed = threading.Event()

    def second() -> None:
        budget.take(60)
        passed.set()

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    assert not passed.wait(0.1)
    budget.give_back(60)
    assert passed.wait(10)
    thread.join(10)


def test_a_giant_passes_alone() -> None:
    budget = Budget(10)
    budget.take(1000)
    budget.give_back(1000)
    budget.take(5)


def test_a_closed_budget_sends_everyone_home() -> None:
    budget = Budget(10)
    budget.take(10)
    home = threading.Event()

    def waiting() -> None:
        with pytest.raises(BudgetClosed):
            budget.take(1)
        home.set()

    thread = threading.Thread(target=waiting, daemon=True)
    thread.start()
    budget.close()
    assert home.wait(10)
    thread.join(10)
