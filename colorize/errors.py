"""What can go wrong with pictures and networks.

PhotochromError
├── SettingsError          the user asked for something that cannot be
├── SourceError            this photograph cannot be used; .reason is from the closed list
├── ToneUnknown            neither it nor anybody says whether this photograph is a negative
├── PrintError             a print cannot be written in this format
│   └── ProofError         what was written is not its original plus its plate
├── ModelError             the generator cannot be loaded or cannot paint
│   ├── WrongWeights       not the weights that were named
│   └── OutOfMemory        the device has no room for this batch
└── DeviceLost             the device answers nothing more; this process must end
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class PhotochromError(Exception):
    """The root of the tree; `retriable` says whether the same call may succeed later."""

    retriable: ClassVar[bool] = False


class SettingsError(PhotochromError):
    """The user asked for something that cannot be; the message says what, where and the mend."""


class Fault(StrEnum):
    """Why a photograph cannot be used: the closed list that rows and metrics speak in."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED = "unsupported"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    DECODER_DIED = "decoder_died"


class SourceError(PhotochromError):
    """This photograph cannot be used."""

    def __init__(self, reason: Fault, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[SourceError], tuple[Fault, str]]:
        return type(self), (self.reason, str(self))


class ToneUnknown(PhotochromError):  # noqa: N818 - reads as what it is
    """Nobody says whether a photograph is a positive or a negative, and it doesn't show it."""


class PrintError(PhotochromError):
    """A print cannot be written in this format."""


class ProofError(PrintError):
    """What was written is not its original plus its plate."""


class ModelError(PhotochromError):
    """The generator cannot be loaded or cannot paint."""


class WrongWeights(ModelError):  # noqa: N818 - reads as what it is
    """The weights are not the ones that were named."""


class OutOfMemory(ModelError):  # noqa: N818
    """The device has no room for this batch."""

    retriable = True


class DeviceLost(PhotochromError):  # noqa: N818
    """The device is in a state that only a new process can leave; no photo is to blame."""

    retriable = True
