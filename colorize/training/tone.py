"""Train the network that tells positives from negatives, `colorize/models/tone.safetensors`.

    python -m photochrom.colorize.training.tone --photos DIR --out tone.safetensors

DIR holds tar shards and their `manifest.csv`, as `chosen` reads it; the photographs are those that
`chosen.csv` gives a weight, greyed by their luma, and the split `val` is of other sources. Two
thirds are shown as positives and, by the score's own symmetry, as film of a straight line; one
third as negatives of a film with toe and flare. One thread and one seed give, on one machine, the
same weights. An epoch takes about 35 CPU-seconds.
"""

from __future__ import annotations

import argparse
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from photochrom.colorize.errors import PhotochromError
from photochrom.colorize.picture.luma import luma
from photochrom.colorize.picture.toning.score import ADDED, SIDE, STRIDES, looked_at
from photochrom.colorize.training.chosen import Candidate, read_candidates, read_weights

WIDTHS = (16, 24, 24, 48, 48, 48)
BATCH = 64
RATE, DECAY, DROPPED = 8e-3, 0.02, 0.3

Grey = NDArray[np.float64]
Dice = np.random.Generator


class ToneNetwork(nn.Module):
    """Six convolutions and a weight for each place; (n, 2, SIDE, SIDE) in, (n,) out."""

    def __init__(self) -> None:
        super().__init__()
        wide = zip((2, *WIDTHS[:-1]), WIDTHS, STRIDES, strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, s, 1, bias=False) for i, o, s in wide)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in WIDTHS)
        self.out = nn.Linear(WIDTHS[-1] * (SIDE // 16) ** 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return f(x) - f(-x), (n,): above 0 for positives."""
        y = self.one_sided(torch.cat([x, -x]))
        return y[: len(x)] - y[len(x) :]

    def one_sided(self, x: Tensor) -> Tensor:
        """Return f(x), (n,)."""
        for layer, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = norm(conv(x))
            x = F.relu(y + x if layer in ADDED else y)
        return self.out(F.dropout(x.flatten(1), DROPPED, self.training))[:, 0]  # type: ignore[no-any-return]

    def stored(self) -> dict[str, NDArray[np.float16]]:
        """Return the weights with the norms folded in, by the names that `score` reads."""
        made: dict[str, Tensor] = {"out.weight": self.out.weight[0]}
        for layer, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            fused = torch.nn.utils.fuse_conv_bn_eval(conv, norm)
            assert fused.bias is not None
            made |= {f"{layer}.weight": fused.weight, f"{layer}.bias": fused.bias}
        return {name: value.detach().numpy().astype(np.float16) for name, value in made.items()}


def read_greys(photos: Path, wanted: list[Candidate]) -> Iterator[Grey]:
    """Yield the luma of photographs, (h, w) in [0, 1], shard by shard."""
    for shard in sorted({one.shard for one in wanted}):
        names = {one.file for one in wanted if one.shard == shard}
        with tarfile.open(photos / shard) as tar:
            for member in tar:
                if Path(member.name).name in names and (data := tar.extractfile(member)):
                    with Image.open(io.BytesIO(data.read())) as image:
                        yield luma(np.asarray(image.convert("RGB"))) / 255


def shown(grey: Grey, dice: Dice) -> tuple[NDArray[np.float32], float]:
    """Print a photograph, or make a negative of it; return what is seen, and 1 or -1."""
    low, high = np.quantile(
        grey, [dice.choice([0, dice.uniform(0, 0.06)]), 1 - dice.choice([0, dice.uniform(0, 0.06)])]
    )
    picture = np.clip((grey - low) / max(high - low, 0.05), 0, 1) ** np.exp(dice.uniform(-0.7, 0.7))
    ink, paper = dice.uniform(0, 0.25), dice.uniform(0.6, 1.0)
    sign = 1.0
    if dice.random() < 1 / 3:
        sign = -1.0
        bent = (picture**2.2 + dice.uniform(0.003, 0.1)) ** -dice.uniform(0.5, 0.95)
        bent = bent / bent.max() + dice.uniform(0, 0.02)
        picture = bent ** (1 / dice.uniform(1, 2.4))
        ink, paper = 0.0, dice.uniform(0.4, 1.0)
    picture = ink + (paper - ink) * picture
    picture = picture + dice.uniform(0, 0.06) * dice.normal(size=picture.shape)
    small = bordered(cut(np.clip(picture, 0, 1), dice), dice)
    return looked_at(np.rint(small * 65535).astype(np.uint16)).astype(np.float32), sign


def cut(picture: Grey, dice: Dice) -> Grey:
    """Cut out a part, shrink it to SIDE, mirror it or turn it on its side now and then."""
    height, width = picture.shape
    share = dice.uniform(0.55, 1) if dice.random() < 0.7 else 1.0
    wide, high = (
        min(width, width * share),
        min(height, height * share * np.exp(dice.uniform(-0.15, 0.15))),
    )
    left, top = dice.uniform(0, width - wide), dice.uniform(0, height - high)
    image = Image.fromarray(picture.astype(np.float32))
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX, (left, top, left + wide, top + high))
    seen = np.asarray(small, np.float64)
    seen = seen[:, ::-1] if dice.random() < 0.5 else seen
    return np.rot90(seen, int(dice.integers(4))) if dice.random() < 0.3 else seen


def bordered(seen: Grey, dice: Dice) -> Grey:
    """Leave a line or two of a border on a fifth of the pictures, black or white."""
    if dice.random() > 0.2:
        return seen
    seen = np.rot90(seen, int(dice.integers(4))).copy()
    seen[: dice.integers(1, 4)] = dice.choice([seen.min(), seen.max()])
    return seen


def train(greys: list[Grey], held_out: list[Grey], epochs: int, seed: int) -> ToneNetwork:
    """Train for some epochs, telling how many of the held-out photographs are told rightly."""
    torch.manual_seed(seed)
    dice = np.random.default_rng(seed)
    network = ToneNetwork()
    steps = max(1, epochs * len(greys) // BATCH)
    mind = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(mind, RATE, steps, pct_start=0.15)
    check = [shown(grey, np.random.default_rng(number)) for number, grey in enumerate(held_out)]
    mean = 0.7
    for step in range(1, steps + 1):
        picked = dice.integers(0, len(greys), BATCH)
        seen, signs = zip(*(shown(greys[index], dice) for index in picked), strict=True)
        loss = F.softplus(-network(torch.tensor(np.stack(seen))) * torch.tensor(signs)).mean()
        mind.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        mind.step()
        rates.step()
        mean += 0.02 * (loss.item() - mean)
        if step % max(1, steps // 10) == 0:
            print(
                f"{step} of {steps}: loss {mean:.3f}, held out {rightly(network, check):.3f}",
                flush=True,
            )
    return network.eval()


def rightly(network: ToneNetwork, check: list[tuple[NDArray[np.float32], float]]) -> float:
    """Return the share of examples whose score has the right sign."""
    if not check:
        return float("nan")
    seen, signs = zip(*check, strict=True)
    network.eval()
    with torch.no_grad():
        scores = network(torch.tensor(np.stack(seen)))
    network.train()
    return float((scores * torch.tensor(signs) > 0).double().mean())


def main() -> None:
    """Train, and write the weights."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="manifest.csv and tar shards")
    parser.add_argument("--out", type=Path, required=True, help="the weights to write")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    weights = read_weights()
    try:
        candidates = read_candidates(given.photos)
        greys = list(read_greys(given.photos, [c for c in candidates if weights.get(c.file)]))
        held = [c for c in candidates if c.shard.startswith("val")]
        network = train(greys, list(read_greys(given.photos, held)), given.epochs, given.seed)
    except PhotochromError as error:
        parser.error(str(error))
    save_file(network.stored(), given.out, {"seed": str(given.seed), "epochs": str(given.epochs)})
    print(f"{given.out}: {given.out.stat().st_size} bytes, from {len(greys)} photographs")


if __name__ == "__main__":
    main()
