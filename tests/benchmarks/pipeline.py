"""What a job costs beside the work itself: photos per second on a local Ray and in a bare loop.

    python tests/benchmarks/pipeline.py --photos 40 --rounds 3

Both do the same to the same JPEGs: fetch, decode, paint, print, prove, store. As many bare loops as
the job has replicas run at once, each with its share of the photos; they keep no ledger. A third
loop, `paint`, only paints: what hides behind the generator costs the job none of its rate. They
take turns, few photos and many, so that the fixed cost and the cost of one more photo come apart;
what `ray.init` and `ray.shutdown` take by themselves is measured beside them. CPU time is that of
all processes, read from /proc while they live.

    python tests/benchmarks/pipeline.py --sizes "12 MP" --replicas 1 \
        --model artistic --weights artistic.safetensors --render-size 336

lets one replica of a large generator and what is done around it share the cores.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from photochrom.colorize.picture import Photo, Plate

SIZES = {"2 MP": (1600, 1250), "12 MP": (4000, 3000)}
FEW = 8
LOOKS_EVERY = 0.25  # seconds: looking takes time of the same cores
TICK = os.sysconf("SC_CLK_TCK")
PROGRAM = "from photochrom.jobs.cli import program; program()"
RAY_ALONE = "import ray; ray.init(address='local', include_dashboard=False); ray.shutdown()"


class Spent(NamedTuple):
    """What one command took, in seconds."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Cost:
    """Seconds of a line: `fixed` once, `each` for every photo."""

    fixed: float
    each: float

    @classmethod
    def between(cls, few: tuple[int, float], many: tuple[int, float]) -> Cost:
        each = (many[1] - few[1]) / (many[0] - few[0])
        return cls(few[1] - few[0] * each, each)


def main() -> None:
    """Measure, and print a table."""
    options = _options()
    if options.loop:
        loops(Path(options.loop[0]), Path(options.loop[1]), options)
        return
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        for name in options.sizes:
            width, height = SIZES[name]
            photos = Path(folder) / name.replace(" ", "")
            draw(photos, width, height, options.photos)
            compare(name, photos, options)


def compare(name: str, photos: Path, options: argparse.Namespace) -> None:
    """Let job and bare loop take turns on one folder of photos."""
    counts = (FEW, options.photos)
    lists = [listing(photos, count) for count in counts]
    figures: dict[str, list[list[Spent]]] = {kind: [[], []] for kind in ("job", *LOOPS)}
    ray: list[Spent] = []
    for turn in range(options.rounds):
        ray.append(spent(["-c", RAY_ALONE]))
        for at, manifest in enumerate(lists):
            for kind, measured in figures.items():
                out = photos / f"{kind}-{turn}-{at}"
                measured[at].append(spent(command(kind, manifest, out, options)))
                cpu, wall = measured[at][-1]
                shown = f"{cpu:.2f} CPU-s in {wall:.2f} s"
                print(f"  {name}, {counts[at]} photos, {kind}: {shown}", flush=True)
    for unit in Spent._fields:
        told(name, unit, counts, figures, statistics.median(getattr(one, unit) for one in ray))


def told(
    name: str,
    unit: str,
    counts: tuple[int, int],
    figures: dict[str, list[list[Spent]]],
    ray: float,
) -> None:
    """Print what came out, in CPU-seconds or by the clock."""
    costs = {}
    for kind, (few, many) in figures.items():
        middle = [statistics.median(getattr(one, unit) for one in runs) for runs in (few, many)]
        costs[kind] = Cost.between((counts[0], middle[0]), (counts[1], middle[1]))
        rate, fixed = 1 / costs[kind].each, costs[kind].fixed
        print(f"{name} {kind}, {unit}: {rate:.2f} photos a second, and {fixed:.1f} s once")
    for kind in LOOPS:
        ratio = costs[kind].each / costs["job"].each
        print(f"{name}, {unit}: the job does {ratio:.3f} of the photos a second of {kind}")
    beyond = costs["job"].fixed - costs["bare"].fixed - ray
    print(f"{name}, {unit}: ray.init takes {ray:.1f} s, the rest of a job {beyond:.1f} s once")


def command(kind: str, manifest: Path, out: Path, options: argparse.Namespace) -> list[str]:
    """Return the command that does the listed photos."""
    if kind in LOOPS:
        words = [__file__, "--loop", str(manifest), str(out), "--kind", kind]
        words += ["--model", options.model, "--replicas", str(options.replicas)]
        words += ["--render-size", str(options.render_size)]
        return words + (["--weights", options.weights] if options.weights else [])
    settings = {"paint.model": options.model, "run.replicas": options.replicas}
    settings |= {"paint.render_size": options.render_size}
    settings |= {"paint.weights": options.weights} if options.weights else {}
    changes = [word for key in settings for word in ("--set", f"{key}={settings[key]}")]
    return ["-c", PROGRAM, "run", str(manifest), str(out), *changes]


