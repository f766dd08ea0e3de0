"""Meters: turn committed rows into the series that monitoring declares, in one place."""

from __future__ import annotations

from collections.abc import Iterable

from photochrom.jobs.messages import Committed
from photochrom.jobs.records import LedgerRow, PrintedRow
from photochrom.monitoring import Metrics


class Meters:
    """Counts what is true: rows once their commit stands, deaths and attempts as they happen."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def planned(self, rows: int, done: int) -> None:
        """Note how many rows there are, and how many are committed already."""
        self._metrics.set("photochrom_rows_planned", rows)
        self._metrics.set("photochrom_rows_done", done)
        self._done = done

    def committed(self, message: Committed) -> None:
        """Count a shard's rows and prints, if it was our commit that stands."""
        self._metrics.count("photochrom_shard_attempts_total", result="committed")
        if message.ours:
            self._metrics.count("photochrom_shards_committed_total")
            self.rows(message.rows)
            self._prints(message.printed)
        self._done += len(message.rows)
        self._metrics.set("photochrom_rows_done", self._done)

    def rows(self, rows: Iterable[LedgerRow]) -> None:
        """Count rows by outcome and reason, and what they cost."""
        for row in rows:
            self._metrics.count(
                "photochrom_photos_total", outcome=row.outcome, reason=row.reason or "none"
            )
            self._metrics.count("photochrom_source_bytes_total", row.source_bytes)
            self._metrics.count("photochrom_photo_cpu_seconds_total", row.cpu_seconds)
            self._metrics.count("photochrom_photo_gpu_seconds_total", row.gpu_seconds)
            seconds = (row.finished_at - row.started_at).total_seconds()
            self._metrics.observe("photochrom_photo_seconds", seconds)

    def _prints(self, rows: Iterable[PrintedRow]) -> None:
        for row in rows:
            self._metrics.count("photochrom_prints_total", format=row.output_format)
            self._metrics.count("photochrom_output_bytes_total", row.output_bytes)
            if row.luma_proof == "measured":
                self._metrics.observe("photochrom_luma_max_error", row.luma_max_error)

    def failed(self) -> None:
        """Count an attempt that raised."""
        self._metrics.count("photochrom_shard_attempts_total", result="failed")

    def died(self, cause: str) -> None:
        """Count a worker's death, by its kind."""
        self._metrics.count("photochrom_worker_deaths_total", cause=cause)
        self._metrics.count("photochrom_shard_attempts_total", result="died")

    def replicas(self, count: int) -> None:
        """Note how many replicas are ready."""
        self._metrics.set("photochrom_replicas", count)
