"""Status: how far a job is, read from its plans and commits alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from photochrom.jobs.audit.questions import Questions, questions
from photochrom.jobs.planning.pace import Pace, measured, newest, shard_commits
from photochrom.jobs.planning.plan import Plan, open_shards
from photochrom.jobs.storage.store import Store

_LOW_CHROMA = "SELECT count(*) AS n FROM current WHERE low_chroma"
_FILED = """
SELECT print_digest, count(*) AS n, sum(output_bytes)::BIGINT AS bytes
FROM printed GROUP BY ALL ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of a place; `rate` is photographs a second lately, 0 if unknown.

    `low_chroma` of the colorized ones show next to no colour. `reckoned` is what the plans said one
    replica would take, in seconds; `took` is how much of that it took, of what is committed.
    """

    counts: dict[tuple[str, str], int]
    low_chroma: int
    planned: int
    committed: int
    plans: int
    shards_left: int
    left: int
    rate: float
    cpu_seconds_each: float
    prints: tuple[tuple[str, int, int], ...]
    reckoned: float
    took: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, the counts as a list."""
        fields = asdict(self)
        fields["counts"] = [
            {"outcome": outcome, "reason": reason, "rows": n}
            for (outcome, reason), n in self.counts.items()
        ]
        return fields


def status_of(store: Store) -> Status:
    """Read a place's status."""
    with questions(store) as tables, ThreadPoolExecutor(1) as beside:
        printed = beside.submit(tables.entries, "printed")  # in S3 a listing takes its time
        standing, plans = tables.entries("ledger"), tables.plans
        counts = tables.counts()
        low_chroma = tables.ask(_LOW_CHROMA)[0]["n"]
        printed.result()
        prints = _prints(tables)
    left = open_shards(plans, {entry.key for entry in standing})
    commits = shard_commits(standing)
    lately = measured(store, newest(commits))
    return Status(
        counts=counts,
        low_chroma=low_chroma,
        planned=sum(plan.count - plan.again for plan in plans),
        committed=sum(counts.values()),
        plans=len(plans),
        shards_left=len(left),
        left=sum(len(shard.rows) for shard in left),
        rate=lately.rate if lately else 0.0,
        cpu_seconds_each=lately.cpu_seconds if lately else 0.0,
        prints=prints,
        reckoned=sum(plan.reckoned for plan in plans),
        took=_took(measured(store, commits, _paces(plans))),
    )


def _took(found: Pace | None) -> float | None:
    return found.factor if found else None


def _paces(plans: Sequence[Plan]) -> dict[int, float]:
    """Return the pace that each plan was reckoned at."""
    seconds = {plan.number: sum(cut.seconds for cut in plan.cuts) for plan in plans}
    return {plan.number: plan.reckoned / (seconds[plan.number] or 1.0) for plan in plans}


def _prints(tables: Questions) -> tuple[tuple[str, int, int], ...]:
    return tuple((row["print_digest"], row["n"], row["bytes"]) for row in tables.ask(_FILED))
