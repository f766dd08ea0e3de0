"""Teach Pocket from colour photographs: one cosine schedule, resumable at any moment.

`python -m photochrom.colorize.training.pretrain --photos DIR --out DIR --minutes 60` writes
`checkpoint.pt`, `curve.csv` and, at the end, `pocket.safetensors`. With `--steps`, one thread and
float32 the same seed gives the same bytes, whether or not the run was interrupted.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from photochrom.colorize.errors import PhotochromError
from photochrom.colorize.generator.colour import rgb_to_lab
from photochrom.colorize.generator.pocket import WIDTHS, PocketNetwork
from photochrom.colorize.training.curve import Curve
from photochrom.colorize.training.data import (
    Crop,
    Photos,
    Selection,
    batch,
    read_manifest,
    read_photos,
    read_refused,
)
from photochrom.colorize.training.degrade import Degrade, age
from photochrom.colorize.training.encoder import find_encoder, load_encoder
from photochrom.colorize.training.export import export
from photochrom.colorize.training.losses import ColourClasses, Losses, chroma_error, unrest
from photochrom.colorize.training.state import TrainingState
from photochrom.colorize.training.validate import Figures, held_out, measure

SHIPPED = "pocket.safetensors"


@dataclass(frozen=True)
class Pretrain:
    """What decides a training; the length is either minutes or steps."""

    minutes: float = 60.0
    steps: int = 0
    seed: int = 0
    batch: int = 16
    size: int = 128
    late_size: int = 160
    late: float = 0.7  # the share of the run after which squares are larger
    rate: float = 1.2e-3
    warm_up: float = 0.03
    average: float = 0.998
    frozen_blocks: int = 5
    bfloat16: bool = False
    checkpoint_seconds: float = 120.0
    validate_seconds: float = 480.0
    selection: Selection = field(default_factory=Selection)
    crop: Crop = field(default_factory=Crop)
    degrade: Degrade = field(default_factory=Degrade)
    losses: Losses = field(default_factory=Losses)

    def progress(self, state: TrainingState) -> float:
        """Return how much of the run is done, 1 at its end."""
        return state.step / self.steps if self.steps else state.seconds / (self.minutes * 60)

    def rate_share(self, progress: float) -> float:
        """Return the learning rate there, as a share of its peak."""
        warm = min(1.0, progress / self.warm_up + 0.02)
        return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, progress))) / 2)


def teach(state: TrainingState, photos: Photos, settings: Pretrain) -> tuple[float, ...]:
    """Take one step and return its losses; what is drawn follows from seed and step alone."""
    progress = settings.progress(state)
    state.set_rate(settings.rate_share(progress))
    random = np.random.default_rng((settings.seed, state.step))
    noise = torch.Generator().manual_seed(int(random.integers(2**62)))
    size = settings.late_size if progress >= settings.late else settings.size
    rgb = batch(photos, settings.crop, settings.batch, size, random)
    grey = age(rgb, settings.degrade, noise)
    truth = rgb_to_lab(rgb)[:, 1:]  # (n, 2, s, s)
    state.teach_mode()
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
        ab, quarter = state.network.look(grey * 255)
    ab = ab.float()
    parts: tuple[Tensor, ...] = (
        chroma_error(ab, F.avg_pool2d(truth, 2), settings.losses),
        state.classes(quarter.float(), F.avg_pool2d(truth, 4)),
        unrest(ab, F.avg_pool2d(grey, 2), settings.losses),
    )
    loss = parts[0] + settings.losses.classes * parts[1] + settings.losses.calm * parts[2]
    loss.backward()  # type: ignore[no-untyped-call]
    state.learn()
    return tuple(part.item() for part in parts)


def begin(photos: Photos, encoder: Path | None, settings: Pretrain) -> TrainingState:
    """Return a fresh state; without an encoder's file all weights are random."""
    torch.manual_seed(settings.seed)
    network = PocketNetwork()
    if encoder is not None:
        load_encoder(network.encoder, encoder)
        network.encoder.freeze(settings.frozen_blocks)
    classes = ColourClasses(photos, WIDTHS[2])
    return TrainingState(network, classes, settings.rate, settings.average)


def figures(state: TrainingState, validation: list[Tensor], size: int) -> Figures:
    """Return the averaged network's figures."""
    network = PocketNetwork()
    network.load_state_dict(state.average.state)
    return measure(network.eval(), validation, size)


def pretrain(folder: Path, encoder: Path | None, out: Path, settings: Pretrain) -> Path:
    """Train to the end of the schedule and return the exported weights."""
    chosen = settings.selection.choose(read_manifest(folder, "train"))
    photos = read_photos(folder, chosen)
    validation = held_out(folder).get("books", [])[::2]
    out.mkdir(parents=True, exist_ok=True)
    state = begin(photos, encoder, settings)
    state.resume(out)
    curve = Curve(out / "curve.csv")
    saved = checked = state.seconds
    while settings.progress(state) < 1:
        started = time.monotonic()
        curve.add(teach(state, photos, settings))
        state.seconds += time.monotonic() - started
        ended = settings.progress(state) >= 1
        if not ended and state.seconds - saved < settings.checkpoint_seconds:
            continue
        saved = state.seconds
        state.save(out)
        due = ended or state.seconds - checked > settings.validate_seconds
        checked = state.seconds if due else checked
        found = figures(state, validation, settings.late_size) if due and validation else None
        curve.write(state, settings.batch, found)
    export(state.average.state, out / SHIPPED, family="pocket", saturation=1.0)
    return out / SHIPPED


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="manifest.csv and tar shards")
    parser.add_argument(
        "--judged", type=Path, help="file, verdict, reason: leave out what it drops"
    )
    parser.add_argument("--encoder", type=Path, help="default: from photochrom[train]")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true", help="faster where the CPU has it")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    try:
        refused = read_refused(given.judged) if given.judged else frozenset[str]()
        settings = Pretrain(
            minutes=given.minutes,
            steps=given.steps,
            seed=given.seed,
            bfloat16=given.bfloat16,
            selection=Selection(refused_files=refused),
        )
        encoder = given.encoder or find_encoder()
        print(pretrain(given.photos, encoder, given.out, settings))
    except PhotochromError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
