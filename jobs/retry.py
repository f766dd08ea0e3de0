"""Retry: a new plan that names failed rows again; its rows supersede once they commit."""

from __future__ import annotations

from collections.abc import Collection

from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.plan import Plan, append_plan, open_shards, read_plans
from photochrom.jobs.records import PlanRow
from photochrom.jobs.settings import Run
from photochrom.jobs.store import Store

_FAILED = "SELECT row_id, row_key, reason FROM current WHERE outcome = 'failed'"


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
        failed = tables.ask(_FAILED)
    wanted = {row["row_key"] for row in failed if not reasons or row["reason"] in reasons}
    shards = open_shards(plans, ledger.committed(store))
    under_way = {row.row_key for shard in shards for row in shard.rows}
    newest = {row.row_id: row for plan in plans for row in plan.rows}
    return [row for row in newest.values() if row.row_key in wanted - under_way]


def failed_ids(store: Store, reasons: Collection[str]) -> set[str]:
    """Return the ids of the inputs that failed, all or for these reasons."""
    with questions(store) as tables:
        failed = tables.ask(_FAILED)
    return {row["row_id"] for row in failed if not reasons or row["reason"] in reasons}
