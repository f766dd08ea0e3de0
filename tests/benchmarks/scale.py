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
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from photochrom.jobs.settings import Job, load_job
from photochrom.jobs.store import Store
from tests.servers import SeaweedFS

BATCH = 100_000
SHARD_ROWS = 500
REPLICAS = 1000
KEY, SECRET = "PHOTOCHROM_SCALE_KEY", "PHOTOCHROM_SCALE_SECRET"
PRINT = "0123456789abcdef"
DIGESTS = pa.array([secrets.token_hex(32) for _ in range(20_000)])
QUESTIONS = {
    "by outcome": "SELECT outcome, reason, count(*) FROM current GROUP BY ALL",
    "by collection": "SELECT collection, count(*), avg(chroma_mean) FROM current GROUP BY ALL",
    "one photo": "SELECT * FROM current WHERE row_id = 'plates/0000077'",
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
            for step in options.only or STEPS:
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
            numbers = range(first, min(first + BATCH, count))
            sizes = dice.lognormal(16.5, 0.8, len(numbers)).astype(np.int64)
            columns = [
                [f"plates/{n:07}" for n in numbers],
                [f"scans/box-{n // 400:05}/plate-{n:07}.tif" for n in numbers],
                [f"{dice.bytes(16).hex()}-{size}" for size in sizes],
                [f"box {n // 400}" for n in numbers],
                sizes,
            ]
            writer.write_table(pa.table(columns, schema=schema))


def fake_ledger(job: Job) -> None:
    """Commit every shard, as if it had been painted: colorized rows, and a print for each."""
    from photochrom.jobs.plan import read_plans

    store = Store(job.output, job.storage.output)
    plans = read_plans(store)
    total = sum(plan.count for plan in plans)
    begun = datetime.now(UTC) - timedelta(seconds=total)
    with ThreadPoolExecutor(8) as threads:
        for plan in plans:
            rows = plan.file.table(0, plan.count)
            work = []
            for cut in plan.cuts:
                part = rows.slice(cut.first, cut.rows)
                ledger, printed = _rows_done(part, cut.key, plan.number, begun)
                begun += timedelta(seconds=cut.rows)
                name = secrets.token_hex(8)
                work.append((f"ledger/shard-{cut.key}.parquet", ledger))
                work.append((f"printed/{PRINT}/shard-{cut.key}.{name}.parquet", printed))
            list(threads.map(lambda one: _file(store, *one), work))


def _file(store: Store, key: str, table: pa.Table) -> None:
    """Write as fast as it goes: nothing here needs to survive a power cut."""
    from photochrom.jobs.records import table_bytes

    data = table_bytes(table)
    if store.root.startswith("file://"):
        path = Path(store.root.removeprefix("file://"), key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    else:
        store.put(key, data)


def _rows_done(
    part: pa.Table, shard_key: str, plan: int, begun: datetime
) -> tuple[pa.Table, pa.Table]:
    """Return the ledger rows and the printed rows of one shard."""
    from photochrom.jobs.records import LedgerRow, PrintedRow, schema_of

    count = len(part)
    at = secrets.randbelow(len(DIGESTS) - 2 * count)
    digests, plates = DIGESTS.slice(at, count), DIGESTS.slice(at + count, count)
    times = begun + np.arange(count) * timedelta(seconds=1)
    uris = pa.array([f"plates/{key[:2]}/{key}.png" for key in part["row_key"].to_pylist()])
    known: dict[str, Any] = {
        name: part[name].combine_chunks()
        for name in ("row_id", "row_key", "source_uri", "source_version", "source_bytes")
    }
    known |= {name: part[name].combine_chunks() for name in ("collection", "rights", "restriction")}
    known |= {"plate_sha256": plates, "plate_uri": uris, "output_uri": uris}
    known |= {"source_sha256": digests, "luma_sha256": digests, "output_sha256": digests}
    known |= {"started_at": pa.array(times, pa.timestamp("us", "UTC"))}
    known |= {"finished_at": pa.array(times + timedelta(seconds=1), pa.timestamp("us", "UTC"))}
    known |= {"chroma_mean": pa.array(np.random.default_rng().normal(20, 4, count))}
    same = {"plan": plan, "shard_key": shard_key, "outcome": "colorized", "ai_colorized": True}
    same |= {"print_digest": PRINT, "output_bytes": 1_000_000, "width": 4000, "height": 3000}
    same |= {"tone_table_sha256": "0" * 64, "weights_sha256": "1" * 64, "cpu_seconds": 0.5}

    def column(field: pa.Field[Any]) -> Any:
        if field.name in known:
            return known[field.name]
        none = {pa.string(): "", pa.bool_(): False}.get(field.type, 0)
        return pa.array([same.get(field.name, none)] * count, field.type)

    tables = []
    for kind in (LedgerRow, PrintedRow):
        schema = schema_of(kind)
        tables.append(pa.table([column(field) for field in schema], schema=schema))
    return tables[0], tables[1]


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
    from photochrom.jobs.driver import Order
    from photochrom.jobs.estimate import estimate

    found: dict[str, str] = {}
    with timed(found, "manifest"):
        order = Order.of(job)
    with timed(found, "forecast"):
        forecast = estimate(order)
    return found | {"to do": f"{forecast.work:,} in {forecast.shards:,} shards"}


def write_plan(job: Job) -> dict[str, str]:
    """What `run` does first: the same, and append the plans."""
    from photochrom.jobs.driver import Order
    from photochrom.jobs.pinned import pin
    from photochrom.jobs.plan import extend

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
    from photochrom.jobs.driver import Driver, Order
    from photochrom.jobs.meters import Meters
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
    from photochrom.jobs.plan import open_shards, read_plans

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
    "make a ledger (not measured)": fake_ledger,
    "resume": resume,
    "plan again": replan,
    "status, 2 files a shard": status,
    "compaction": compaction,
    "status": status,
    "audit": audit,
}


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
