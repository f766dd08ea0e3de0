"""A status is the same whether it is asked of the rows or summed up from their copies."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from photochrom.jobs import compaction, status
from photochrom.jobs.audit import questions as asking
from photochrom.jobs.audit.questions import Questions
from photochrom.jobs.compaction import compact
from photochrom.jobs.ledger import printed_shard
from photochrom.jobs.records import EventRow, LedgerRow, from_parquet, table_bytes, to_parquet
from photochrom.jobs.status import Status, status_of
from photochrom.jobs.storage.store import Store
from photochrom.jobs.tally import Tally
from tests.jobs.archive import (
    drive,
    driver_of,
    job_of,
    keys,
    place_of,
    planned_only,
    write_colour_photo,
    write_manifest,
    write_photo,
    write_photos,
)

TOGETHER = 2


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "TOGETHER", TOGETHER)
    monkeypatch.setattr(asking, "TOGETHER", TOGETHER)


@pytest.fixture
def place(tmp_path: Path) -> Store:
    """Run a job that colorizes, skips and fails, one shard of it without a print."""
    scans = tmp_path / "scans"
    write_photos(scans, 10)
    (scans / "broken.jpg").write_bytes(b"not a picture")
    for number in range(2):
        write_colour_photo(scans / f"zz-{number}.png")
    job = job_of(scans, tmp_path / "out", "run.shard_rows=2")
    drive(job)
    store = place_of(job)
    compact(store, rest=True)
    return store


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Store], tuple[Status, bool]]:
    """Return what tells a status, and whether rows were asked for it."""
    ask, answers = status._asked, [0]

    def noting(tables: Questions) -> status._Facts:
        answers[0] += 1
        return ask(tables)

    monkeypatch.setattr(status, "_asked", noting)

    def told(store: Store) -> tuple[Status, bool]:
        before = answers[0]
        return status_of(store), answers[0] > before

    return told


Asked = Callable[[Store], tuple[Status, bool]]


def from_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> Status:
    with monkeypatch.context() as patch:
        patch.setattr(status, "_summed", lambda *_: None)
        return status_of(store)


def alike(one: Status, other: Status) -> bool:
    """Compare all but the rate lately, of which the copies tell a little more."""
    return replace(one, rate=0.0, cpu_seconds_each=0.0) == replace(
        other, rate=0.0, cpu_seconds_each=0.0
    )


def test_a_place_that_is_done_and_copied_is_summed_up(
    place: Store, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = from_rows(place, monkeypatch)
    listed: list[str] = []
    list_ = Store.list

    def noting(self: Store, prefix: str = "") -> object:
        listed.append(prefix.strip("/"))
        return list_(self, prefix)

    monkeypatch.setattr(Store, "list", noting)
    found, rows_asked = asked(place)
    assert not rows_asked
    assert not {"ledger", "printed"} & set(listed)
    assert alike(found, wanted)
    assert dict(found.counts) == wanted.counts
    assert sum(found.counts.values()) == 13
    assert found.counts["colorized", ""] == 10
    assert found.prints[0][1] == 10


def test_what_is_open_or_not_copied_is_asked_for(
    place: Store, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "scans", 4, first=20)
    job = job_of(tmp_path / "scans", tmp_path / "out", "run.shard_rows=2")
    planned_only(job)
    found, rows_asked = asked(place)
    assert rows_asked
    assert found.shards_left == 2
    monkeypatch.setattr(compaction.Compactor, "close", lambda self: None)
    monkeypatch.setattr(compaction.Compactor, "committed", lambda self, count=1: None)
    drive(job)
    found, rows_asked = asked(place)
    assert rows_asked
    assert found.shards_left == 0
    assert found.counts["colorized", ""] == 14
    compact(place, rest=True)
    summed, rows_asked = asked(place)
    assert not rows_asked
    assert alike(summed, found)


def test_rows_that_may_not_count_are_asked_for(place: Store, asked: Asked) -> None:
    before, _ = asked(place)
    commit = next(key for key in keys(place, "ledger") if "shard-" in key)
    rows, _ = from_parquet(LedgerRow, place.read(commit))
    event = {name: "" for name in EventRow.__dataclass_fields__}
    event |= {"row_id": rows[0].row_id, "event": "takedown", "at": rows[0].finished_at}
    place.put("events/1.parquet", to_parquet(EventRow, [EventRow(**event)]))  # type: ignore[arg-type]
    found, rows_asked = asked(place)
    assert rows_asked
    assert found.committed == before.committed - 1


def test_rows_that_a_retry_has_taken_over_are_asked_for(
    place: Store, asked: Asked, tmp_path: Path
) -> None:
    driver_of(job_of(tmp_path / "scans", tmp_path / "out", "run.shard_rows=2")).retry()
    compact(place, rest=True)
    found, rows_asked = asked(place)
    assert rows_asked
    assert found.committed == 13


def test_what_is_open_is_seen_where_nothing_is_printed(tmp_path: Path, asked: Asked) -> None:
    rows: list[dict[str, object]] = [{"uri": f"scans/{n}.jpg"} for n in range(6)]
    for row in rows:
        write_photo(tmp_path / str(row["uri"]), len(str(row)))
    manifest = write_manifest(tmp_path / "list.csv", rows)
    job = job_of(manifest, tmp_path / "out", "run.shard_rows=2", "print.format=none")
    drive(job)
    store = place_of(job)
    compact(store, rest=True)
    assert asked(store)[1] is False
    write_manifest(manifest, [*rows, {"uri": "scans/no.jpg", "restriction": "closed"}])
    (_, skipping) = planned_only(job)
    assert (skipping.skips, skipping.cuts) == (1, ())
    assert asked(store)[1]
    write_photo(tmp_path / "scans" / "more.jpg", 9)
    write_manifest(manifest, [*rows, {"uri": "scans/more.jpg"}])
    planned_only(job)
    found, rows_asked = asked(store)
    assert rows_asked
    assert found.shards_left == 1


@pytest.mark.parametrize("folder", ["compacted/ledger", "compacted/printed"])
def test_copies_that_do_not_say_their_sum_are_read(place: Store, asked: Asked, folder: str) -> None:
    before, _ = asked(place)
    key = keys(place, folder)[0]
    table = pq.read_table(io.BytesIO(place.read(key)))
    assert table.schema.metadata is not None
    holds = table.schema.metadata[b"holds"].decode()
    place.put(key, table_bytes(table, {"holds": holds}))
    found, rows_asked = asked(place)
    assert rows_asked
    assert alike(found, before)


def test_prints_that_are_not_copied_are_counted(place: Store, asked: Asked) -> None:
    before, _ = asked(place)
    key = next(key for key in keys(place, "printed") if key.endswith(".parquet"))
    folder, _, name = key.rpartition("/")
    other = f"{folder[:-1]}{'0' if folder[-1] != '0' else '1'}"
    place.put(f"{other}/{name}", place.read(key))
    found, rows_asked = asked(place)
    assert rows_asked
    assert sum(n for _, n, _ in found.prints) > sum(n for _, n, _ in before.prints)


def test_a_sum_comes_back_from_its_text() -> None:
    tallies = [
        Tally.from_json(
            '{"counts":[["colorized","",3],["failed","corrupt",1]],"low_chroma":1,"bare":["x"],'
            '"prints":[["d",3,90]]}'
        ),
        Tally(low_chroma=2, bare=frozenset("y")),
    ]
    total = Tally.sum(tallies)
    assert total.low_chroma == 3
    assert total.bare == {"x", "y"}
    assert total.print_bytes["d"] == 90
    assert Tally.from_json(total.to_json()) == total


def test_a_file_of_prints_names_its_shard() -> None:
    assert printed_shard("printed/cd99/shard-0a1b.ffff.parquet") == "0a1b"
