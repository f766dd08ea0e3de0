"""doctor: is this machine ready?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from photochrom.jobs.cli.common import Changes, Json, show, show_json

Check = tuple[str, Callable[[], str]]


def register(app: typer.Typer) -> None:
    """Add this family's verbs."""
    app.command(epilog="Example: photochrom doctor s3://colour/negatives")(doctor)


def doctor(
    out: Annotated[
        str | None, typer.Argument(metavar="OUT", help="An output place, tried too if named.")
    ] = None,
    set_: Changes = None,
    json: Json = False,
) -> None:
    """Check this machine: decoders, generator, device, Ray, and whether OUT can be written."""
    results = [_tried(name, check) for name, check in _checks(out, set_ or [])]
    if json:
        show_json([{"check": name, "ok": ok, "what": what} for name, ok, what in results])
    else:
        show("", ["check", "", "what"], [(n, "ok" if ok else "NOT OK", w) for n, ok, w in results])
    if not all(ok for _, ok, _ in results):
        raise typer.Exit(1)


def _checks(out: str | None, changes: list[str]) -> Iterator[Check]:
    yield "decoders", _decoders
    yield "generator", _generator
    yield "device", _device
    yield "ray", _ray
    if out is not None:
        yield f"storage {out}", lambda: _storage(out, changes)


def _tried(name: str, check: Callable[[], str]) -> tuple[str, bool, str]:
    from photochrom.colorize.errors import PhotochromError

    try:
        return name, True, check()
    except (PhotochromError, ImportError, OSError) as error:
        return name, False, " ".join(str(error).split())


def _decoders() -> str:
    from importlib.metadata import PackageNotFoundError, version

    import imagecodecs
    import tifffile

    from photochrom.colorize.picture.vips import pyvips

    libvips = ".".join(str(pyvips.version(part)) for part in range(3))
    said = [f"libvips {libvips}", f"tifffile {tifffile.__version__}"]
    said.append(f"imagecodecs {imagecodecs.__version__}")
    for name, extra in (("rawpy", "raw"), ("pillow-heif", "heif")):
        try:
            said.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            said.append(f"no {name} (photochrom[{extra}])")
    return ", ".join(said)


def _generator() -> str:
    import numpy as np

    from photochrom.colorize.generator import load_generator

    generator = load_generator("pocket", device="cpu")
    chroma = generator.chroma(np.full((1, 64, 64), 128, np.uint8))
    return f"pocket paints {chroma.shape[1]} x {chroma.shape[2]}, sha256 {generator.weights_sha256}"


def _device() -> str:
    import torch

    from photochrom.colorize.generator.device import DTYPES, choose_device, computes_in

    device = choose_device("auto")
    quickly = f"quick in {', '.join(name for name in DTYPES if computes_in(name, device))}"
    if device.type == "cuda":
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, {quickly}"
    threads = torch.get_num_threads()
    return f"no GPU; torch {torch.__version__} on {threads} CPU threads, {quickly}"


def _ray() -> str:
    from importlib.metadata import version

    import photochrom.cluster.pool  # noqa: F401 - that it can be imported is the check

    return f"ray {version('ray')}"


def _storage(out: str, changes: list[str]) -> str:
    from photochrom.jobs.settings import load_job
    from photochrom.jobs.storage.store import Store

    job = load_job("unused", out, changes)
    Store(job.output, job.storage.output).probe()
    return "writable, and creates objects once only"
