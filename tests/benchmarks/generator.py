"""How fast generators paint, and how near they stay to the plain network.

    python tests/benchmarks/generator.py --weights artistic=artistic.pth --weights stable=stable.pth

Every form of a model takes turns with the plain float32 module run one square at a time, on the
same squares. CPU-s is the least of all rounds, for one square; GFLOP/s counts the operations of the
plain network, so a form that needs fewer of them may pass the matrix product measured beside it.
PSNR is that of the answer, as sRGB, against the plain one's. Models without weights are left out.

    python tests/benchmarks/generator.py --weights artistic=artistic.pth --gpu --compiled

gives images per second by batch size on a CUDA device, of `torch.compile` too.

    python tests/benchmarks/generator.py --weights artistic=artistic.pth --replicas

compares two replicas of one thread each with one replica of two.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorize.generator import Generator, load_generator
from photochrom.colorize.generator.known import find_model

SIDES = (160, 336, 560)
PHOTO = Path(__file__).parents[1] / "data" / "archive" / "portraits" / "grace-hopper.jpg"
BATCHES = (1, 2, 4, 8, 16, 32)
PRECISIONS = ("float32", "bfloat16")
STRIDES = {"pocket": 32}  # what its painter stretches other squares to


@dataclass
class Form:
    """One way to compute a model, and what it took."""

    name: str
    run: Callable[[Any], Any]
    batch: int = 1
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    answer: Any = None

    def turn(self, x: Any) -> None:
        """Answer a batch of the same square, and note the time for one."""
        many = x.repeat(self.batch, 1, 1, 1)
        cpu, wall = time.process_time(), time.perf_counter()
        self.answer = self.run(many)[:1]
        self.cpu.append((time.process_time() - cpu) / self.batch)
        self.wall.append((time.perf_counter() - wall) / self.batch)


def main() -> None:
    """Measure, and print tables."""
    options = _options()
    if options.replicas:
        replicas(options)
        return
    if options.gpu:
        for model, weights in options.weights.items():
            on_gpu(model, weights, options)
        return
    print(f"{options.threads} thread(s), {options.rounds} rounds; matrix product ", end="")
    print(", ".join(f"{name} {product_rate(name):.0f} GFLOP/s" for name in PRECISIONS))
    head = ("model | side | form | CPU-s | wall | times plain | GFLOP/s | PSNR", "|".join("-" * 8))
    print("\n".join(head))
    for model, weights in options.weights.items():
        for side in options.sides:
            compare(model, weights, side, options)


def compare(model: str, weights: Path | None, side: int, options: argparse.Namespace) -> None:
    """Let the forms of one model take turns, and print a line for each."""
    import torch

    forms = [Form("plain float32", plain(model, weights))]
    for precision in PRECISIONS:
        for batch in options.batches:
            generator = load_generator(
                *(model,),
                weights=weights,
                device="cpu",
                precision=precision,
                threads=options.threads,
            )
            forms.append(Form(f"{precision}, batch {batch}", generator, batch))
    seen = -(-side // STRIDES.get(model, 16)) * STRIDES.get(model, 16)
    x = network_input(model, square(seen))
    work = operations(model, seen)
    with torch.inference_mode():
        for _ in range(options.rounds):
            for form in forms:
                form.turn(x)
    truth = picture(model, forms[0].answer)
    for form in forms:
        cpu, wall = min(form.cpu), min(form.wall)
        error = float(np.mean((picture(model, form.answer) - truth) ** 2))
        near = f"{-10 * np.log10(error):.1f} dB" if error > 0 else "same"
        times = min(forms[0].cpu) / cpu
        print(f"{model} | {side} | {form.name} | {cpu:.3f} | {wall:.3f} | {times:.2f}", end="")
        print(f" | {work / cpu / 1e9:.0f} | {near}", flush=True)


def plain(model: str, weights: Path | None) -> Callable[[Any], Any]:
    """Return the plain network in float32, as it is trained, with the weights."""
    from photochrom.colorize.generator.weights import fill, read_weights

    network = _network(model)
    file = weights or find_model(model).embedded
    assert file
    fill(network, read_weights(file), file)
    return network.eval()  # type: ignore[no-any-return]


def _network(model: str) -> Any:
    from photochrom.colorize.generator.deoldify import LAYOUTS, DeOldify
    from photochrom.colorize.generator.pocket import PocketNetwork

    layout = find_model(model).layout
    return DeOldify(LAYOUTS[layout]) if layout in LAYOUTS else PocketNetwork()


def operations(model: str, side: int) -> int:
    """Return the floating-point operations of the plain network for one square."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        network = _network(model).eval()
        x = torch.empty(1, 1 if model == "pocket" else 3, side, side)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(x)
    return int(counter.get_total_flops())


