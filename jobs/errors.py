"""What can go wrong with a job; the branches below PhotochromError are drawn in colorize/errors.py.

PhotochromError
├── SettingsError          (colorize) the job file or the command line is wrong
│   └── ManifestError      a manifest row is wrong; the message has its number
├── JobError               the job as a whole cannot go on
│   ├── OtherJob           the output place belongs to another job or recipe
│   ├── Unfinished         shards are left that no worker could finish
│   ├── RestrictionsUnread the table of what must not be processed cannot be read
│   └── Restricted         a source is in that table
├── StorageError           the storage failed this time; retriable
│   ├── NotFound           there is no such object
│   ├── BadAddress         no object of ours can have this key or URI
│   ├── AccessDenied       the storage does not let us
│   ├── SourceChanged      the pinned version of a source is gone
│   └── UnsafeStorage      the storage ignores conditional creates
└── SourceError, ModelError, ProofError   (colorize)
"""

from __future__ import annotations

from photochrom.colorize.errors import PhotochromError, SettingsError


class ManifestError(SettingsError):
    """A manifest row is wrong; the message has its number."""


class JobError(PhotochromError):
    """The job as a whole cannot go on."""


class OtherJob(JobError):  # noqa: N818 - reads as what it is
    """The output place belongs to another job or recipe; the message names the difference."""


class Unfinished(JobError):  # noqa: N818
    """Shards are left that no worker could finish; the same command tries them again."""

    retriable = True


class RestrictionsUnread(JobError):  # noqa: N818
    """The table of what must not be processed cannot be read: nothing is, until it can."""

    retriable = True


class Restricted(JobError):  # noqa: N818
    """A source must not be processed; the message says by which entry."""


class StorageError(PhotochromError):
    """The storage failed this time."""

    retriable = True


class NotFound(StorageError):  # noqa: N818
    """There is no such object."""

    retriable = False


class BadAddress(StorageError):  # noqa: N818
    """No object of ours can have this key or URI."""

    retriable = False


class AccessDenied(StorageError):  # noqa: N818
    """The storage does not let us."""

    retriable = False


class SourceChanged(StorageError):  # noqa: N818
    """The pinned version of a source is gone."""

    retriable = False


class UnsafeStorage(StorageError):  # noqa: N818
    """The storage ignores conditional creates, so commits could be lost."""

    retriable = False
