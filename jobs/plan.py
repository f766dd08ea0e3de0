"""The log of plans: which rows, which shard, what is skipped and why; no work before its plan.

`plan/000001.parquet`, `000002`, ... are each created once and hold only inputs that are not
planned as they are now. A driver that loses the race for a number reads the winner's plan and
plans again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from photochrom.jobs.errors import JobError, StorageError
from photochrom.jobs.identity import commit_name, row_key, shard_key
from photochrom.jobs.manifest import ManifestRow
from photochrom.jobs.queue import Shard
from photochrom.jobs.reasons import Reason
from photochrom.jobs.records import PlanRow, from_parquet, to_parquet
from photochrom.jobs.settings import Run
from photochrom.jobs.storage_access import Access
from photochrom.jobs.store import Store, split_uri

_ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_FEW_SHARDS = 16  # small jobs are cut finer, so that several replicas share them
_LEAST_ROWS = 4
_STAT_THREADS = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """One entry of the log."""

    number: int
    kind: str
    created_at: str
    rows: tuple[PlanRow, ...]

    @property
    def shards(self) -> list[Shard]:
        """The shards to work on, in order."""
        by_key: dict[str, list[PlanRow]] = {}
        for row in self.rows:
            if not row.skip:
                by_key.setdefault(row.shard_key, []).append(row)
        return [
            Shard(key, self.number, self.created_at, tuple(rows)) for key, rows in by_key.items()
        ]

    @property
    def skipped(self) -> list[PlanRow]:
        """The rows that get their ledger row from the plan itself."""
        return [row for row in self.rows if row.skip]


def plan_name(number: int) -> str:
    """Return the key of a plan."""
    return f"plan/{number:06d}.parquet"


def read_plans(store: Store) -> list[Plan]:
    """Read the log, oldest first; raises JobError if a plan is missing from it."""
    plans = []
    for index, entry in enumerate(store.list("plan/"), 1):
        if entry.key != plan_name(index):
            raise JobError(f"{store.root}: the log of plans has {entry.key} as its number {index}")
        rows, metadata = from_parquet(PlanRow, store.read(entry.key))
        plans.append(Plan(index, metadata["kind"], metadata["created_at"], tuple(rows)))
    return plans


def append_plan(
    store: Store, number: int, kind: str, rows: Sequence[PlanRow], run: Run
) -> Plan | None:
    """Cut rows into shards and append them as a plan; None if somebody else has that number.

    `number` must follow the log that the rows were chosen by, not one that has grown since.
    """
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    cut = cut_shards(rows, number, run)
    metadata = {"kind": kind, "created_at": created_at, "nonce": uuid4().hex}
    if not store.put_if_absent(plan_name(number), to_parquet(PlanRow, cut, metadata)):
        return None
    return Plan(number, kind, created_at, tuple(cut))


def extend(
    store: Store, run: Run, rows: Sequence[PlanRow], sample: int | None = None
) -> list[Plan]:
    """Plan the rows that no plan holds yet, and return the whole log.

    `sample` plans only so many in all, spread evenly; a later run without it plans the rest.
    """
    while True:
        plans = read_plans(store)
        new = unplanned(rows, plans)
        if sample is not None:
            new = spread(new, sample - sum(len(plan.rows) for plan in plans))
        if not new:
            return plans
        if plan := append_plan(store, len(plans) + 1, "grow", new, run):
            return [*plans, plan]


def spread(rows: Sequence[PlanRow], count: int) -> list[PlanRow]:
    """Return `count` of the rows, at even distances."""
    count = max(0, min(count, len(rows)))
    return [rows[n * len(rows) // count] for n in range(count)]


def unplanned(rows: Iterable[PlanRow], plans: Iterable[Plan]) -> list[PlanRow]:
    """Return the rows that the log does not hold as they are now.

    The latest plan of an input counts, so a source that returns to an old version is new again. One
    whose version nobody can tell at present is taken to be what it was.
    """
    latest = {row.row_id: row for plan in plans for row in plan.rows}
    return [row for row in rows if _is_new(row, latest.get(row.row_id))]


def _is_new(row: PlanRow, planned: PlanRow | None) -> bool:
    """Say whether an input must be planned: unknown, changed, or to be treated differently."""
    if planned is None:
        return True
    orders = [(one.source_uri, _tone(one), one.restriction, one.skip) for one in (row, planned)]
    if orders[0] != orders[1]:
        return True
    return bool(row.source_version) and row.source_version != planned.source_version


def _tone(row: PlanRow) -> str:
    """Return what the manifest said of a row's tone, whatever a retry said since."""
    return "" if row.tone_by else row.tone


def open_shards(plans: Iterable[Plan], standing: Collection[str]) -> list[Shard]:
    """Return the shards without a commit, less the rows that a later plan has taken over."""
    plans = list(plans)
    latest = {row.row_id: plan.number for plan in plans for row in plan.rows}
    left = []
    for plan in plans:
        for shard in plan.shards:
            rows = tuple(row for row in shard.rows if latest[row.row_id] == plan.number)
            if rows and commit_name(shard.key) not in standing:
                left.append(replace(shard, rows=rows))
    return left


def cut_shards(rows: Sequence[PlanRow], plan: int, run: Run) -> list[PlanRow]:
    """Give each row its shard, by bytes and by count, in the rows' order."""
    work = [row for row in rows if not row.skip]
    most = min(run.shard_rows, max(_LEAST_ROWS, -(-len(work) // _FEW_SHARDS)))
    shards: list[list[PlanRow]] = []
    size = 0
    for row in work:
        if not shards or len(shards[-1]) >= most or size + row.source_bytes > run.shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(row)
        size += row.source_bytes
    cut = [replace(row, shard=-1, shard_key="") for row in rows if row.skip]
    for ordinal, shard in enumerate(shards):
        key = shard_key(plan, ordinal, [row.row_key for row in shard])
        cut += [replace(row, shard=ordinal, shard_key=key) for row in shard]
    return cut


def planned_rows(rows: Sequence[ManifestRow], source: Access) -> list[PlanRow]:
    """Turn manifest rows into rows of a plan, asking the storage for sizes the manifest lacks."""
    stores: dict[str, Store] = {}

    def measured(row: ManifestRow) -> ManifestRow:
        if row.bytes >= 0:
            return row
        root, key = split_uri(row.uri)
        store = stores.setdefault(root, Store(root, source))
        try:
            entry = store.stat(key)
        except StorageError as error:
            if error.retriable:
                raise
            return replace(row, bytes=0)  # the worker will say what is wrong with it
        version = row.version or entry.version
        storage_class = row.storage_class or entry.storage_class
        return replace(row, bytes=entry.size, version=version, storage_class=storage_class)

    with ThreadPoolExecutor(_STAT_THREADS) as threads:
        return [_plan_row(row) for row in threads.map(measured, rows)]


def _plan_row(row: ManifestRow) -> PlanRow:
    return PlanRow(
        row_id=row.row_id,
        row_key=row_key(row.row_id, row.uri, row.version),
        source_uri=row.uri,
        source_version=row.version,
        source_bytes=row.bytes,
        shard=-1,
        shard_key="",
        skip=_skip(row),
        tone=row.tone,
        collection=row.collection,
        rights=row.rights,
        restriction=row.restriction,
    )


def _skip(row: ManifestRow) -> str:
    if row.restriction:
        return Reason.RESTRICTED
    return Reason.ARCHIVED_STORAGE if row.storage_class in _ARCHIVED else ""
