"""Devices: choosing one, what it computes well in, and its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from photochrom.colorize.errors import DeviceLost, ModelError, OutOfMemory

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_MEMORY = (  # what full devices say: a smaller batch may do, and if not, it is one failed row
    *("can't allocate memory", "out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED"),
    *("valid cuDNN algorithm", "unable to find an engine", "could not create a memory"),
)
_LOST = ("CUDA error", "CUDNN_STATUS", "CUBLAS_STATUS")
_WORDS = {"bfloat16": ("bf16", "avx_ne_convert"), "float16": ("fp16",)}


def choose_device(device: str) -> torch.device:
    """Return the named device; "auto" is a GPU where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"this machine has no device {device!r}: {reason}") from error


def choose_precision(asked: str, native: str, device: torch.device) -> str:
    """Return the precision asked for; "auto" is the model's own, or float32 on CPUs without it.

    Raises ModelError for one that this CPU would have to imitate: it is 35 times slower so.
    """
    if asked == "auto":
        return native if computes_in(native, device) else "float32"
    if not computes_in(asked, device):
        raise ModelError(f"this CPU has no instructions for {asked}: choose float32")
    return asked


def computes_in(precision: str, device: torch.device) -> bool:
    """Say whether a device has instructions for a precision; GPUs are taken to have them."""
    if device.type != "cpu" or precision == "float32":
        return True
    has = torch.cpu.get_capabilities()
    return any(has[name] is True for name in has if any(w in name for w in _WORDS[precision]))


@contextmanager
def device_errors() -> Iterator[None]:
    """Tell torch's errors apart: OutOfMemory, DeviceLost, and those that are bugs."""
    try:
        yield
    except RuntimeError as error:
        line = str(error).partition("\n")[0]
        if isinstance(error, torch.OutOfMemoryError) or any(word in line for word in _MEMORY):
            raise OutOfMemory(line) from error
        if isinstance(error, torch.AcceleratorError) or any(word in line for word in _LOST):
            raise DeviceLost(line) from error
        raise
