"""What a pickle asks for, found by reading its operations and running none."""

from __future__ import annotations

import pickletools
import re
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile, ZipFile

LOOKED_AT = 1 << 24  # bytes; the pickle in a checkpoint is far smaller, and comes first
NUMPY_NAMES = (  # of numbers in an optimizer's state, as new and old numpy write them
    *("numpy.dtype", "numpy.ndarray", "numpy.dtypes.Float64DType"),
    *("numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct"),
    *("numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct"),
)
_HARMLESS = re.compile(
    r"torch\.\w+Storage|torch\._utils\._rebuild\w+|collections\.OrderedDict|_codecs\.\w+"
)


def foreign_name(file: Path) -> str | None:
    """Return the first name that a checkpoint's pickle asks for and weights do not need, if any.

    Names are told as they stand; a crafted file may hide one, so this is for messages alone.
    """
    try:
        names = _names(_pickle(file))
    except (OSError, BadZipFile, RuntimeError):
        return None
    foreign = (name for name in names if name not in NUMPY_NAMES and not _HARMLESS.fullmatch(name))
    return next(foreign, None)


def _pickle(file: Path) -> bytes:
    """Return the beginning of the pickle in a checkpoint: in its zip, or at the file's start."""
    with file.open("rb") as stream:
        head = stream.read(LOOKED_AT)
    if not head.startswith(b"PK"):
        return head
    with ZipFile(file) as archive:
        for name in archive.namelist():
            if name.endswith("data.pkl"):
                with archive.open(name) as entry:
                    return entry.read(LOOKED_AT)
    return b""


def _names(pickle: bytes) -> list[str]:
    """Return the dotted names in one pickle after another, as far as they can be followed."""
    names: list[str] = []
    stream = BytesIO(pickle)
    try:
        while stream.tell() < len(pickle):
            _follow(stream, names)
    except (ValueError, IndexError, OverflowError):
        return names
    return names


def _follow(stream: BytesIO, names: list[str]) -> None:
    """Add the names in the next pickle; only texts and where they are kept are followed."""
    kept: dict[object, str] = {}
    module, name = "", ""  # the last two texts pushed
    top = ""  # what was pushed last, if a text
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name in ("GLOBAL", "INST"):
            names.append(str(argument).replace(" ", "."))
        elif operation.name == "STACK_GLOBAL":
            names.append(f"{module}.{name}")
        elif operation.name == "MEMOIZE":
            kept[len(kept)] = top
        elif operation.name.endswith("PUT"):
            kept[argument] = top
        text = kept.get(argument) if operation.name.endswith("GET") else argument
        if operation.name not in ("GLOBAL", "INST") and isinstance(text, str):
            module, name, top = name, text, text
        elif operation.name != "MEMOIZE":
            top = ""
