"""An order: what a job is to be planned by, read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from photochrom.jobs.pinned import Pinned, pinned_of
from photochrom.jobs.planning.inputs import planned_rows
from photochrom.jobs.planning.manifest import manifest_batches
from photochrom.jobs.planning.restrictions import Restrictions, restrictions_of
from photochrom.jobs.planning.rows import Rows
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.store import Store


@dataclass(frozen=True, slots=True)
class Order:
    """A job with its place opened, its recipe resolved and its manifest read."""

    job: Job
    store: Store
    pinned: Pinned
    restrictions: Restrictions
    rows: Rows
    left_out: Mapping[str, int]

    @classmethod
    def of(cls, job: Job) -> Order:
        """Read everything that a plan needs; writes nothing."""
        store = Store(job.output, job.storage.output)
        restrictions = restrictions_of(job, store)
        restrictions.refresh()
        left_out = Counter[str]()
        batches = manifest_batches(job, left_out)
        rows = planned_rows(batches, job.storage.source, restrictions.applied_to)
        return cls(
            job=job,
            store=store,
            pinned=pinned_of(job),
            restrictions=restrictions,
            rows=rows,
            left_out=dict(left_out),  # counted while the rows were read
        )
