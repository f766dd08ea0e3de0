"""Whether a JPEG's data suffices for its picture, where no decoder says so.

libjpeg makes up what is missing; imagecodecs does not pass its warnings on, and no decoder of TIFFs
does. So the end marker must be there, and the picture must come out the same when noise stands
before that marker: data that ran out would have taken the noise for its own.
"""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.picture.reading.jpeg_header import end_of_scans
from photochrom.colorize.picture.reading.source import corrupt, reading

_NOISE = bytes(range(1, 128)) * 8


def decoded_whole(data: bytes) -> NDArray[Any]:
    """Decode a JPEG whose data must suffice for all of it, (h, w[, 3]); raises SourceError."""
    end = end_of_scans(data)
    with reading():
        decoded = imagecodecs.jpeg8_decode(data)
        noisy = imagecodecs.jpeg8_decode(data[:end] + _NOISE + data[end:])
    if not np.array_equal(decoded, noisy):
        corrupt("its JPEG data ends before the picture does")
    return np.asarray(decoded)
