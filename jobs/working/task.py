"""One photo's way through a worker, and the two rows that come of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from photochrom.colorize.picture import Photo, Plate, ToneTable
from photochrom.colorize.picture.marking.marks import DIGITAL_SOURCE_TYPE
from photochrom.jobs.messages import Finished
from photochrom.jobs.pinned import Pinned, code_version
from photochrom.jobs.reasons import Outcome, Reason
from photochrom.jobs.records import LedgerRow, PlanRow, PrintedRow
from photochrom.jobs.storage.store import Fetched

_ERROR_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and under whose orders a photo is worked on; the same for a whole shard."""

    pinned: Pinned
    plan: int
    shard_key: str
    attempt: int
    operator: str
    worker: str
    device: str


@dataclass(eq=False)
class Task:
    """What is known of one photo so far; it ends with an outcome."""

    row: PlanRow
    bench: Bench
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    held_bytes: int = 0
    photo: Photo | None = None
    tone: ToneTable | None = None
    plate: Plate | None = None
    printed: PrintedRow | None = None
    photo_facts: dict[str, Any] = field(init=False)
    plate_facts: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    reason: str = ""
    error: str = ""
    restriction: str = ""

    def __post_init__(self) -> None:
        self.photo_facts = {
            "source_version": self.row.source_version,
            "source_bytes": self.row.source_bytes,
        }

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count this thread's CPU time for the photo."""
        start = time.thread_time()
        try:
            yield
        finally:
            self.cpu_seconds += time.thread_time() - start

    def spent(self, cpu_seconds: float) -> None:
        """Count CPU time that another process took for the photo."""
        self.cpu_seconds += cpu_seconds

    @property
    def over(self) -> bool:
        """Whether the photo has its outcome."""
        return self.outcome is not None

    def skip(self, reason: Reason) -> None:
        """End: nothing was done, for a good reason."""
        self.outcome, self.reason = Outcome.SKIPPED, reason

    def restrict(self, why: str) -> None:
        """End: it must not be processed, as was found while it was; no print of it counts."""
        self.skip(Reason.RESTRICTED)
        self.restriction, self.printed = why, None

    def fail(self, reason: Reason, error: str) -> None:
        """End: it could not be done; no print of it counts."""
        self.outcome, self.reason = Outcome.FAILED, reason
        self.error = " ".join(error.split())[:_ERROR_LENGTH]
        self.printed = None

    def colorized(self) -> None:
        """End: plate and print are stored."""
        self.outcome = Outcome.COLORIZED

    def fetched(self, fetched: Fetched) -> None:
        """Note which bytes were read, which may be others than were planned."""
        self.photo_facts |= {
            "source_sha256": fetched.sha256,
            "source_version": fetched.version,
            "source_bytes": fetched.size,
        }

    def opened(self, photo: Photo, tone: ToneTable) -> None:
        """Keep the decoded photo, and note what it is."""
        self.photo, self.tone = photo, tone
        self.photo_facts |= {
            "source_luma_sha256": photo.luma_sha256,
            "source_format": photo.header.format,
            "decoder": photo.header.decoder,
            "source_note": photo.note,
            "width": photo.width,
            "height": photo.height,
            "bits": photo.bits,
            "tone": tone.kind,
            "tone_evidence": tone.evidence,
        }

    def painted(self, photo: Photo, plate: Plate) -> None:
        """Note what the plate is, and how colourful on its grey square."""
        square = photo.square(plate.painter.render_size, plate.tone)
        self.plate_facts |= {
            "plate_sha256": plate.sha256,
            "tone_table_sha256": plate.tone.sha256,
            "chroma_mean": plate.chroma_mean,
            "colourfulness": plate.colourfulness(square),
            "low_chroma": plate.low_chroma,
            "confidence": plate.confidence,
            "render_size": plate.painter.render_size,
            "fallback": plate.fallback,
        }

    def stored(self, plate_uri: str, tone_table_uri: str | None) -> None:
        """Note where the plate and its tone table lie."""
        self.plate_facts |= {"plate_uri": plate_uri, "tone_table_uri": tone_table_uri}

    def let_go(self) -> None:
        """Forget the pixels; the facts stay."""
        self.photo = self.tone = self.plate = None

    @cached_property
    def ledger_row(self) -> LedgerRow:
        """The photo's one truthful row, made when it is over."""
        row, bench, paint = self.row, self.bench, self.bench.pinned.paint
        assert self.outcome is not None
        colorized = self.outcome is Outcome.COLORIZED
        return LedgerRow(
            row_id=row.row_id,
            row_key=row.row_key,
            plan=bench.plan,
            shard_key=bench.shard_key,
            attempt=bench.attempt,
            outcome=self.outcome,
            reason=self.reason,
            error=self.error,
            ai_colorized=colorized,
            digital_source_type=DIGITAL_SOURCE_TYPE if colorized else "",
            source_uri=row.source_uri,
            model=paint.model,
            weights_sha256=paint.weights_sha256,
            recipe_digest=bench.pinned.recipe_digest,
            recipe_json=paint.model_dump_json(),
            precision=paint.precision,
            code_version=code_version(),
            operator=bench.operator,
            worker=bench.worker,
            device=bench.device,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            gpu_seconds=self.gpu_seconds,
            cpu_seconds=self.cpu_seconds,
            collection=row.collection,
            rights=row.rights,
            restriction=self.restriction or row.restriction,
            **self.photo_facts,
            **(self.plate_facts if colorized else {}),
        )

    @property
    def finished(self) -> Finished:
        """What the driver hears of it."""
        return Finished(self.row.row_key, self.ledger_row.outcome, self.ledger_row.reason)
