"""The course of a training: its phases in order, kept so that any process may die at any moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from photochrom.colorize.errors import ModelError
from photochrom.colorize.training.curve import Curve, Line
from photochrom.colorize.training.drills import Drill, drill_for
from photochrom.colorize.training.export import export_network
from photochrom.colorize.training.feed import Feed
from photochrom.colorize.training.held_out import HeldOut
from photochrom.colorize.training.phases import GanPhase, Phase
from photochrom.colorize.training.record import Record
from photochrom.colorize.training.studio import Studio
from photochrom.colorize.training.team import seed_step

WEIGHTS = "generator.safetensors"
LOOK_STEPS = 10  # between two looks at the clock, which all workers take together
REPORT_SECONDS = 1.0
Report = Callable[[Mapping[str, Any]], None]


@dataclass
class Place:
    """How far a training has come, and the best figure of the GAN phase that it is in."""

    phase: int = 0
    step: int = 0
    seconds: float = 0.0
    photographs: int = 0
    best: float = math.inf
    checks_since: int = 0


class Course:
    """Goes through a recipe's phases from wherever the newest checkpoint stands."""

    def __init__(
        self,
        studio: Studio,
        feed: Feed,
        held_out: HeldOut,
        record: Record,
        report: Report,
        checkpoint_minutes: float = 4.0,
    ) -> None:
        self.studio = studio
        self.feed = feed
        self.held_out = held_out
        self.record = record
        self.report = report
        self.checkpoint_seconds = checkpoint_minutes * 60
        self.team = feed.team
        self.phases = studio.recipe.phases()
        self.place = Place()
        self.curve = Curve()
        self.best: dict[str, Any] = {}  # weights of the best check of this GAN phase
        self._saved = self._measured = 0.0
        self._reported = -math.inf

    def run(self) -> str:
        """Go to the end and return the key of the finished weights."""
        left = self._resume()
        for number in range(self.place.phase, len(self.phases)):
            phase = self.phases[number]
            drill = drill_for(self.studio, phase, self.team)
            if left:
                drill.resume(left)
            self._go_through(phase, drill)
            if self.best:
                self.studio.take(self.best)
            self.team.align(self.studio.pupil)
            left, self.best = {}, {}
            self.place = Place(number + 1, 0, self.place.seconds, self.place.photographs)
            self._save({})
        if self.team.leads:
            self.record.put(WEIGHTS, lambda file: export_network(self.studio, file))
        return WEIGHTS

    # --- one phase -----------------------------------------------------------------------------

    def _go_through(self, phase: Phase, drill: Drill) -> None:
        place, steps = self.place, self.feed.steps(phase)
        self._saved = self._measured = place.seconds
        started = time.monotonic()
        for lesson in self.feed.lessons(place.phase, phase, place.step):
            seed_step(self.studio.recipe.seed, place.phase, place.step, self.team.rank)
            losses = drill.step(lesson, place.step / steps)
            self._must_be_finite(losses)
            self.curve.add(losses)
            place.step += 1
            place.photographs += phase.batch * self.team.workers
            place.seconds += time.monotonic() - started
            self._tell(phase, steps)
            if self._check(phase, drill, steps):
                return
            started = time.monotonic()

    def _must_be_finite(self, losses: Mapping[str, float]) -> None:
        lost = [name for name, loss in losses.items() if not math.isfinite(loss)]
        if lost:
            raise ModelError(
                f"phase {self.place.phase + 1}, step {self.place.step}: the losses are no numbers "
                f"any more ({', '.join(lost)}); lower the rate, or set longest_gradient"
            )

    def _check(self, phase: Phase, drill: Drill, steps: int) -> bool:
        """Measure and save what is due; return whether the phase gains no more."""
        place, ended = self.place, self.place.step >= steps
        measures, saves = self._due(phase, ended)
        if measures or saves:
            self.team.align(self.studio.pupil)
        figures = self.team.told(self._measure(phase)) if measures else {}
        if measures or saves:
            self.curve.close_line(self._line(phase, steps), figures)
        stops = isinstance(phase, GanPhase) and measures and self._judge(phase, figures)
        if saves and not stops:
            self._save(drill.state())
        if measures:
            self._measured = place.seconds
        return stops

    def _due(self, phase: Phase, ended: bool) -> tuple[bool, bool]:
        """Say whether to measure and whether to save now, alike on every worker."""
        if ended:
            return True, False
        step, now = self.place.step, self.place.seconds
        looks = step % LOOK_STEPS == 0
        if isinstance(phase, GanPhase):
            measures = step % phase.check_steps == 0
        else:
            pause = self.studio.recipe.validation.minutes * 60
            measures = looks and now - self._measured > pause
            measures |= step % self.feed.epoch_steps(phase) == 0
        if not (measures or looks):
            return False, False
        saves = now - self._saved > self.checkpoint_seconds
        told: tuple[bool, bool] = self.team.told((measures, saves))
        return told

    def _measure(self, phase: Phase) -> dict[str, float] | None:
        """Return the leading worker's figures, and leave a sample sheet."""
        if not self.team.leads:
            return None
        place = self.place
        name = f"{place.phase:03d}-{place.step:08d}"
        figures: dict[str, float] = {}
        if len(self.held_out):
            with self.studio.shown() as pupil:
                figures = self.held_out.measure(pupil, self.studio)
                self.record.put(f"sheets/{name}.jpg", lambda file: self.held_out.sheet(pupil, file))
        if phase.keep_checks:
            key = f"candidates/{name}.safetensors"
            self.record.put(key, lambda file: export_network(self.studio, file))
        return figures

    def _judge(self, phase: GanPhase, figures: Mapping[str, float]) -> bool:
        """Remember the best weights so far; return whether patience has run out.

        Where nothing is held out there is no figure: the last weights count.
        """
        place, figure = self.place, figures.get(self.studio.recipe.validation.figure)
        if figure is None:
            return False
        if figure < place.best:
            place.best, place.checks_since = figure, 0
            self.best = {k: v.detach().clone() for k, v in self.studio.average.state.items()}
            return False
        place.checks_since += 1
        return 0 < phase.patience <= place.checks_since

    # --- what is written down ------------------------------------------------------------------

    def _save(self, drill: dict[str, Any]) -> None:
        self._saved = self.place.seconds
        if self.team.leads:
            state = {"place": asdict(self.place), "drill": drill, "best": self.best}
            state |= self.studio.state()
            self.record.save(self.place.phase, self.place.step, state, self.curve)

    def _resume(self) -> dict[str, Any]:
        """Go to the newest checkpoint; return what its phase's drill needs."""
        state = self.record.newest()
        if state is None:
            return {}
        self.studio.resume(state)
        self.place = Place(**state["place"])
        self.curve = Curve(state["curve"])
        self.best = state["best"]
        drill: dict[str, Any] = state["drill"]
        return drill

    def _line(self, phase: Phase, steps: int) -> Line:
        place = self.place
        return {
            "phase": place.phase,
            "kind": phase.kind,
            "step": place.step,
            "steps": steps,
            "seconds": round(place.seconds, 1),
            "photographs": place.photographs,
        }

    def _tell(self, phase: Phase, steps: int) -> None:
        if self.team.leads and time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            line = self._line(phase, steps) | {"phases": len(self.phases), "size": phase.size}
            self.report(line | {"losses": self.curve.means()})
