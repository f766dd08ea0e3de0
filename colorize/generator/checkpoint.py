"""Torch's checkpoint files, new and old, read without running anything that is in them.

DeOldify's files hold `{"model": weights, "opt": ...}` or the bare weights. Only torch's own reader
of weights looks at them, and numpy's numbers in an optimizer's state become empty stand-ins:
numpy's real ones could be led by a crafted file to touch memory that is not theirs.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from tarfile import TarError
from threading import Lock
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch import Tensor

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.pickled import NUMPY_NAMES, foreign_name
from photochrom.colorize.generator.weights import ZIP_HEAD, Weights

KINDS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)
PARALLEL = "module."  # before every name, where a network was trained on several GPUs
_BROKEN = (  # what torch raises on bytes that are no checkpoint; found by feeding it broken ones
    *(UnpicklingError, RuntimeError, EOFError, LookupError, AttributeError, TypeError, ValueError),
    *(AssertionError, ArithmeticError, MemoryError, OSError, struct.error, TarError),
)
_one_at_a_time = Lock()  # torch keeps what is allowed, and Python its warnings, for all threads


class _Aside:
    """Stands for a number in an optimizer's state, which is of no use here."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def read_checkpoint(file: Path) -> Weights:
    """Return the weights in a torch checkpoint, of whatever age, without their `module.` prefix.

    Tensors keep their number format, and may lie in the file itself, mapped. Raises ModelError for
    files that are cut short or damaged, that want anything run, or hold more than plain tensors.
    """
    saved = _loaded(file)
    if isinstance(saved, Mapping) and isinstance(saved.get("model"), Mapping):
        saved = saved["model"]
    if not isinstance(saved, Mapping) or not saved:
        raise ModelError(f"{file} holds no weights: it is a {type(saved).__name__}, or empty")
    tensors = {name: _plain(file, name, value) for name, value in saved.items()}
    if all(name.startswith(PARALLEL) for name in tensors):
        tensors = {name.removeprefix(PARALLEL): tensor for name, tensor in tensors.items()}
    return Weights(tensors, {})


def _loaded(file: Path) -> Any:
    """Return what a checkpoint holds; only torch's rebuilders of tensors were called."""
    mapped = _is_sound_zip(file) and file.suffix != ".safetensors"  # torch goes by that ending
    allowed = [(_Aside, name) for name in NUMPY_NAMES]
    try:
        with (
            _one_at_a_time,
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals(allowed),  # type: ignore[arg-type]
            file.open("rb") as stream,
        ):
            return torch.load(
                file if mapped else stream, map_location="cpu", weights_only=True, mmap=mapped
            )
    except UnpicklingError as error:
        raise ModelError(_refusal(file, str(error))) from error
    except _BROKEN as error:
        raise ModelError(f"{file} is not a checkpoint that can be read: {_first(error)}") from error


def _is_sound_zip(file: Path) -> bool:
    """Tell a zip from an older file; raise ModelError for one that is cut short or damaged."""
    try:
        with file.open("rb") as stream:
            if stream.read(len(ZIP_HEAD)) != ZIP_HEAD:
                return False
        with ZipFile(file) as archive:
            packed = any(entry.compress_type != ZIP_STORED for entry in archive.infolist())
            damaged = None if packed else archive.testzip()
    except (OSError, BadZipFile, RuntimeError, EOFError, ValueError) as error:
        raise ModelError(f"{file} is cut short or damaged: {_first(error)}") from error
    if packed:
        raise ModelError(f"{file} is a compressed zip; torch's checkpoints are not: unpack it")
    if damaged is not None:
        raise ModelError(f"{file} is damaged: {damaged} does not match its checksum")
    return True


def _plain(file: Path, name: object, value: object) -> Tensor:
    """Return a value that is an ordinary tensor under an ordinary name, without gradient."""
    if not isinstance(name, str) or not isinstance(value, Tensor):
        kind = type(value).__name__.lstrip("_")
        raise ModelError(f"{file} holds more than weights: {name!r} is a {kind}")
    plain = value.layout is torch.strided and value.device.type == "cpu" and value.dtype in KINDS
    if not plain or value.nbytes > value.untyped_storage().nbytes():
        raise ModelError(f"{file}: {name} is no plain tensor ({value.dtype}, {value.layout})")
    return value.detach()


def _refusal(file: Path, message: str) -> str:
    """Return why torch would not read a pickle, in one line, with the name that it asked for."""
    found = re.search(r"GLOBAL (\S+)", message)
    name = found[1] if found else foreign_name(file)
    if name:
        return f"{file} is refused: it wants {name}, which no weights need; nothing of it was run"
    said = re.search(r"WeightsUnpickler error:\s*(.+)", message)
    return f"{file} is not a checkpoint that can be read: {said[1] if said else 'a broken pickle'}"


def _first(error: BaseException) -> str:
    """Return the first sentence of an error, or its kind."""
    lines = str(error).splitlines() or [""]
    return lines[0].partition(". ")[0] or type(error).__name__