def loops(manifest: Path, out: Path, options: argparse.Namespace) -> None:
    """Run loops at once, each with every so manieth photo."""
    names = [json.loads(line)["uri"] for line in manifest.read_text().splitlines()]
    photos = [manifest.parent / name for name in names]
    running = [
        multiprocessing.Process(
            target=LOOPS[options.kind], args=(photos[first :: options.replicas], out, options)
        )
        for first in range(options.replicas)
    ]
    for loop in running:
        loop.start()
    for loop in running:
        loop.join()
        if loop.exitcode:
            raise SystemExit("a loop failed")


def bare(photos: list[Path], out: Path, options: argparse.Namespace) -> None:
    """Do the photos one after the other with the job's own functions, and nothing else."""
    from photochrom.colorize.picture import Photo, PrintRecipe
    from photochrom.jobs.identity import print_name
    from photochrom.jobs.storage.store import Store

    source, store, painted = Store(str(photos[0].parent)), Store(str(out)), painter(options)
    with tempfile.TemporaryDirectory() as scratch:
        original, print_ = Path(scratch) / "original", Path(scratch) / "print.jpg"
        for name in [photo.name for photo in photos]:
            photo = Photo.open(original, sha256=source.fetch(name, original).sha256)
            plate = painted(photo)
            facts = plate.print_on(photo).save(print_, PrintRecipe())
            store.put(f"plates/{plate.sha256}.png", plate.png)
            store.put_file(print_name("", name, name, facts.output_sha256, "jpg"), print_)


def paint(photos: list[Path], out: Path, options: argparse.Namespace) -> None:
    """Only paint: the first photo, as often as there are photos."""
    from photochrom.colorize.picture import Photo

    photo, painted = Photo.open(photos[0]), painter(options)
    for _ in photos:
        painted(photo)


LOOPS = {"bare": bare, "paint": paint}


def painter(options: argparse.Namespace) -> Callable[[Photo], Plate]:
    """Load the generator, as a worker does."""
    from photochrom.colorize.colorizer import Colorizer, Failure

    colorizer = Colorizer.load(options.model, weights=options.weights)

    def painted(photo: Photo) -> Plate:
        (plate,) = colorizer.paint([photo], options.render_size)
        assert not isinstance(plate, Failure)
        return plate

    return painted


def spent(words: list[str]) -> Spent:
    """Run a Python command; return what it took, the CPU time of all processes of its session."""
    seen: dict[int, float] = {}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *words],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while process.poll() is None:
        seen |= session_seconds(process.pid)
        time.sleep(LOOKS_EVERY)
    assert process.stderr is not None
    if process.returncode:
        raise SystemExit(process.stderr.read().decode())
    return Spent(sum(seen.values()), time.monotonic() - begun)


def environment() -> dict[str, str]:
    """Return one of one thread; modules are compiled once, as where they are installed."""
    found = os.environ | {"OMP_NUM_THREADS": "1", "PHOTOCHROM_DEBUG": "1"}
    found["RAY_USAGE_STATS_ENABLED"] = "0"
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def session_seconds(session: int) -> dict[int, float]:
    """Return the CPU time so far of each living process of a session."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                found[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / TICK
    return found


def draw(folder: Path, width: int, height: int, count: int) -> None:
    """Make grey JPEGs with slopes, edges and grain; each is another crop of one scene."""
    folder.mkdir()
    dice = np.random.default_rng(1)
    y, x = np.mgrid[0:1:1024j, 0:1:1024j]
    scene = 0.2 + 0.5 * x + 0.2 * y + 0.1 * np.sin(40 * x * y)
    base = Image.fromarray((scene * 255).astype(np.uint8)).resize((width + count, height))
    grain = dice.normal(0, 5, (height, width + count))
    full = np.clip(np.asarray(base) + grain, 0, 255).astype(np.uint8)
    for number in range(count):
        photo = Image.fromarray(full[:, number : number + width])
        photo.save(folder / f"{number:03}.jpg", quality=92)


def listing(folder: Path, count: int) -> Path:
    """Write a manifest of the first so many photos."""
    path = folder / f"first-{count}.jsonl"
    names = sorted(photo.name for photo in folder.glob("*.jpg"))[:count]
    path.write_text("".join(json.dumps({"uri": name}) + "\n" for name in names))
    return path


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--photos", type=int, default=40, help=f"of each size, more than {FEW}")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--replicas", type=int, default=2, help="and bare loops")
    parser.add_argument("--weights", help="of a model that does not ship")
    parser.add_argument(
        "--render-size", default="auto", type=lambda s: s if s == "auto" else int(s)
    )
    parser.add_argument("--loop", nargs=2, metavar=("MANIFEST", "OUT"), help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=LOOPS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
