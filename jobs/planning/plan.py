"""The log of plans: which rows, which shard, what is skipped and why; no work before its plan.

`plan/000001.parquet`, `000002`, ... are each created once and hold only inputs that are not
planned as they are now, a manifest of millions in several plans. A driver that loses the race for a
number reads the winner's plan and plans again. Each file says in its metadata which shards it has,
so that the log is read without its rows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from photochrom.jobs.errors import JobError
from photochrom.jobs.identity import commit_name
from photochrom.jobs.messages import Shard
from photochrom.jobs.planning.log import superseded, unplanned
from photochrom.jobs.planning.pace import known_pace
from photochrom.jobs.planning.rows import PlanFile, PlannedRows, Rows
from photochrom.jobs.planning.shards import Cut, cut_shards, cuts_of
from photochrom.jobs.records import PlanRow, parquet_metadata, table_bytes
from photochrom.jobs.settings import Run
from photochrom.jobs.storage.copies import Copies
from photochrom.jobs.storage.store import Store

PLAN_ROWS = 500_000
GROUP_ROWS = 1 << 12  # read together, so that a shard is read without the rest of its plan


@dataclass(frozen=True, slots=True)
class Plan:
    """One entry of the log: its shards, and its rows as far as they are looked at.

    `again` of its `count` rows were in an earlier plan, `skips` come first and have no shard.
    """

    number: int
    kind: str
    created_at: str
    count: int
    skips: int
    again: int
    reckoned: float  # seconds of one replica, at the pace that was known
    cuts: tuple[Cut, ...]
    file: PlanFile = field(compare=False, repr=False)

    @property
    def rows(self) -> Sequence[PlanRow]:
        """All rows: what is skipped, then shard by shard."""
        return PlannedRows(self.file, 0, self.count)

    @property
    def skipped(self) -> Sequence[PlanRow]:
        """The rows that get their ledger row from the plan itself."""
        return PlannedRows(self.file, 0, self.skips)

    @property
    def shards(self) -> list[Shard]:
        """The shards to work on, in order."""
        return [self.shard(cut) for cut in self.cuts]

    def shard(self, cut: Cut, without: frozenset[int] = frozenset()) -> Shard:
        """Return one shard, less the rows at some positions in the plan."""
        inside = frozenset(p for p in without if cut.first <= p < cut.first + cut.rows)
        rows = PlannedRows(self.file, cut.first, cut.rows, inside)
        return Shard(cut.key, self.number, self.created_at, rows)


def plan_name(number: int) -> str:
    """Return the key of a plan."""
    return f"plan/{number:06d}.parquet"


def read_plans(store: Store) -> list[Plan]:
    """Read the log, oldest first; raises JobError if a plan is missing from it."""
    copies = Copies(store)
    plans = []
    for number, entry in enumerate(store.list("plan/"), 1):
        if entry.key != plan_name(number):
            raise JobError(f"{store.root}: the log of plans has {entry.key} as its number {number}")
        plans.append(_plan(number, parquet_metadata(store, entry), _file(copies, number)))
    return plans


def _file(copies: Copies, number: int) -> PlanFile:
    return PlanFile(partial(copies.path, plan_name(number)))


def _plan(number: int, found: pq.FileMetaData, file: PlanFile) -> Plan:
    metadata = {k.decode(): v.decode() for k, v in (found.metadata or {}).items()}
    said: dict[str, Any] | None = json.loads(metadata.get("log", "null"))
    facts = said or _facts_of_old(number, file, found.num_rows)
    return Plan(
        number=number,
        kind=metadata["kind"],
        created_at=metadata["created_at"],
        count=found.num_rows,
        skips=facts["skips"],
        again=facts["again"],
        reckoned=facts["reckoned"],
        cuts=tuple(Cut(*cut) for cut in facts["cuts"]),
        file=file,
    )


def _facts_of_old(number: int, file: PlanFile, count: int) -> dict[str, Any]:
    """Return what plans did not say of themselves at first; all their rows may supersede others."""
    table = file.table(0, count)
    skips = pc.sum(pc.not_equal(table["skip"], "")).as_py() or 0
    return _facts(table, skips, count if number > 1 else 0, 0.0)


def _facts(table: pa.Table, skips: int, again: int, reckoned: float) -> dict[str, Any]:
    cuts = [cut.fields for cut in cuts_of(table)]
    return {"skips": skips, "again": again, "reckoned": reckoned, "cuts": cuts}


def append_plan(
    store: Store, number: int, kind: str, rows: pa.Table, run: Run, again: int, pace: float | None
) -> Plan | None:
    """Cut rows into shards and append them as a plan; None if somebody else has that number.

    `number` must follow the log that the rows were chosen by, not one that has grown since.
    """
    table = cut_shards(rows, number, run, pace)
    skips = int(pc.sum(pc.not_equal(table["skip"], "")).as_py() or 0)
    facts = _facts(table, skips, again, 0.0)
    facts["reckoned"] = round(sum(cut[-1] for cut in facts["cuts"]) * (pace or 1.0), 1)
    metadata = {
        "kind": kind,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "nonce": uuid4().hex,
        "log": json.dumps(facts, separators=(",", ":")),
    }
    data = table_bytes(table, metadata, GROUP_ROWS)
    if not store.put_if_absent(plan_name(number), data):
        return None
    return _plan(number, pq.read_metadata(io.BytesIO(data)), _file(Copies(store), number))


def extend(
    store: Store,
    run: Run,
    rows: Rows,
    sample: int | None = None,
    begin: Callable[[], object] = lambda: None,
) -> list[Plan]:
    """Plan the rows that no plan holds yet, and return the whole log.

    `sample` plans only so many in all, spread evenly; a later run without it plans the rest.
    `begin` is called before anything is written.
    """
    while True:
        plans = read_plans(store)
        new = unplanned(rows, plans)
        if sample is not None:
            new = new.spread(sample - sum(plan.count for plan in plans))
        if not len(new):
            return plans
        begin()
        pace = known_pace(store, run)
        for part in new.parts(PLAN_ROWS):
            number, again = len(plans) + 1, int(part.again.sum())
            table = rows.take(part.positions)
            if (plan := append_plan(store, number, "grow", table, run, again, pace)) is None:
                break
            plans.append(plan)
        else:
            return plans


def open_shards(plans: Sequence[Plan], standing: Collection[str]) -> list[Shard]:
    """Return the shards without a commit, less the rows that a later plan has taken over.

    The largest come first, so that none is left for one replica at the end.
    """
    left = [
        (cut, plan) for plan in plans for cut in plan.cuts if commit_name(cut.key) not in standing
    ]
    left.sort(key=lambda one: -one[0].seconds)
    gone = superseded(plans, sorted({plan.number for _, plan in left}))
    shards = (plan.shard(cut, gone.get(plan.number, frozenset())) for cut, plan in left)
    return [shard for shard in shards if len(shard.rows)]
