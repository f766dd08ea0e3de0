"""What so many photographs come to: replica-hours, bytes and requests.

    python -m tests.benchmarks.arithmetic 1000000 100000000 --seconds 0.5 --scan-mb 50

Sizes are reckoned as `photochrom plan` does, shards as a run cuts them at that pace. Requests are
those that `python -m tests.benchmarks.requests` counts; bytes of a row are those of
`python -m tests.benchmarks.scale`.
"""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa

from photochrom.colorize.picture import PrintRecipe
from photochrom.jobs.compaction import TOGETHER
from photochrom.jobs.planning import effort
from photochrom.jobs.planning.estimate import PLATE_BYTES, print_bytes
from photochrom.jobs.planning.plan import PLAN_ROWS
from photochrom.jobs.planning.shards import bounds
from photochrom.jobs.settings import Run

PLAN_ROW, LEDGER_ROW, PRINTED_ROW = 55, 250, 190  # bytes, compressed
PAGE = 1000  # keys in an answer to LIST
PRINTS = {
    "JPEG prints, 3000 pixels": PrintRecipe(long_side=3000),
    "TIFF prints, full size": PrintRecipe(format="tiff"),
}


def main() -> None:
    """Print a table, a column for each number of photographs."""
    options = _options()
    columns = [column(count, options) for count in options.photographs]
    print(f"{'':44}" + "".join(f"{count:>20,}" for count in options.photographs))
    for name in columns[0]:
        print(f"{name:44}" + "".join(f"{found[name]:>20}" for found in columns))


def column(count: int, options: argparse.Namespace) -> dict[str, str]:
    """Return what one number of photographs comes to, by name."""
    size = options.scan_mb * 1e6
    uris, sizes = pa.array(["scan.tif"]), np.array([round(size)])
    pixels = effort.pixels(uris, sizes)
    pace = options.seconds / float(effort.seconds(pixels)[0])
    sample = 200_000
    starts = bounds(np.full(sample, sizes[0]), np.full(sample, options.seconds / pace), Run(), pace)
    shards = round(count * len(starts) / sample)
    found = {
        "replica-hours": f"{count * options.seconds / 3600:,.0f}",
        "days, on 100 replicas": f"{count * options.seconds / 86400 / 100:,.1f}",
        "scans": tera(count * size),
        "plates": tera(count * PLATE_BYTES),
    }
    for name, recipe in PRINTS.items():
        found[name] = tera(count * float(print_bytes(uris, sizes, pixels, recipe)[0]))
    copies = 2 * (shards // TOGETHER)
    return found | {
        "plans": f"{-(-count // PLAN_ROWS):,}",
        "shards of 3 minutes": f"{shards:,}",
        "plans, in all": tera(count * PLAN_ROW),
        "ledger and printed rows": tera(count * (LEDGER_ROW + PRINTED_ROW)),
        "GET of scans": f"{count:,}",
        "PUT of plates and prints": f"{2 * count:,}",
        "PUT of commits": f"{2 * shards:,}",
        "GET and PUT of their copies": f"{2 * shards:,} + {copies:,}",
        "LIST, when a run comes back": f"{-(-shards // PAGE):,}",
        "requests for a photograph": f"{(3 * count + 4 * shards + copies) / count:.3f}",
    }


def tera(size: float) -> str:
    """Return bytes in words."""
    return f"{size / 1e12:,.1f} TB" if size >= 1e12 else f"{size / 1e9:,.1f} GB"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("photographs", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a replica, for a photograph")
    parser.add_argument("--scan-mb", type=float, default=50, help="of a scan, a TIFF")
    return parser.parse_args()


if __name__ == "__main__":
    main()
