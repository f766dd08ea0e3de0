"""How a run shows itself: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from photochrom.jobs.messages import Finished
from photochrom.jobs.reasons import Outcome

LINE_SECONDS = 10.0


class Ticker:
    """Reports to stderr: the results belong to stdout."""

    def __init__(self, doing: str = "colorizing") -> None:
        self._doing = doing
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar: Progress | None = None
        self._total = self._done = self._failed = self._begun_with = 0
        self._begun = self._shown = 0.0

    def note(self, text: str) -> None:
        """Print a sentence, in one line however long it is."""
        self._console.print(text, soft_wrap=True)

    def begin(self, total: int, done: int) -> None:
        """Start counting at `done` of `total`."""
        self._total, self._done, self._begun_with = total, done, done
        self._begun = self._shown = time.monotonic()
        if sys.stderr.isatty():
            columns = (
                TextColumn(self._doing),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[failed]} failed"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=self._console)
            self._task = self._bar.add_task("", total=total, completed=done, failed=0)
            self._bar.start()

    def advance(self, finished: Finished) -> None:
        """Count one photo."""
        if self._done == self._begun_with:
            self._begun = time.monotonic()
        self._done += 1
        self._failed += finished.outcome == Outcome.FAILED
        if self._bar:
            self._bar.update(self._task, completed=self._done, failed=self._failed)
        elif time.monotonic() - self._shown >= LINE_SECONDS:
            self._line()

    def end(self) -> None:
        """Take the bar away, or print the last line."""
        if self._bar:
            self._bar.stop()
            self._bar = None
        elif self._done > self._begun_with:
            self._line()

    def _line(self) -> None:
        self._shown = time.monotonic()
        rate = (self._done - self._begun_with - 1) / max(self._shown - self._begun, 1e-9)
        pace = f", {rate:.1f} a second" if rate > 0 else ""
        self._console.print(f"{self._done} of {self._total} photos, {self._failed} failed{pace}")


class TrainingTicker:
    """How a training shows itself: a bar for each phase, or a line every ten seconds."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar: Progress | None = None
        self._phase = -1
        self._shown = 0.0

    def note(self, text: str) -> None:
        """Print a sentence, in one line however long it is."""
        self._console.print(text, soft_wrap=True)

    def advance(self, told: Mapping[str, Any]) -> None:
        """Show where the training is."""
        losses = ", ".join(f"{name} {loss:.3f}" for name, loss in told["losses"].items())
        phase = f"phase {told['phase'] + 1} of {told['phases']}: {told['kind']}, {told['size']} px"
        if sys.stderr.isatty():
            self._draw(phase, losses, told)
        elif time.monotonic() - self._shown >= LINE_SECONDS:
            self._shown = time.monotonic()
            self._console.print(
                f"{phase}, step {told['step']} of {told['steps']}, {losses}", soft_wrap=True
            )

    def _draw(self, phase: str, losses: str, told: Mapping[str, Any]) -> None:
        if self._phase != told["phase"]:
            self.end()
            self._phase = told["phase"]
            fields = TextColumn("{task.fields[losses]}")
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), fields, console=self._console)
            self._task = self._bar.add_task(phase, total=told["steps"], losses="")
            self._bar.start()
        assert self._bar is not None
        self._bar.update(self._task, completed=told["step"], losses=losses)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None
