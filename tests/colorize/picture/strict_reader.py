"""A reader that dies of any error which is not of our tree, and says which."""

from __future__ import annotations

import os
import traceback

from photochrom.colorize.picture.reading import reader
from photochrom.colorize.picture.reading.frames import Note

PROGRAM = __name__


class StrictReader(reader.Reader):
    """Takes no decoder's mistake for a corrupt file."""

    def _blundered(self, error: Exception) -> Note:
        traceback.print_exception(error)
        os.abort()


if __name__ == "__main__":
    setattr(reader, "Reader", StrictReader)  # noqa: B010 - `main` takes it from there
    reader.main()
