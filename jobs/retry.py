"""Retry: a new plan that names rows again; what comes of it supersedes once it commits.

Failed rows, or those that were skipped because nobody could tell positive from negative: these are
done again only with a word that settles it, which the plan keeps beside whose it is. Rows that a
worker found restricted are asked for by that reason; it looks again whether they still are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from photochrom.colorize.errors import SettingsError
from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.plan import Plan, append_plan, open_shards, read_plans
from photochrom.jobs.reasons import Outcome, Reason
from photochrom.jobs.records import PlanRow
from photochrom.jobs.settings import Run
from photochrom.jobs.store import Store

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

    def picks(self, row: Mapping[str, str]) -> bool:
        """Say whether a current row is to be done again."""
        if self.tone:
            return row["reason"] == Reason.TONE_UNKNOWN
        if row["reason"] == Reason.RESTRICTED:
            return Reason.RESTRICTED in self.reasons
        failed = row["outcome"] == Outcome.FAILED
        return failed and (not self.reasons or row["reason"] in self.reasons)


ALL_FAILED = Again()


def plan_retry(store: Store, run: Run, again: Again) -> list[Plan]:
    """Append a plan of the rows asked for; return the whole log.

    Rows that an uncommitted plan already retries are left to it, so asking twice retries once.
    """
    while True:
        plans = read_plans(store)
        rows = rows_again(store, plans, again)
        if not rows:
            return plans
        if plan := append_plan(store, len(plans) + 1, "retry", rows, run):
            return [*plans, plan]


def rows_again(store: Store, plans: list[Plan], again: Again) -> list[PlanRow]:
    """Return the rows asked for that nobody is about to do again.

    An input whose source has a newer version in the log is left to it: a retry of the old one
    would come later and hide it.
    """
    wanted = asked_for(store, again).keys()
    shards = open_shards(plans, ledger.committed(store))
    under_way = {row.row_key for shard in shards for row in shard.rows}
    newest = {row.row_id: row for plan in plans for row in plan.rows}
    rows = [row for row in newest.values() if row.row_key in wanted - under_way]
    return [replace(row, tone=again.tone, tone_by=BY) for row in rows] if again.tone else rows


def asked_for(store: Store, again: Again) -> dict[str, str]:
    """Return the inputs asked for, by row key, their ids."""
    with questions(store) as tables:
        rows = tables.ask(
            f"SELECT row_id, row_key, outcome, reason FROM current WHERE ({again.where})"
        )
    return {row["row_key"]: row["row_id"] for row in rows if again.picks(row)}
