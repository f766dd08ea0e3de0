"""The flow: who waits for whom, told by events alone; no clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from photochrom.jobs.messages import Lap
from photochrom.jobs.working.budget import Budget
from photochrom.jobs.working.flow import Flow
from photochrom.jobs.working.stopwatch import Stopwatch
from photochrom.jobs.working.tray import Tray

PATIENCE = 30.0  # seconds until a test that hangs fails


@dataclass
class Stages:
    """Photos are their names; the square's side is what follows the name's colon."""

    opening: Callable[[str], None] = lambda photo: None
    painting: Callable[[Sequence[str]], None] = lambda photos: None
    finishing: Callable[[str], None] = lambda photo: None
    batches: list[list[str]] = field(default_factory=list)
    called_off: bool = False

    def open(self, photo: str, /) -> str:
        self.opening(photo)
        return photo

    def square(self, photo: str, /) -> int | None:
        _, _, size = photo.partition(":")
        return int(size or 256) if size != "over" else None

    def paint(self, photos: Sequence[str], /) -> None:
        self.batches.append(list(photos))
        self.painting(photos)

    def finish(self, photo: str, /) -> str:
        self.finishing(photo)
        return photo

    def call_off(self) -> None:
        self.called_off = True


def wait_for(event: threading.Event) -> None:
    assert event.wait(PATIENCE), "nobody came"


def test_what_is_opened_while_the_generator_paints_is_its_next_batch() -> None:
    first_begun, four_open = threading.Event(), threading.Event()

    def opening(photo: str) -> None:
        if photo == "a":
            wait_for(first_begun)
        if photo == "e:over":  # the one opener has put down all others
            four_open.set()

    def painting(photos: Sequence[str]) -> None:
        first_begun.set()
        wait_for(four_open)

    stages = Stages(opening, painting)
    photos = ["first", "a", "b", "c", "d", "e:over"]
    assert sorted(Flow(stages, batch=8, threads=1).run(photos)) == sorted(photos)
    assert stages.batches == [["first"], ["a", "b", "c", "d"]], "it does not wait for company"
    assert stages.called_off


def test_squares_of_one_size_are_painted_together() -> None:
    all_open = threading.Event()

    def opening(photo: str) -> None:
        if photo == "last:over":
            all_open.set()

    def painting(photos: Sequence[str]) -> None:
        wait_for(all_open)

    stages = Stages(opening, painting)
    photos = ["first", "a:128", "b", "c", "d:128", "e", "last:over"]
    list(Flow(stages, batch=3, threads=1).run(photos))
    sides = [{stages.square(photo) for photo in batch} for batch in stages.batches]
    assert all(len(side) == 1 for side in sides)
    assert sorted(photo for batch in stages.batches for photo in batch) == sorted(photos[:-1])


def test_neither_a_slow_print_nor_an_unread_word_holds_the_generator_up() -> None:
    all_painted = threading.Event()

    def painting(photos: Sequence[str]) -> None:
        if "last" in photos:
            all_painted.set()

    def finishing(photo: str) -> None:
        if photo == "second":
            wait_for(all_painted)

    run = Flow(Stages(painting=painting, finishing=finishing), batch=1, threads=1).run(
        ["first", "second", "third", "last"]
    )
    assert next(run) == "first"
    wait_for(all_painted)  # though nobody asks for another word
    assert list(run) == ["second", "third", "last"]


@pytest.mark.parametrize("stage", ["opening", "painting", "finishing"])
def test_an_error_calls_everything_off(stage: str) -> None:
    """Openers that wait for room go home too: without that, this test hangs."""
    budget = Budget(10)

    class Bounded(Stages):
        def open(self, photo: str, /) -> str:
            if photo != "first" or stage != "opening":
                budget.take(10)
            return super().open(photo)

        def call_off(self) -> None:
            super().call_off()
            budget.close()

    def spoil(given: str | Sequence[str]) -> None:
        raise OSError("no space left")

    stages = Bounded(**{stage: spoil})
    with pytest.raises(OSError, match="no space left"):
        list(Flow(stages, batch=4, threads=2).run(["first", "second", "third", "fourth"]))
    assert stages.called_off


def test_no_more_is_open_than_there_is_room_for() -> None:
    budget, lock = Budget(30), threading.Lock()
    held: list[int] = [0]

    class Bounded(Stages):
        def open(self, photo: str, /) -> str:
            budget.take(10)
            with lock:
                held.append(held[-1] + 1)
            return photo

        def finish(self, photo: str, /) -> str:
            with lock:
                held.append(held[-1] - 1)
            budget.give_back(10)
            return photo

    photos = [f"photo {number}" for number in range(40)]
    assert sorted(Flow(Bounded(), batch=4, threads=6).run(photos)) == sorted(photos)
    assert max(held) <= 3
    assert held[-1] == 0


def test_the_tray_gives_full_batches_first_then_what_waits_longest() -> None:
    tray: Tray[str] = Tray(2)
    for size, photo in ((128, "a"), (256, "b"), (192, "c"), (256, "d"), (192, "e"), (256, "f")):
        tray.put(size, photo)
    assert len(tray) == 6
    assert [tray.take() for _ in range(4)] == [["b", "d"], ["c", "e"], ["a"], ["f"]]
    assert not tray


def test_the_stopwatch_tells_work_from_waiting() -> None:
    times = iter([10.0, 13.0, 14.5, 20.0, 21.0, 22.0, 30.0])
    watch = Stopwatch(lambda: next(times))
    watch.start()
    with watch.painting():
        pass
    assert watch.lap() == Lap(busy=1.5, idle=8.5)
    watch.start()  # the second shard: it has been running all the while
    with watch.painting():
        pass
    assert watch.lap() == Lap(busy=1.0, idle=9.0)
