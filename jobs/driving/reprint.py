"""Reprint: further prints of a place's plates, without the generator: CPUs alone.

Shards are the ledger's. A shard's new prints are filed under the new recipe's digest when all are
stored; the same command again makes only those that are missing. It may run beside the job itself,
and follow it: only committed rows are printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from itertools import groupby
from operator import itemgetter

from pydantic import ValidationError

from photochrom.cluster.contract import Pool
from photochrom.colorize.errors import SettingsError
from photochrom.colorize.picture import PrintRecipe
from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.driving.breaker import by_chance
from photochrom.jobs.driving.meters import Meters
from photochrom.jobs.driving.presses import OpenPresses
from photochrom.jobs.driving.queue import Queue
from photochrom.jobs.driving.shift import Reporter, Shift, Standing
from photochrom.jobs.driving.watch import Watch
from photochrom.jobs.errors import JobError, Unfinished
from photochrom.jobs.messages import Filed, NotPrinted, Shard
from photochrom.jobs.pinned import Pinned, check_pixels
from photochrom.jobs.planning.plan import open_shards, read_plans
from photochrom.jobs.planning.restrictions import restrictions_of
from photochrom.jobs.records import PlanRow
from photochrom.jobs.settings import print_digest
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.press import PrintOrders

ROUND_ROWS = 100_000  # so that a place of any size is printed in bounded memory
_FOLLOW_SECONDS = 15.0
_MISSING = """
SELECT plan, row_id, row_key, source_uri, source_version, source_bytes, 0 AS shard, shard_key,
       '' AS skip, tone, collection, rights, restriction
FROM current
WHERE ai_colorized AND ({where})
  AND row_key NOT IN (SELECT row_key FROM prints WHERE print_digest = ?)
  AND row_key NOT IN (SELECT unnest(?::VARCHAR[]))
ORDER BY plan, shard_key, row_id LIMIT ?
"""


class Reprint:
    """Prints of one recipe for the current colorized rows that lack one."""

    def __init__(
        self,
        store: Store,
        pinned: Pinned,
        recipe: PrintRecipe,
        open_presses: OpenPresses,
        reporter: Reporter,
        meters: Meters,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if recipe.format == "none":
            raise JobError("there is nothing to print: choose a format")
        check_pixels(pinned)
        signed = pinned.job.marks.signer() is not None
        self._recipe = recipe.model_copy(update={"c2pa": signed})
        self._store, self._pinned = store, pinned
        self._open_presses, self._reporter, self._meters = open_presses, reporter, meters
        self._sleep = sleep
        restrictions = restrictions_of(pinned.job, store)
        self._watch = Watch.over(pinned.job, store, restrictions, reporter.note, meters)
        self.made = 0
        self.failures: list[NotPrinted] = []

    def run(self, where: str = "TRUE", *, follow: bool = False) -> None:
        """Print what is missing; `where` is an SQL condition on `current`.

        To `follow` is to go on until the job has nothing left to commit. What could not be printed
        is in `failures`, never hidden. Raises Unfinished.
        """
        shift = Shift(self._watch, self._reporter, self._meters, self._took)
        with ExitStack() as stack:
            pool: Pool | None = None
            while True:
                shards, last = self._watch.through(lambda: self._look(where, follow), self._sleep)
                if shards:
                    pool = pool or self._watch.through(lambda: stack.enter_context(self._opened()))
                    self._round(shards, shift, pool)
                elif last:
                    return
                else:
                    if pool:
                        pool.aim(0)
                    self._sleep(_FOLLOW_SECONDS)

    def _look(self, where: str, follow: bool) -> tuple[list[Shard], bool]:
        """Return what to print next, and whether nothing will follow."""
        last = not follow or self._job_is_done()  # seen first: what comes later is missing
        return self._missing(where), last

    def _missing(self, where: str) -> list[Shard]:
        """Return what to print next, by shard."""
        failed = [failure.row_key for failure in self.failures]
        with questions(self._store) as tables:
            digest = print_digest(self._recipe)
            rows = tables.ask(_MISSING.format(where=where), digest, failed, ROUND_ROWS)
        ordered_at = {plan.number: plan.created_at for plan in read_plans(self._store)}
        shards = []
        for (plan, key), group in groupby(rows, itemgetter("plan", "shard_key")):
            picked = tuple(
                PlanRow(**{k: v for k, v in row.items() if k != "plan"}) for row in group
            )
            shards.append(Shard(key, plan, ordered_at[plan], picked))
        return shards

    def _job_is_done(self) -> bool:
        plans = read_plans(self._store)
        return bool(plans) and not open_shards(plans, ledger.committed(self._store))

    def _opened(self) -> AbstractContextManager[Pool]:
        ledger.file_recipe(self._store, self._recipe)
        return self._open_presses(PrintOrders(self._pinned, self._recipe, threads=1))

    def _round(self, shards: list[Shard], shift: Shift, pool: Pool) -> None:
        """Keep the presses busy until these shards are printed; raises Unfinished."""
        queue = Queue(shards, self._pinned.job.run.attempts, stretch=by_chance)
        self._reporter.begin(queue.rows_left, 0)
        try:
            shift.work(queue, pool)
        finally:
            self._reporter.end()
        if queue.given_up:
            *_, last = queue.given_up.values()
            raise Unfinished(
                f"{len(queue.given_up)} shards could not be printed; the last error: {last}. "
                "Mend it and run the same command again"
            )

    def _took(self, standing: Standing) -> None:
        """Take note of prints that are filed."""
        assert isinstance(standing, Filed)
        self.made += len(standing.printed)
        self.failures += standing.not_printed
        self._meters.filed(standing)


def print_recipe(**asked: str | int | None) -> PrintRecipe:
    """Check the fields of a recipe that were asked for, not None; raises SettingsError."""
    try:
        return PrintRecipe.model_validate({k: v for k, v in asked.items() if v is not None})
    except ValidationError as error:
        fault = error.errors()[0]
        raise SettingsError(f"--{str(fault['loc'][0]).replace('_', '-')}: {fault['msg']}") from None
