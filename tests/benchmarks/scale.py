"""What a job of very many photographs costs beside the photographs: the curve, in one table.

    python -m tests.benchmarks.scale 100000 1000000
    python -m tests.benchmarks.scale 10000000 --s3

The manifests, and a ledger of rows that nobody painted, are made here; no picture is read. Every
step runs in a process of its own: shown are seconds by the clock, CPU-seconds and peak memory.
With --s3, manifest and place lie in a SeaweedFS on this machine, which takes its share of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from photochrom.jobs.compaction import TOGETHER
from photochrom.jobs.planning.plan import Plan, read_plans
from photochrom.jobs.records import LedgerRow, PrintedRow, schema_of, table_bytes
from photochrom.jobs.settings import Job, load_job
from photochrom.jobs.storage.store import Store
from photochrom.jobs.tally import Tally
from tests.servers import SeaweedFS

BATCH = 100_000
SHARD_ROWS = 500
REPLICAS = 1000
THIN_FROM = 1_000_000  # above it commits are made without rows of their own, and not compacted
KEY, SECRET = "PHOTOCHROM_SCALE_KEY", "PHOTOCHROM_SCALE_SECRET"
PRINT = "0123456789abcdef"
QUESTIONS = {
    "by outcome": "SELECT outcome, reason, count(*) FROM current GROUP BY ALL",
    "by collection": "SELECT collection, count(*), avg(chroma_mean) FROM current GROUP BY ALL",
    "one photo": "SELECT * FROM current WHERE row_id = 'plates/00000077'",
    "by weights": "SELECT weights_sha256, count(*) FROM current WHERE ai_colorized GROUP BY ALL",
}


def main() -> None:
    """Measure each size, or do the one step that a child is asked for."""
    options = _options()
    if options.step:
        print(json.dumps(STEPS[options.step](load_job(options.job)) or {}))
        return
    for count in options.photographs:
        with ExitStack() as stack:
            job_file = job_of(
                folder_of(count, options, stack), count, stack if options.s3 else None
            )
            print(f"\n{count:,} photographs", flush=True)
            print(f"{'':34}{'clock s':>9}{'CPU s':>9}{'peak MB':>9}", flush=True)
            left_out = [THIN] if count <= THIN_FROM else FULL
            for step in options.only or [step for step in STEPS if step not in left_out]:
                measure(step, job_file)


def folder_of(count: int, options: argparse.Namespace, stack: ExitStack) -> Path:
    """Return where to work: a folder that is kept, or one that goes."""
    if options.keep is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-")))
    folder: Path = options.keep / str(count)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def measure(step: str, job_file: Path) -> None:
    """Run a step in a process of its own, and print what it took."""
    words = [sys.executable, "-m", "tests.benchmarks.scale", "--step", step, "--job", str(job_file)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    begin = time.perf_counter()
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{step} failed")
    cpu, clock = usage.ru_utime + usage.ru_stime, time.perf_counter() - begin
    print(f"{step:34}{clock:9.1f}{cpu:9.1f}{usage.ru_maxrss / 1024:9.0f}")
    for name, value in json.loads(said).items():
        print(f"    {name}: {value}", flush=True)


# --- a job of nothing ------------------------------------------------------------------------


def job_of(folder: Path, count: int, servers: ExitStack | None) -> Path:
    """Write a manifest and a job file."""
    manifest = folder / "manifest.parquet"
    if not manifest.exists():
        write_manifest(manifest, count)
    lines = [f'manifest = "{manifest}"', f'output = "{folder}/place"']
    if servers is not None:
        server = servers.enter_context(SeaweedFS())
        server.create_bucket("scale")
        os.environ |= {KEY: server.access_key, SECRET: server.secret_key}
        access = [f'endpoint = "{server.endpoint}"', f'access_key_env = "{KEY}"']
        access.append(f'secret_key_env = "{SECRET}"')
        lines = ['manifest = "s3://scale/manifest.parquet"', 'output = "s3://scale/place"']
        for side in ("source", "output"):
            lines += [f"[storage.{side}]", *access]
    lines += ["[run]", f"shard_rows = {SHARD_ROWS}", "shard_bytes = 1000000000000"]
    job_file = folder / "job.toml"
    job_file.write_text("\n".join(lines) + "\n")
    if servers is not None:
        store = Store("s3://scale", load_job(str(job_file)).storage.source)
        store.put_file("manifest.parquet", manifest)
    return job_file


def write_manifest(path: Path, count: int) -> None:
    """Write a manifest such as a library's: ids, URIs, versions, sizes, collections."""
    dice = np.random.default_rng(count)
    schema = pa.schema([(n, pa.string()) for n in ("row_id", "uri", "version", "collection")])
    schema = schema.append(pa.field("bytes", pa.int64()))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, count, BATCH):
            count_here = min(BATCH, count - first)
            numbers = pa.array(np.arange(first, first + count_here))
            sizes = pa.array(dice.lognormal(16.5, 0.8, count_here).astype(np.int64))
            name = _padded(numbers, 8)
            box = _padded(pc.divide(numbers, 400), 5)
            columns = [
                _joined("plates/", name),
                _joined("scans/box-", box, "/plate-", name, ".tif"),
                _joined(_digits(dice, count_here, 16), "-", sizes.cast(pa.string())),
                _joined("box ", box),
                sizes,
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _padded(numbers: Any, width: int) -> Any:
    return pc.utf8_lpad(pc.cast(numbers, pa.string()), width, "0")


def _joined(*parts: Any) -> Any:
    return pc.binary_join_element_wise(*parts, "")


def _digits(dice: np.random.Generator, count: int, size: int) -> Any:
    """Make texts of so many random bytes, as digests are: (count,)."""
    drawn = dice.integers(0, 256, (count, size))
    pairs = np.array([f"{byte:02x}".encode() for byte in range(256)])
    return pa.array(pairs[drawn].view(f"S{2 * size}").ravel()).cast(pa.string())


def full_ledger(job: Job) -> None:
    """Commit every shard, as if it had been painted: colorized rows, and a print for each."""
    store = Store(job.output, job.storage.output)
    with ThreadPoolExecutor(8) as threads:
        for plan, tables in _done(store):
            work = [
                (key, table.slice(cut.first, cut.rows))
                for cut in plan.cuts
                for key, table in zip(_names(cut.key), tables, strict=True)
            ]
            list(threads.map(lambda one: _file(store, one[0], table_bytes(one[1])), work))


def thin_ledger(job: Job) -> None:
    """Write copies of commits, and of each commit only that it stands: its rows are another's.

    It is much sooner made, and questions do not see the difference.
    """
    store = Store(job.output, job.storage.output)
    for plan, tables in _done(store):
        stands = [table_bytes(table.slice(0, SHARD_ROWS)) for table in tables]
        for first in range(0, len(plan.cuts), TOGETHER):
            cuts = plan.cuts[first : first + TOGETHER]
            rows = sum(cut.rows for cut in cuts)
            for at, folder in enumerate(("ledger", f"printed/{PRINT}")):
                keys = [_names(cut.key)[at] for cut in cuts]
                with ThreadPoolExecutor(8) as threads:
                    list(threads.map(lambda key, data=stands[at]: _file(store, key, data), keys))
                part = tables[at].slice(cuts[0].first, rows)
                said = {"holds": json.dumps(sorted(keys)), "tally": Tally.of(part).to_json()}
                copy = table_bytes(part, said)
                _file(store, f"compacted/{folder}/{plan.number:04}-{first:05}.parquet", copy)


def _names(shard_key: str) -> tuple[str, str]:
    return (
        f"ledger/shard-{shard_key}.parquet",
        f"printed/{PRINT}/shard-{shard_key}.{shard_key[:16]}.parquet",
    )


def _done(store: Store) -> Iterator[tuple[Plan, tuple[pa.Table, pa.Table]]]:
    """Yield each plan with ledger rows and printed rows for all of its rows."""
    plans = read_plans(store)
    begun = np.datetime64("now", "us") - np.timedelta64(sum(plan.count for plan in plans), "s")
    for plan in plans:
        yield plan, _rows_done(plan.file.table(0, plan.count), plan.number, begun)
        begun += np.timedelta64(plan.count, "s")


def _file(store: Store, key: str, data: bytes) -> None:
    """Write as fast as it goes: nothing here needs to survive a power cut."""
    if store.root.startswith("file://"):
        path = Path(store.root.removeprefix("file://"), key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    else:
        store.put(key, data)


def _rows_done(rows: pa.Table, plan: int, begun: np.datetime64) -> tuple[pa.Table, pa.Table]:
    """Return the ledger rows and the printed rows of a plan's rows."""
    count, dice = len(rows), np.random.default_rng()
    times = begun + np.arange(count).astype("timedelta64[s]")
    uris = _joined("file:///place/plates/", rows["row_key"], ".png")
    digests, plates = (_digits(dice, count, 32) for _ in range(2))
    known: dict[str, Any] = {name: rows[name] for name in rows.schema.names}
    known |= {"plate_sha256": plates, "plate_uri": uris, "output_uri": uris}
    known |= {"source_sha256": digests, "luma_sha256": digests, "output_sha256": digests}
    known |= {"started_at": pa.array(times), "chroma_mean": pa.array(dice.normal(20, 4, count))}
    known |= {"finished_at": pa.array(times + np.timedelta64(1, "s"))}
    same = {"plan": plan, "outcome": "colorized", "ai_colorized": True, "cpu_seconds": 0.5}
    same |= {"print_digest": PRINT, "output_bytes": 1_000_000, "width": 4000, "height": 3000}
    same |= {"tone_table_sha256": "0" * 64, "weights_sha256": "1" * 64}

    def column(field: pa.Field[Any]) -> Any:
        if field.name in known and field.name != "tone":
            return known[field.name].cast(field.type)
        none = {pa.string(): "", pa.bool_(): False}.get(field.type, 0)
        value = same.get(field.name, none)
        return pa.repeat(pa.scalar(value, field.type), count)

    ledger, printed = (
        pa.table([column(field) for field in schema_of(kind)], schema=schema_of(kind))
        for kind in (LedgerRow, PrintedRow)
    )
    return ledger, printed


# --- what is measured ------------------------------------------------------------------------


@contextmanager
def timed(found: dict[str, str], name: str) -> Iterator[None]:
    """Note what a part of a step takes, by the clock and of the CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    yield
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    found[name] = f"{clock:.2f} s, {cpu:.2f} CPU-s"


def plan(job: Job) -> dict[str, str]:
    """`photochrom plan`: read and check the manifest, forecast, write nothing."""
    from photochrom.jobs.planning.estimate import estimate
    from photochrom.jobs.planning.order import Order

    found: dict[str, str] = {}
    with timed(found, "manifest"):
        order = Order.of(job)
    with timed(found, "forecast"):
        forecast = estimate(order)
    return found | {"to do": f"{forecast.work:,} in {forecast.shards:,} shards"}


def write_plan(job: Job) -> dict[str, str]:
    """What `run` does first: the same, and append the plans."""
    from photochrom.jobs.pinned import pin
    from photochrom.jobs.planning.order import Order
    from photochrom.jobs.planning.plan import extend

    found: dict[str, str] = {}
    with timed(found, "manifest"):
        order = Order.of(job)
    pin(order.store, order.pinned)
    with timed(found, "plans"):
        plans = extend(order.store, job.run, order.rows)
    size = sum(entry.size for entry in order.store.list("plan/"))
    return found | {"plans written": f"{len(plans)}, {size / 1e6:.0f} MB"}


def drive(job: Job) -> dict[str, str]:
    """A run with a thousand workers that do nothing: the driver's own work and memory."""
    from photochrom.jobs.driving.driver import Driver
    from photochrom.jobs.driving.meters import Meters
    from photochrom.jobs.planning.order import Order
    from photochrom.monitoring import Metrics, NullBackend
    from tests.benchmarks.scale_pool import IdlePool, Silent

    pool = IdlePool(REPLICAS)
    order, found = Order.of(job), dict[str, str]()
    with timed(found, "all shards handed out, and the summary"):
        Driver(order, pool.opened, Silent(), Meters(Metrics(NullBackend()))).run()
    marks = [f"{mb:.0f}" for mb in pool.memory]
    return found | {"MB, as it went on": " ".join(marks), "shards": f"{pool.sent:,}"}


def resume(job: Job) -> dict[str, str]:
    """What a driver looks at when it comes back: the log, all commits, what is left."""
    from photochrom.jobs.ledger import committed
    from photochrom.jobs.planning.plan import open_shards

    store, found = Store(job.output, job.storage.output), dict[str, str]()
    with timed(found, "commits listed"):
        standing = committed(store)
    with timed(found, "shards left"):
        left = open_shards(read_plans(store), standing)
    return found | {"commits": f"{len(standing):,}, shards left: {len(left):,}"}


def replan(job: Job) -> dict[str, str]:
    """The same command again: nothing is new."""
    return plan(job)


def status(job: Job) -> dict[str, str]:
    """`photochrom status`."""
    from photochrom.jobs.status import status_of

    found: dict[str, str] = {}
    with timed(found, "status"):
        answer = status_of(Store(job.output, job.storage.output))
    return found | {"rows": f"{answer.committed:,} of {answer.planned:,}"}


def compaction(job: Job) -> dict[str, str]:
    """Copy all commits into few files."""
    from photochrom.jobs.compaction import compact

    store = Store(job.output, job.storage.output)
    new = compact(store)
    size = sum(entry.size for entry in store.list("compacted"))
    return {"copies": f"{new}, {size / 1e6:.0f} MB"}


def audit(job: Job) -> dict[str, str]:
    """Questions: the first opens the tables."""
    from photochrom.jobs.audit.questions import questions

    found: dict[str, str] = {}
    with questions(Store(job.output, job.storage.output)) as tables:
        with timed(found, "tables opened"):
            tables.ask("SELECT outcome FROM current LIMIT 0")
        for name, sql in QUESTIONS.items():
            with timed(found, name):
                tables.ask(sql)
    return found


STEPS: dict[str, Any] = {
    "plan": plan,
    "write the plans": write_plan,
    "drive idle workers": drive,
    "make a ledger (not measured)": full_ledger,
    "status, 2 files a shard": status,
    "compaction": compaction,
    "make a thin ledger (not measured)": thin_ledger,
    "resume": resume,
    "plan again": replan,
    "status": status,
    "audit": audit,
}
THIN = "make a thin ledger (not measured)"
FULL = ("make a ledger (not measured)", "status, 2 files a shard", "compaction")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("photographs", type=int, nargs="*", default=[100_000])
    parser.add_argument("--s3", action="store_true", help="in a SeaweedFS on this machine")
    parser.add_argument("--keep", type=Path, help="work in a folder here, and go on in it later")
    parser.add_argument("--only", nargs="+", choices=STEPS, help="of the steps, in this order")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
