"""A torch network held on one device, answering grey squares with chroma."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.errors import ModelError, OutOfMemory, WrongWeights
from photochrom.colorize.generator.colour import cbcr, lab_to_rgb, rgb_to_lab
from photochrom.colorize.generator.pocket import STRIDE, PocketNetwork, fuse
from photochrom.colorize.generator.weights import fill, read_weights

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Painter(Protocol):
    """How one family is spoken to; only `network` runs in reduced precision."""

    network: nn.Module

    def prepare(self, grey: Tensor) -> Tensor:
        """Return the network's input for grey (n, 1, s, s) in 0..255."""

    def render(self, answer: Tensor, grey: Tensor) -> Tensor:
        """Return unclipped sRGB (n, 3, s, s) in 0..1 from the network's answer."""


class PocketPainter:
    """Pocket sees grey in 0..255 at a multiple of 32, and answers with half-size CIELAB chroma."""

    def __init__(self, network: PocketNetwork, saturation: float) -> None:
        self.network: nn.Module = network
        self.saturation = saturation

    def prepare(self, grey: Tensor) -> Tensor:
        """Return the square itself, or one stretched to the next multiple of STRIDE."""
        side = grey.shape[-1]
        if side % STRIDE == 0:
            return grey
        larger = -(-side // STRIDE) * STRIDE
        return F.interpolate(grey, (larger, larger), mode="bilinear", align_corners=False)

    def render(self, answer: Tensor, grey: Tensor) -> Tensor:
        """Return sRGB with the grey's lightness and the predicted chroma."""
        size = grey.shape[-2:]
        ab = F.interpolate(answer, size, mode="bilinear", align_corners=False)
        lightness = rgb_to_lab((grey / 255).expand(-1, 3, -1, -1))[:, :1]
        return lab_to_rgb(torch.cat([lightness, ab * self.saturation], 1))  # (n, 3, s, s)


class Replica:
    """One painter on one device: the generator that does the work."""

    def __init__(
        self, painter: Painter, *, name: str, weights_sha256: str, device: str, precision: str
    ) -> None:
        self.name = name
        self.weights_sha256 = weights_sha256
        self.precision = precision
        self._device = choose_device(device)
        self.device = str(self._device)
        self._painter = painter
        network = painter.network.eval().requires_grad_(False)
        with memory_errors():
            network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def chroma(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return Cb, Cr (n, s, s, 2) of grey squares (n, s, s)."""
        if squares.dtype != np.uint8 or squares.ndim != 3 or squares.shape[1] != squares.shape[2]:
            raise ModelError(f"not grey 8-bit squares: {squares.dtype} {squares.shape}")
        if len(squares) == 0:
            return np.empty((*squares.shape, 2), np.uint8)
        with memory_errors():
            grey = self._upload(squares)[:, None].float()  # (n, 1, s, s)
            x = self._painter.prepare(grey).contiguous(memory_format=torch.channels_last)
            with torch.autocast(
                self._device.type, DTYPES[self.precision], enabled=self.precision != "float32"
            ):
                answer = self._painter.network(x)
            plates = 128 + 255 * cbcr(self._painter.render(answer.float(), grey))
            plates = plates.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
            return self._download(plates.contiguous())  # (n, s, s, 2)

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


def load_pocket(file: Path, *, name: str, sha256: str, device: str, precision: str) -> Replica:
    """Return a replica of the Pocket weights in a file."""
    weights = read_weights(file)
    if weights.facts.get("family") != "pocket":
        raise WrongWeights(f"{file} says it is of family {weights.facts.get('family')!r}")
    network = PocketNetwork()
    fill(network, weights, file)
    fuse(network.eval())
    painter = PocketPainter(network, float(weights.facts["saturation"]))
    return Replica(painter, name=name, weights_sha256=sha256, device=device, precision=precision)


def choose_device(device: str) -> torch.device:
    """Return the named device; "auto" is a GPU where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"this machine has no device {device!r}: {reason}") from error


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn torch's ways of saying that memory ran out into OutOfMemory."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(str(error).splitlines()[0]) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise OutOfMemory(str(error).splitlines()[0]) from error
