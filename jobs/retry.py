"""Retry: a new plan that names failed rows again; its rows supersede once they commit."""

from __future__ import annotations

from collections.abc import Collection

from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.plan import Plan, append_plan, read_plans
from photochrom.jobs.reasons import Outcome
from photochrom.jobs.records import PlanRow
from photochrom.jobs.settings import Run
from photochrom.jobs.store import Store


def plan_retry(store: Store, run: Run, reasons: Collection[str] = ()) -> list[Plan]:
    """Append a plan of the failed rows, all or those with these reasons; return the whole log.

    Rows that an uncommitted plan already retries are left to it, so asking twice retries once.
    """
    while True:
        plans = read_plans(store)
        rows = failed_rows(store, plans, reasons)
        if not rows:
            return plans
        if plan := append_plan(store, len(plans) + 1, "retry", rows, run):
            return [*plans, plan]


def failed_rows(store: Store, plans: list[Plan], reasons: Collection[str]) -> list[PlanRow]:
    """Return the current failed rows that nobody is about to do again.

    An input whose source has a newer version in the log is left to it: a retry of the old one
    would come later and hide it.
    """
    with questions(store) as tables:
        failed = tables.ask(
            "SELECT row_key, reason FROM current WHERE outcome = ?", Outcome.FAILED.value
        )
    wanted = {row["row_key"] for row in failed if not reasons or row["reason"] in reasons}
    standing = ledger.committed(store)
    under_way = {
        row.row_key
        for plan in plans
        for shard in plan.shards
        if ledger.commit_name(shard.key) not in standing
        for row in shard.rows
    }
    newest = {row.row_id: row for plan in plans for row in plan.rows}
    return [row for row in newest.values() if row.row_key in wanted - under_way]
