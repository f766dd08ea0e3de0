"""A torch network held on one device, answering grey squares with chroma."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from photochrom.colorize.errors import ModelError, OutOfMemory, WrongWeights
from photochrom.colorize.generator.colour import cbcr
from photochrom.colorize.generator.deoldify import LAYOUTS, DeOldify
from photochrom.colorize.generator.device import (
    DTYPES,
    choose_device,
    choose_precision,
    device_errors,
)
from photochrom.colorize.generator.inference import inference_form
from photochrom.colorize.generator.known import KnownModel
from photochrom.colorize.generator.painters import DeOldifyPainter, Painter, PocketPainter
from photochrom.colorize.generator.pocket import PocketNetwork, fuse
from photochrom.colorize.generator.weights import check_digest, digest, fill, read_weights

PIXELS_AT_ONCE = 8 * 256 * 256  # painted together on a CPU: more are no faster, and take memory


class Replica:
    """One painter on one device: the generator that does the work.

    Called with the network's own input (n, c, s, s) it gives the network's own answer in float32:
    DeOldify's raw colours in [-3, 3] for a picture (n, 3, s, s) normalised as ImageNet's.
    """

    def __init__(
        self,
        painter: Painter,
        *,
        name: str,
        weights_sha256: str,
        device: torch.device,
        precision: str,
        compiled: bool = False,
    ) -> None:
        self.name = name
        self.weights_sha256 = weights_sha256
        self.precision = precision
        self.device = str(device)
        self._device, self._dtype = device, DTYPES[precision]
        self._painter = painter
        self._untidy = False  # memory has run out
        network = painter.network.eval().requires_grad_(False)
        with device_errors():
            network.to(device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = torch.compile(network) if compiled else network

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """Return the network's answer; raises OutOfMemory, DeviceLost."""
        with device_errors():
            x = x.to(self._device, self._dtype, memory_format=torch.channels_last)
            answer: Tensor = self._network(x)
            return answer.float()

    @torch.inference_mode()
    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return Cb, Cr (n, s, s, 2) of grey squares (n, s, s).

        Raises OutOfMemory, DeviceLost, and ModelError for an answer that is no number.
        """
        if squares.dtype != np.uint8 or squares.ndim != 3 or squares.shape[1] != squares.shape[2]:
            raise ModelError(f"not grey 8-bit squares: {squares.dtype} {squares.shape}")
        if len(squares) == 0:
            return np.empty((*squares.shape, 2), np.uint8)
        step = (
            max(1, PIXELS_AT_ONCE // squares[0].size)
            if self._device.type == "cpu"
            else len(squares)
        )
        parts = [squares[first : first + step] for first in range(0, len(squares), step)]
        self._tidy()
        try:
            return np.concatenate([self._plates(part) for part in parts])
        except OutOfMemory:
            self._untidy = True
            raise

    def _tidy(self) -> None:
        """Let go of what an attempt without room still holds: its error and frames, in a circle."""
        if not self._untidy:
            return
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self._untidy = False

    def _plates(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with device_errors():
            grey = self._upload(squares)[:, None].float()  # (n, 1, s, s)
            answer = self(self._painter.prepare(grey))
            if not answer.isfinite().all():
                raise ModelError(f"the network's answer is not finite in {self.precision}")
            plates = 128 + 255 * cbcr(self._painter.render(answer, grey))
            plates = plates.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
            return self._download(plates.contiguous())  # (n, s, s, 2)

    def warm_up(self, side: int, count: int) -> float:
        """Paint blank squares once, and return the seconds that compiling and first calls took.

        Raises ModelError where torch.compile cannot compile the network.
        """
        start = time.perf_counter()
        try:
            self.chroma(np.zeros((count, side, side), np.uint8))
        except RuntimeError as error:
            from torch._dynamo.exc import TorchDynamoException

            if not isinstance(error, TorchDynamoException):
                raise
            line = str(error).partition("\n")[0]
            raise ModelError(
                f"torch.compile failed: {line}. It needs a C++ compiler such as g++, and on a GPU "
                "Triton and a C compiler; install them where the work is done, or do not compile"
            ) from error
        return time.perf_counter() - start

    def _upload(self, squares: NDArray[np.uint8]) -> Tensor:
        """Return the squares on the device, page-locked on the way to a GPU."""
        host = torch.from_numpy(np.require(squares, requirements=["C", "W"]))
        if self._device.type != "cuda":
            return host.to(self._device)
        return host.pin_memory().to(self._device, non_blocking=True)

    def _download(self, plates: Tensor) -> NDArray[np.uint8]:
        """Return the plates in host memory."""
        if self._device.type != "cuda":
            return plates.cpu().numpy()
        host = torch.empty(plates.shape, dtype=plates.dtype, pin_memory=True)
        host.copy_(plates, non_blocking=True)
        torch.cuda.current_stream(self._device).synchronize()
        return host.numpy()


def load_replica(
    model: KnownModel,
    file: Path,
    *,
    sha256: str,
    device: str,
    precision: str,
    threads: int | None,
    compiled: bool,
) -> Replica:
    """Return a replica of the weights in a file; raises WrongWeights if they are not `sha256`."""
    if threads is not None:
        torch.set_num_threads(threads)
    place = choose_device(device)
    precision = choose_precision(precision, model.precision, place)
    _check_compiled(model, place, compiled)
    if place.type == "cuda" and precision == "float32":
        torch.backends.cudnn.allow_tf32 = False  # ten bits are not float32
    painter: Painter
    if model.family == "pocket":
        painter = _pocket(file)
    else:
        painter = _deoldify(model, file, DTYPES[precision], place)
    _take_over(painter.network)
    check_digest(model.name, digest(file), sha256)
    return Replica(
        painter,
        name=model.name,
        weights_sha256=sha256,
        device=place,
        precision=precision,
        compiled=compiled,
    )


def _check_compiled(model: KnownModel, device: torch.device, compiled: bool) -> None:
    if compiled and model.family == "deoldify" and device.type == "cpu":
        raise ModelError(
            f"{model.name} is not compiled for CPUs: minutes of compiling for every size and batch "
            "make it slower; leave `compiled` out"
        )


def _take_over(network: nn.Module) -> None:
    """Copy what the network computes with: tensors may lie in the file, which others may change."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()


def _pocket(file: Path) -> PocketPainter:
    weights = read_weights(file)
    if weights.facts.get("family") != "pocket":
        raise WrongWeights(f"{file} says it is of family {weights.facts.get('family')!r}")
    network = PocketNetwork()
    fill(network, weights, file)
    fuse(network.eval())
    return PocketPainter(network, float(weights.facts["saturation"]))


def _deoldify(
    model: KnownModel, file: Path, dtype: torch.dtype, device: torch.device
) -> DeOldifyPainter:
    weights = read_weights(file)
    named = weights.facts.get("model", model.name)
    if named != model.name:
        raise WrongWeights(f"{file} says it was imported as {named}, not as {model.name}")
    with torch.device("meta"):
        network = DeOldify(LAYOUTS[model.layout])
    fill(network, weights, file)
    del weights  # lets go of each tensor as its part is rebuilt
    with device_errors():
        return DeOldifyPainter(inference_form(network.eval(), dtype, device))
