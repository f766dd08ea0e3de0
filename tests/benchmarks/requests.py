"""What a job asks of S3: its requests by kind, for a photograph and for a shard.

    python -m tests.benchmarks.requests

One job over two shards and one over twenty are done in this process against a SeaweedFS, by `echo`
in place of a network; the difference is what further shards cost. Retries are none of them.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from s3fs import S3FileSystem

from photochrom.jobs.settings import load_job
from photochrom.jobs.storage.store import Store
from tests.jobs.archive import drive, place_of, write_photos
from tests.servers import SeaweedFS

KEY, SECRET = "PHOTOCHROM_REQUESTS_KEY", "PHOTOCHROM_REQUESTS_SECRET"
SHARD_ROWS = 4
FEW, MANY = 2, 20  # shards


def main() -> None:
    """Count, and print a table."""
    with SeaweedFS() as server, tempfile.TemporaryDirectory() as folder:
        os.environ |= {KEY: server.access_key, SECRET: server.secret_key}
        server.create_bucket("requests")
        few, many = (counted(server, Path(folder), shards) for shards in (FEW, MANY))
    photos = (MANY - FEW) * SHARD_ROWS
    print(f"{'':16}{'job of ' + str(FEW * SHARD_ROWS):>12}{'each photo more':>18}")
    for name in sorted(few | many):
        print(f"{name:16}{few[name]:12}{(many[name] - few[name]) / photos:18.2f}")
    print(
        f"a shard has {SHARD_ROWS} photos here: what comes once for each shard shows as a quarter"
    )


def counted(server: SeaweedFS, folder: Path, shards: int) -> Counter[str]:
    """Do a job, and count its requests."""
    access = f'{{"endpoint": "{server.endpoint}", "access_key_env": "{KEY}", '
    access += f'"secret_key_env": "{SECRET}"}}'
    root = f"s3://requests/{shards}"
    changes = [f"storage.source={access}", f"storage.output={access}", "paint.model=echo"]
    changes += [f"run.shard_rows={SHARD_ROWS}", "paint.render_size=64", "paint.tone=positive"]
    job = load_job(f"{root}/scans", f"{root}/out", changes)
    scans = Store(f"{root}/scans", job.storage.source)
    for path in write_photos(folder / str(shards), shards * SHARD_ROWS):
        scans.put(str(path.relative_to(folder / str(shards))), path.read_bytes())
    with counting() as found:
        summary = drive(job)
    assert summary.counts == {("colorized", ""): shards * SHARD_ROWS}
    assert any(place_of(job).list("prints"))
    return found


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the calls of s3fs by their names."""
    found, call = Counter[str](), S3FileSystem._call_s3

    async def noting(self: S3FileSystem, method: str, *args: Any, **more: Any) -> Any:
        found[method] += 1
        return await call(self, method, *args, **more)

    S3FileSystem._call_s3 = noting
    try:
        yield found
    finally:
        S3FileSystem._call_s3 = call


if __name__ == "__main__":
    main()
