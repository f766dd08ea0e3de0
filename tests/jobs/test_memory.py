"""A scan of 100 megapixels passes through a worker in little memory.

The worker runs in a process of its own, `python -m tests.jobs.test_memory JOB.toml`, which prints
its peak: the high-water mark of this program alone, unlike `ru_maxrss`, which a child inherits.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from photochrom.jobs.ledger import file_recipe
from photochrom.jobs.messages import Attempt, Committed
from photochrom.jobs.pinned import pin
from photochrom.jobs.planning.order import Order
from photochrom.jobs.planning.plan import extend
from photochrom.jobs.settings import load_job
from photochrom.jobs.working.worker import Orders, Worker

SIDE = 10_000
STRIP = 100
LIMIT_MB = 1200

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc"),
]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write a grey scan of 16 bits: a slope with grain, strip by strip."""
    path = tmp_path_factory.mktemp("scans") / "glass.tif"
    shape = (SIDE, SIDE)
    tifffile.imwrite(
        path, strips(), shape=shape, dtype="uint16", rowsperstrip=STRIP, photometric="minisblack"
    )
    yield path
    path.unlink()


def strips() -> Iterator[NDArray[np.uint16]]:
    grain = np.random.default_rng(1).integers(0, 4000, (STRIP, SIDE))
    slope = np.linspace(3000, 58000, SIDE)
    for row in range(0, SIDE, STRIP):
        yield (np.roll(grain, 7 * row, 1) + slope * (0.5 + row / SIDE / 2)).astype(np.uint16)


@pytest.mark.parametrize("print_format", ["tiff", "jpeg"])
def test_a_scan_of_100_megapixels_takes_little_memory(
    scan: Path, print_format: str, tmp_path: Path
) -> None:
    job_file = tmp_path / "job.toml"
    job_file.write_text(
        f'manifest = "{scan.parent}"\noutput = "out"\n[print]\nformat = "{print_format}"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.jobs.test_memory", str(job_file)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(tmp_path / "out")  # pytest keeps its folders, and this is a gigabyte
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    print(print_format, figures)
    assert (figures["outcome"], figures["width"] * figures["height"]) == ("colorized", SIDE * SIDE)
    assert figures["bits"] == (16 if print_format == "tiff" else 8)
    assert figures["peak_mb"] < LIMIT_MB


def main(job_file: str) -> dict[str, object]:
    """Do a job's one shard in this process; return the peak of its memory and what was made."""
    order = Order.of(load_job(job_file))
    pinned = pin(order.store, order.pinned)
    (shard,) = extend(order.store, order.job.run, order.rows)[0].shards
    file_recipe(order.store, order.job.print)
    worker = Worker(Orders(order.job, pinned, "tests", "cpu"))
    begun = peak_mb()
    attempt = Attempt(shard, number=1, careful=False, condemned=frozenset(), last=False)
    *_, committed = worker.run(attempt)
    assert isinstance(committed, Committed)
    (row,), (made,) = committed.rows, committed.printed
    return {
        "outcome": row.outcome,
        "width": made.width,
        "height": made.height,
        "bits": made.bits,
        "begun_mb": begun,
        "peak_mb": peak_mb(),
        "cpu_seconds": round(row.cpu_seconds, 1),
    }


def peak_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return round(int(peak) * 1024 / 1e6, 1)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
