"""A training from end to end: its phases in order, kept so that any process may die."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from photochrom.colorize.errors import ModelError
from photochrom.colorize.training.curve import Curve, Line
from photochrom.colorize.training.export import export_network
from photochrom.colorize.training.held_out import HeldOut
from photochrom.colorize.training.loader import Loader
from photochrom.colorize.training.networks import Networks
from photochrom.colorize.training.phases import GanPhase, Phase
from photochrom.colorize.training.record import Record
from photochrom.colorize.training.team import seed_step
from photochrom.colorize.training.updates import Update, update_for

WEIGHTS = "generator.safetensors"
LOOK_STEPS = 10  # between two looks at the clock, which all workers take together
REPORT_SECONDS = 1.0
Report = Callable[[Mapping[str, Any]], None]


@dataclass
class Position:
    """How far a training has come, and the best figure of the GAN phase that it is in."""

    phase: int = 0
    step: int = 0
    seconds: float = 0.0
    photographs: int = 0
    best: float = math.inf
    checks_since: int = 0


class Trainer:
    """Goes through a recipe's phases from wherever the newest checkpoint stands."""

    def __init__(
        self,
        networks: Networks,
        loader: Loader,
        held_out: HeldOut,
        record: Record,
        report: Report,
        checkpoint_minutes: float = 4.0,
    ) -> None:
        self.networks = networks
        self.loader = loader
        self.held_out = held_out
        self.record = record
        self.report = report
        self.checkpoint_seconds = checkpoint_minutes * 60
        self.team = loader.team
        self.phases = networks.recipe.phases()
        self.position = Position()
        self.curve = Curve()
        self.best: dict[str, Any] = {}  # weights of the best check of this GAN phase
        self._saved = self._measured = 0.0
        self._reported = -math.inf

    def run(self) -> str:
        """Go to the end and return the key of the finished weights."""
        left = self._resume()
        for number in range(self.position.phase, len(self.phases)):
            phase = self.phases[number]
            update = update_for(self.networks, phase, self.team)
            if left:
                update.resume(left)
            self._go_through(phase, update)
            if self.best:
                self.networks.take(self.best)
            self.team.align(self.networks.generator)
            left, self.best = {}, {}
            done = self.position
            self.position = Position(number + 1, 0, done.seconds, done.photographs)
            self._save({})
        if self.team.leads:
            self.record.put(WEIGHTS, lambda file: export_network(self.networks, file))
        return WEIGHTS

    # --- one phase -----------------------------------------------------------------------------

    def _go_through(self, phase: Phase, update: Update) -> None:
        position, steps = self.position, self.loader.steps(phase)
        self._saved = self._measured = position.seconds
        started = time.monotonic()
        for batch in self.loader.batches(position.phase, phase, position.step):
            seed_step(self.networks.recipe.seed, position.phase, position.step, self.team.rank)
            losses = update.step(batch, position.step / steps)
            self._must_be_finite(losses)
            self.curve.add(losses)
            position.step += 1
            position.photographs += phase.batch * self.team.workers
            position.seconds += time.monotonic() - started
            self._tell(phase, steps)
            if self._check(phase, update, steps):
                return
            started = time.monotonic()

    def _must_be_finite(self, losses: Mapping[str, float]) -> None:
        lost = [name for name, loss in losses.items() if not math.isfinite(loss)]
        if lost:
            where = f"phase {self.position.phase + 1}, step {self.position.step}"
            raise ModelError(
                f"{where}: the losses are no numbers any more ({', '.join(lost)}); lower the rate, "
                "or set longest_gradient"
            )

    def _check(self, phase: Phase, update: Update, steps: int) -> bool:
        """Measure and save what is due; return whether the phase gains no more."""
        position, ended = self.position, self.position.step >= steps
        measures, saves = self._due(phase, ended)
        if measures or saves:
            self.team.align(self.networks.generator)
        figures = self.team.told(self._measure(phase)) if measures else {}
        if measures or saves:
            self.curve.close_line(self._line(phase, steps), figures)
        stops = isinstance(phase, GanPhase) and measures and self._judge(phase, figures)
        if saves and not stops:
            self._save(update.state())
        if measures:
            self._measured = position.seconds
        return stops

    def _due(self, phase: Phase, ended: bool) -> tuple[bool, bool]:
        """Say whether to measure and whether to save now, alike on every worker."""
        if ended:
            return True, False
        step, now = self.position.step, self.position.seconds
        looks = step % LOOK_STEPS == 0
        if isinstance(phase, GanPhase):
            measures = step % phase.check_steps == 0
        else:
            pause = self.networks.recipe.validation.minutes * 60
            measures = looks and now - self._measured > pause
            measures |= step % self.loader.epoch_steps(phase) == 0
        if not (measures or looks):
            return False, False
        saves = now - self._saved > self.checkpoint_seconds
        told: tuple[bool, bool] = self.team.told((measures, saves))
        return told

    def _measure(self, phase: Phase) -> dict[str, float] | None:
        """Return the leading worker's figures, and leave a sample sheet."""
        if not self.team.leads:
            return None
        position = self.position
        name = f"{position.phase:03d}-{position.step:08d}"
        figures: dict[str, float] = {}
        if len(self.held_out):
            with self.networks.shown() as generator:
                figures = self.held_out.measure(generator, self.networks)
                self.record.put(
                    f"sheets/{name}.jpg", lambda file: self.held_out.sheet(generator, file)
                )
        if phase.keep_checks:
            key = f"candidates/{name}.safetensors"
            self.record.put(key, lambda file: export_network(self.networks, file))
        return figures

    def _judge(self, phase: GanPhase, figures: Mapping[str, float]) -> bool:
        """Remember the best weights so far; return whether patience has run out.

        Where nothing is held out there is no figure: the last weights count.
        """
        position, figure = self.position, figures.get(self.networks.recipe.validation.figure)
        if figure is None:
            return False
        if figure < position.best:
            position.best, position.checks_since = figure, 0
            self.best = {k: v.detach().clone() for k, v in self.networks.average.state.items()}
            return False
        position.checks_since += 1
        return 0 < phase.patience <= position.checks_since

    # --- what is written down ------------------------------------------------------------------

    def _save(self, update: dict[str, Any]) -> None:
        self._saved = self.position.seconds
        if self.team.leads:
            state = {"position": asdict(self.position), "update": update, "best": self.best}
            state |= self.networks.state()
            self.record.save(self.position.phase, self.position.step, state, self.curve)

    def _resume(self) -> dict[str, Any]:
        """Go to the newest checkpoint; return what its phase's update needs."""
        state = self.record.newest()
        if state is None:
            return {}
        self.networks.resume(state)
        self.position = Position(**state["position"])
        self.curve = Curve(state["curve"])
        self.best = state["best"]
        update: dict[str, Any] = state["update"]
        return update

    def _line(self, phase: Phase, steps: int) -> Line:
        position = self.position
        return {
            "phase": position.phase,
            "kind": phase.kind,
            "step": position.step,
            "steps": steps,
            "seconds": round(position.seconds, 1),
            "photographs": position.photographs,
        }

    def _tell(self, phase: Phase, steps: int) -> None:
        if self.team.leads and time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            line = self._line(phase, steps) | {"phases": len(self.phases), "size": phase.size}
            self.report(line | {"losses": self.curve.means()})
