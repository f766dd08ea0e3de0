"""Outcomes and reasons: the closed lists that rows, metrics and `retry --reason` speak in."""

from __future__ import annotations

from enum import StrEnum

from photochrom.colorize.errors import (
    ModelError,
    OutOfMemory,
    PrintError,
    ProofError,
    SourceError,
)
from photochrom.jobs.errors import (
    AccessDenied,
    BadAddress,
    NotFound,
    Restricted,
    SourceChanged,
    StorageError,
)


class Outcome(StrEnum):
    """What became of an input."""

    COLORIZED = "colorized"
    SKIPPED = "skipped"
    FAILED = "failed"


class Reason(StrEnum):
    """Why an input was skipped or has failed."""

    # skipped
    ALREADY_COLOUR = "already_colour"
    ARCHIVED_STORAGE = "archived_storage"
    RESTRICTED = "restricted"
    TONE_UNKNOWN = "tone_unknown"
    # failed: the file; the same words as colorize.errors.Fault
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED = "unsupported"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    DECODER_DIED = "decoder_died"
    # failed: where it lies
    MISSING = "missing"
    ACCESS_DENIED = "access_denied"
    SOURCE_CHANGED = "source_changed"
    STORAGE = "storage"
    # failed: what was done with it
    OUT_OF_MEMORY = "out_of_memory"
    MODEL = "model"
    PRINT = "print"
    PROOF = "proof"
    KILLED_WORKER = "killed_worker"
    INTERNAL = "internal"


_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (NotFound, Reason.MISSING),
    (AccessDenied, Reason.ACCESS_DENIED),
    (SourceChanged, Reason.SOURCE_CHANGED),
    (BadAddress, Reason.UNSUPPORTED),
    (Restricted, Reason.RESTRICTED),
    (StorageError, Reason.STORAGE),
    (OutOfMemory, Reason.OUT_OF_MEMORY),
    (MemoryError, Reason.OUT_OF_MEMORY),
    (ModelError, Reason.MODEL),
    (ProofError, Reason.PROOF),
    (PrintError, Reason.PRINT),
)


def reason_of(error: Exception) -> Reason:
    """Return the reason that a row gives for an error."""
    if isinstance(error, SourceError):
        return Reason(error.reason.value)
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.INTERNAL)
