"""What a generator promises, and how to get one by name. Imports no torch until one is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from photochrom.colorize.errors import ModelError
from photochrom.colorize.generator.echo import ECHO_SHA256, EchoGenerator
from photochrom.colorize.generator.known import KnownModel, find_model
from photochrom.colorize.generator.weights import check_digest, digest

Precision = Literal["auto", "float32", "bfloat16", "float16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)


class Generator(Protocol):
    """One replica: a network on one device, or what stands for one in tests."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def weights_sha256(self) -> str:
        """The digest of the weights file it was loaded from."""

    @property
    def device(self) -> str:
        """Where it computes, in torch's words."""

    @property
    def precision(self) -> str:
        """The number format it computes in."""

    def __call__(self, x: Any) -> Any:
        """Return the network's own answer to its own input, both torch tensors; not of echo."""

    def warm_up(self, side: int, count: int) -> float:
        """Paint `count` blank squares once, and return the seconds it took."""

    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return full-range BT.601 Cb, Cr with offset 128 (n, s, s, 2) of grey squares (n, s, s).

        The side s is a multiple of 16. A square's answer does not depend on its neighbours in the
        batch, but for rounding. Raises OutOfMemory where a smaller batch may do.
        """


def load_generator(
    name: str,
    *,
    weights: Path | str | None = None,
    sha256: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    compiled: bool = False,
) -> Generator:
    """Return a generator ready to paint.

    Without `weights` the embedded file is used and its pinned digest checked. `precision` "auto" is
    the model's own choice, or float32 on CPUs that lack it. `threads` sets how many CPU threads
    torch may use in this process; `compiled` runs the network through torch.compile, which takes
    minutes at first: see `warm_up`. Raises ModelError for an unknown name or unusable file,
    WrongWeights where a digest or the names inside differ.
    """
    model = find_model(name)
    weights = Path(weights) if weights is not None else None
    if precision not in PRECISIONS:
        raise ModelError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
    found = weights_digest(name, weights)
    check_digest(name, found, sha256)
    file = _file(model, weights)
    if file is None:
        return EchoGenerator()
    if weights is None:
        check_digest(name, found, model.sha256)
    # Feature maps are tens of megabytes: in small pages torch spends a fifth of its time on faults.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from photochrom.colorize.generator.replica import load_replica

    return load_replica(
        model,
        file,
        sha256=found,
        device=device,
        precision=precision,
        threads=threads,
        compiled=compiled,
    )


def weights_digest(name: str, weights: Path | None = None) -> str:
    """Return the sha256 of the weights that `load_generator` would read; imports no torch."""
    model = find_model(name)
    file = _file(model, weights)
    return ECHO_SHA256 if file is None else digest(file)


def _file(model: KnownModel, weights: Path | None) -> Path | None:
    """Return the file to read: the one given, the embedded one, or none for echo."""
    if model.bytes == 0:
        if weights is not None:
            raise ModelError(f"{model.name} has no weights: leave {weights} out")
        return None
    if weights is None and model.embedded is None:
        raise ModelError(
            f"the weights of {model.name} do not ship with Photochrom: get them where their owner "
            f"publishes them ({model.publisher}), then name the file with "
            "--set paint.weights=FILE, in Python weights="
        )
    return weights or model.embedded
