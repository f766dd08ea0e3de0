"""Retry: a new plan that names rows again; what comes of it supersedes once it commits.

Failed rows, or those that were skipped because nobody could tell positive from negative: these are
done again only with a word that settles it, which the plan keeps beside whose it is. Rows that a
worker found restricted are asked for by that reason; it looks again whether they still are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from photochrom.colorize.errors import SettingsError
from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.planning.log import rows_where
from photochrom.jobs.planning.pace import known_pace
from photochrom.jobs.planning.plan import PLAN_ROWS, Plan, append_plan, open_shards, read_plans
from photochrom.jobs.planning.rows import Rows
from photochrom.jobs.reasons import Outcome, Reason
from photochrom.jobs.settings import Run
from photochrom.jobs.storage.store import Store

BY = "retry"


@dataclass(frozen=True, slots=True)
class Again:
    """Which rows to do again: failed ones, by reason or all; or, with a `tone`, those without one.

    `where` is an SQL condition on `current`. Raises SettingsError where no row could come of it.
    """

    reasons: tuple[str, ...] = ()
    tone: str = ""
    where: str = "TRUE"

    def __post_init__(self) -> None:
        unknown = set(self.reasons) - set(Reason)
        if unknown:
            raise SettingsError(f"--reason {unknown.pop()}: there are {', '.join(Reason)}")
        if self.tone not in ("", "positive", "negative"):
            raise SettingsError(f"--tone {self.tone}: there are positive, negative")
        if self.tone and set(self.reasons) - {Reason.TONE_UNKNOWN}:
            raise SettingsError(f"--tone goes with --reason {Reason.TONE_UNKNOWN} alone")
        if Reason.TONE_UNKNOWN in self.reasons and not self.tone:
            raise SettingsError(
                f"--reason {Reason.TONE_UNKNOWN}: say what these are, --tone positive or negative; "
                "or fill in the manifest's `tone` and run again"
            )

    @property
    def condition(self) -> str:
        """Which of the current rows to do again, in SQL."""
        if self.tone:
            asked = f"reason = '{Reason.TONE_UNKNOWN}'"
        else:
            reasons = ", ".join(f"'{reason}'" for reason in self.reasons)
            failed = f"outcome = '{Outcome.FAILED}'"
            asked = f"({failed} OR reason = '{Reason.RESTRICTED}')" if reasons else failed
            asked += f" AND reason IN ({reasons})" if reasons else ""
        return f"{asked} AND ({self.where})"


ALL_FAILED = Again()


def plan_retry(store: Store, run: Run, again: Again) -> list[Plan]:
    """Append a plan of the rows asked for; return the whole log.

    Rows that an uncommitted plan already retries are left to it, so asking twice retries once.
    """
    while True:
        plans = read_plans(store)
        rows = rows_again(store, plans, again)
        pace = known_pace(store, run)
        for first in range(0, len(rows), PLAN_ROWS):
            part = rows.take(np.arange(first, min(first + PLAN_ROWS, len(rows))))
            plan = append_plan(store, len(plans) + 1, "retry", part, run, len(part), pace)
            if plan is None:
                break
            plans.append(plan)
        else:
            return plans


def rows_again(store: Store, plans: list[Plan], again: Again) -> Rows:
    """Return the rows asked for that nobody is about to do again.

    An input whose source has a newer version in the log is left to it: a retry of the old one
    would come later and hide it.
    """
    wanted = asked_for(store, again)
    if not len(wanted):
        return Rows([])
    left = open_shards(plans, ledger.committed(store))
    under_way = pa.table({"shard_key": pa.array([shard.key for shard in left], pa.string())})
    rows = rows_where(
        plans,
        "row_key IN (SELECT row_key FROM wanted) "
        "AND shard_key NOT IN (SELECT shard_key FROM under_way)",
        wanted=wanted,
        under_way=under_way,
    )
    return rows.mapped(lambda table: _with_tone(table, again.tone)) if again.tone else rows


def _with_tone(rows: pa.Table, tone: str) -> pa.Table:
    for name, text in (("tone", tone), ("tone_by", BY)):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.repeat(text, len(rows)))
    return rows


def asked_for(store: Store, again: Again) -> pa.Table:
    """Return the inputs asked for: `row_id`, `row_key`."""
    with questions(store) as tables:
        return tables.table(f"SELECT row_id, row_key FROM current WHERE {again.condition}")
