"""libvips as we use it: no untrusted loaders, no caches, one thread to a picture.

Import `pyvips` from here: libvips reads its environment once, when it is loaded.
"""

from __future__ import annotations

import os

os.environ.setdefault("VIPS_BLOCK_UNTRUSTED", "1")
os.environ.setdefault("VIPS_CONCURRENCY", "1")  # the threads are the worker's

import pyvips

pyvips.cache_set_max(0)  # it caches by file name, and temporary names come again

__all__ = ["of_this_machine", "pyvips", "take_messages"]


def take_messages() -> str:
    """Return all that libvips has said since it was last asked; it remembers, across files."""
    lib = pyvips.vips_lib
    said = pyvips.ffi.string(lib.vips_error_buffer()).decode(errors="replace")
    lib.vips_error_clear()
    return str(said)


def of_this_machine(message: str) -> bool:
    """Tell whether a libvips error is the machine's (a full disk, say) and not the picture's."""
    return "system error" in message or "out of memory" in message or "write error" in message
