"""Status: how far a job is, read from its plans and commits alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from photochrom.jobs import ledger
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.plan import open_shards, read_plans
from photochrom.jobs.store import Store

_ENOUGH = 20  # rows, before they say anything about speed
_LOW_CHROMA = "SELECT count(*) AS n FROM current WHERE low_chroma"
_PRINTS = """
SELECT print_digest, count(*) AS n, sum(output_bytes)::BIGINT AS bytes
FROM prints GROUP BY ALL ORDER BY 1
"""
_PACE = """
SELECT count(*) AS n, avg(cpu_seconds) AS cpu_seconds,
       date_part('epoch', max(finished_at) - min(started_at)) AS seconds
FROM ledger
WHERE plan = (SELECT max(plan) FROM ledger WHERE shard_key <> '') AND shard_key <> ''
"""


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of a place; `rate` is photographs a second of the latest plan, 0 if unknown.

    `low_chroma` of the colorized ones show next to no colour.
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
    plans = read_plans(store)
    left = open_shards(plans, ledger.committed(store))
    with questions(store) as tables:
        counts = tables.counts()
        low_chroma = tables.ask(_LOW_CHROMA)[0]["n"]
        pace = tables.ask(_PACE)[0]
        prints = tuple((row["print_digest"], row["n"], row["bytes"]) for row in tables.ask(_PRINTS))
    planned = len({row.row_id for plan in plans for row in plan.rows})
    return Status(
        counts=counts,
        low_chroma=low_chroma,
        planned=planned,
        committed=sum(counts.values()),
        plans=len(plans),
        shards_left=len(left),
        left=sum(len(shard.rows) for shard in left),
        rate=pace["n"] / pace["seconds"] if pace["n"] >= _ENOUGH and pace["seconds"] else 0.0,
        cpu_seconds_each=pace["cpu_seconds"] or 0.0,
        prints=prints,
    )