def product_rate(precision: str) -> float:
    """Return how fast two matrices of side 1024 are multiplied, in GFLOP/s."""
    import torch

    matrix = torch.randn(1024, 1024).to(getattr(torch, precision))
    best = float("inf")
    for _ in range(8):
        start = time.process_time()
        matrix @ matrix
        best = min(best, time.process_time() - start)
    return 2 * 1024**3 / best / 1e9


def square(side: int) -> NDArray[np.uint8]:
    """Return a portrait as a grey square."""
    with Image.open(PHOTO) as image:
        return np.array(image.convert("L").resize((side, side), Image.Resampling.BILINEAR))


def network_input(model: str, grey: NDArray[np.uint8]) -> Any:
    """Return what a model's network sees of a grey square."""
    import torch

    from photochrom.colorize.generator.deoldify import normalise

    x = torch.from_numpy(grey)[None, None].float()
    return x if model == "pocket" else normalise(x)


def picture(model: str, answer: Any) -> NDArray[np.float64]:
    """Return a network's answer as colours in 0..1 (chroma over a range of 256 for pocket)."""
    from photochrom.colorize.generator.deoldify import denormalise

    values = answer.float() / 256 if model == "pocket" else denormalise(answer.float())
    return np.asarray(values, np.float64)


def on_gpu(model: str, weights: Path | None, options: argparse.Namespace) -> None:
    """Print images per second by batch size on a CUDA device, transfers included."""
    print("model | side | precision | form | " + " | ".join(f"batch {batch}" for batch in BATCHES))
    for precision in (*PRECISIONS, "float16"):
        for compiled in (False, True) if options.compiled else (False,):
            generator = load_generator(
                *(model,), weights=weights, device="cuda", precision=precision, compiled=compiled
            )
            form = "compiled" if compiled else "plain"
            for side in options.sides:
                rates = " | ".join(f"{rate(generator, side, batch):.1f}" for batch in BATCHES)
                print(f"{model} | {side} | {precision} | {form} | {rates}", flush=True)


def rate(generator: Generator, side: int, batch: int) -> float:
    """Return images per second."""
    squares = np.stack([square(side)] * batch)
    generator.warm_up(side, batch)
    start, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - start < 2:
        generator.chroma(squares)
        done += batch
    return done / (time.perf_counter() - start)


def replicas(options: argparse.Namespace) -> None:
    """Compare two replicas of one thread with one of two, in squares per second, taking turns."""
    print("model | side | two of one thread | one of two threads | ratio\n---|---|---|---|---")
    for model, weights in options.weights.items():
        for side in options.sides:
            rates: dict[int, list[float]] = {2: [], 1: []}
            for _ in range(options.rounds):
                for count, found in rates.items():
                    found.append(_rate(model, weights, side, count, options.squares))
            two, one = max(rates[2]), max(rates[1])
            print(f"{model} | {side} | {two:.2f} | {one:.2f} | {two / one:.2f}", flush=True)


def _rate(model: str, weights: Path | None, side: int, count: int, squares: int) -> float:
    """Return the squares per second of `count` replicas that share two threads."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(count + 1)
    each = squares // count
    workers = [
        context.Process(target=_paint, args=(model, weights, side, 2 // count, each, ready))
        for _ in range(count)
    ]
    for worker in workers:
        worker.start()
    ready.wait(timeout=300)
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    return each * count / (time.perf_counter() - start)


def _paint(
    model: str, weights: Path | None, side: int, threads: int, squares: int, ready: Any
) -> None:
    generator = load_generator(model, weights=weights, device="cpu", threads=threads)
    generator.warm_up(side, 1)
    ready.wait(timeout=300)
    for _ in range(squares):
        generator.chroma(square(side)[None])


def _weights(texts: Sequence[str]) -> dict[str, Path | None]:
    named: dict[str, Path | None] = {}
    for text in texts:
        model, _, file = text.partition("=")
        named[model] = Path(file) if file else None
    return named or {"pocket": None}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--weights", action="append", metavar="MODEL[=FILE]", default=[])
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--batches", type=int, nargs="+", default=(1,))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--squares", type=int, default=12, help="painted in each turn of --replicas"
    )
    parser.add_argument("--replicas", action="store_true")
    parser.add_argument("--gpu", action="store_true", help="the rates on a CUDA device alone")
    parser.add_argument("--compiled", action="store_true", help="with --gpu: by torch.compile too")
    options = parser.parse_args()
    options.weights = _weights(options.weights)
    return options


if __name__ == "__main__":
    main()
