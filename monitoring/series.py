"""Every series that Photochrom exports, declared once.

Dashboards, alerts and both back ends take names, labels and help texts from here. All of them are
counted by the driver from committed rows and pool events, so none carries a worker's name and a
dead worker takes no count with it.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Series:
    """One family of time series; `buckets` are a histogram's upper bounds, ascending."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


PHOTOS = Series(
    "photochrom_photos_total",
    "counter",
    "Photos with a committed ledger row, by outcome (colorized, skipped, failed) and reason.",
    labels=("outcome", "reason"),
)
LOW_CHROMA = Series(
    "photochrom_low_chroma_total",
    "counter",
    "Photos with a committed row that are colorized, but with next to no colour.",
)
PRINTS = Series(
    "photochrom_prints_total", "counter", "Prints with a committed row.", labels=("format",)
)
SOURCE_BYTES = Series(
    "photochrom_source_bytes_total", "counter", "Bytes of source photographs that were read."
)
OUTPUT_BYTES = Series("photochrom_output_bytes_total", "counter", "Bytes of committed prints.")
PHOTO_CPU_SECONDS = Series(
    "photochrom_photo_cpu_seconds_total", "counter", "CPU time spent on photos that have a row."
)
PHOTO_GPU_SECONDS = Series(
    "photochrom_photo_gpu_seconds_total", "counter", "GPU time spent on photos that have a row."
)
GENERATOR_SECONDS = Series(
    "photochrom_generator_seconds_total",
    "counter",
    "Time of the workers' generators between commits, by state: busy painting, or idle.",
    labels=("state",),
)
PHOTO_SECONDS = Series(
    "photochrom_photo_seconds",
    "histogram",
    "Wall time from the first read of a photo to its last write.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300),
)
LUMA_MAX_ERROR = Series(
    "photochrom_luma_max_error",
    "histogram",
    "Largest luma error of each lossy print, in 8-bit code values; lossless prints have none.",
    buckets=(1, 2, 3, 4, 6, 8, 12, 16, 32),
)
SHARDS_COMMITTED = Series(
    "photochrom_shards_committed_total", "counter", "Shards committed while this driver ran."
)
SHARD_ATTEMPTS = Series(
    "photochrom_shard_attempts_total",
    "counter",
    "Attempts at a shard that have ended, by result (committed, lost, failed, died).",
    labels=("result",),
)
WORKER_DEATHS = Series(
    "photochrom_worker_deaths_total",
    "counter",
    "Workers given up, by cause (start, crash, memory, device, silent, failing, ...).",
    labels=("cause",),
)
STORAGE_ERRORS = Series(
    "photochrom_storage_errors_total",
    "counter",
    "Attempts that ended because the storage failed, by kind of error.",
    labels=("kind",),
)
STORAGE_AWAY = Series(
    "photochrom_storage_away", "gauge", "Whether work waits, as the storage is away: 1 or 0."
)
REPLICAS = Series("photochrom_replicas", "gauge", "Workers that are ready or at work.")
ROWS_PLANNED = Series("photochrom_rows_planned", "gauge", "Rows in all plans of the job.")
ROWS_DONE = Series("photochrom_rows_done", "gauge", "Planned rows that have a committed row.")

SERIES = (
    PHOTOS,
    LOW_CHROMA,
    PRINTS,
    SOURCE_BYTES,
    OUTPUT_BYTES,
    PHOTO_CPU_SECONDS,
    PHOTO_GPU_SECONDS,
    GENERATOR_SECONDS,
    PHOTO_SECONDS,
    LUMA_MAX_ERROR,
    SHARDS_COMMITTED,
    SHARD_ATTEMPTS,
    WORKER_DEATHS,
    STORAGE_ERRORS,
    STORAGE_AWAY,
    REPLICAS,
    ROWS_PLANNED,
    ROWS_DONE,
)
