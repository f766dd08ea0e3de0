"""Meters: turn committed rows into the series that monitoring declares, in one place."""

from __future__ import annotations

from collections.abc import Iterable

from photochrom.jobs import errors
from photochrom.jobs.messages import Committed, Filed
from photochrom.jobs.records import LedgerRow, PrintedRow
from photochrom.monitoring import Metrics, series


class Meters:
    """Counts what is true: rows once their commit stands, deaths and attempts as they happen."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._done = 0

    def planned(self, rows: int, done: int) -> None:
        """Note how many rows there are, and how many are committed already."""
        self._metrics.set(series.ROWS_PLANNED, rows)
        self._metrics.set(series.ROWS_DONE, done)
        self._done = done

    def committed(self, message: Committed) -> None:
        """Count a shard's rows and prints, if it was our commit that stands."""
        result = "committed" if message.ours else "lost"
        self._metrics.count(series.SHARD_ATTEMPTS, result=result)
        self._metrics.count(series.GENERATOR_SECONDS, message.lap.busy, state="busy")
        self._metrics.count(series.GENERATOR_SECONDS, message.lap.idle, state="idle")
        if message.ours:
            self._metrics.count(series.SHARDS_COMMITTED)
            self.rows(message.rows)
            self._prints(message.printed)
        self._done += len(message.rows)
        self._metrics.set(series.ROWS_DONE, self._done)

    def filed(self, message: Filed) -> None:
        """Count the prints that were made of a shard's plates."""
        self._metrics.count(series.SHARD_ATTEMPTS, result="committed")
        self._prints(message.printed)

    def rows(self, rows: Iterable[LedgerRow]) -> None:
        """Count rows by outcome and reason, and what they cost."""
        for row in rows:
            self._metrics.count(series.PHOTOS, outcome=row.outcome, reason=row.reason or "none")
            self._metrics.count(series.SOURCE_BYTES, row.source_bytes)
            self._metrics.count(series.PHOTO_CPU_SECONDS, row.cpu_seconds)
            self._metrics.count(series.PHOTO_GPU_SECONDS, row.gpu_seconds)
            seconds = (row.finished_at - row.started_at).total_seconds()
            self._metrics.observe(series.PHOTO_SECONDS, seconds)
            if row.low_chroma:
                self._metrics.count(series.LOW_CHROMA)

    def _prints(self, rows: Iterable[PrintedRow]) -> None:
        for row in rows:
            self._metrics.count(series.PRINTS, format=row.output_format)
            self._metrics.count(series.OUTPUT_BYTES, row.output_bytes)
            if row.luma_proof == "measured":
                self._metrics.observe(series.LUMA_MAX_ERROR, row.luma_max_error)

    def failed(self, kind: str) -> None:
        """Count an attempt that raised, and whether it was the storage's doing."""
        self._metrics.count(series.SHARD_ATTEMPTS, result="failed")
        if issubclass(getattr(errors, kind, object), errors.StorageError):
            self._metrics.count(series.STORAGE_ERRORS, kind=kind)

    def died(self, cause: str) -> None:
        """Count a worker's death, by its kind."""
        self._metrics.count(series.WORKER_DEATHS, cause=cause)
        self._metrics.count(series.SHARD_ATTEMPTS, result="died")

    def storage(self, away: bool) -> None:
        """Note whether work waits for the storage."""
        self._metrics.set(series.STORAGE_AWAY, float(away))

    def replicas(self, count: int) -> None:
        """Note how many replicas are ready."""
        self._metrics.set(series.REPLICAS, count)
