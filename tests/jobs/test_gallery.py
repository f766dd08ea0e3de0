"""The photographs of a training: found in manifests and tars, indexed once, fetched by number."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from photochrom.colorize.training.shelf import Shelf
from photochrom.jobs.errors import JobError, ManifestError, NotFound, OtherJob
from photochrom.jobs.settings import Storage
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training import tars
from photochrom.jobs.training.gallery import (
    INDEX,
    Gallery,
    TrainingColumns,
    open_gallery,
    read_gallery,
)
from tests.conftest import access_to
from tests.servers import SeaweedFS


@dataclass(frozen=True)
class Wish:
    """What a training asks for."""

    manifest: str
    allow: tuple[str, ...] = ()
    columns: TrainingColumns = field(default_factory=TrainingColumns)
    storage: Storage = field(default_factory=Storage)
    held_out: float = 0.0


def packed(files: Mapping[str, bytes], kind: int = tarfile.PAX_FORMAT, mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=kind) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def photo(index: int) -> bytes:
    samples = np.random.default_rng(index).integers(0, 256, (12, 16, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(samples).resize((64, 48)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a folder with two photographs and two tars of two each, all six different."""
    folder = tmp_path / "scans"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(photo(0))
    (folder / "more" / "b.jpg").write_bytes(photo(1))
    (folder / "c.tar").write_bytes(
        packed({"x/1.jpg": photo(2), "./2.JPG": photo(3), "t.txt": b"t"})
    )
    (folder / "more" / "d.tar").write_bytes(
        packed({"1.jpg": photo(4), ".3.jpg": b"", "3.png": b"5"})
    )
    (folder / "notes.txt").write_text("left out")
    return folder


def table(scans: Path, text: str) -> str:
    (scans / "list.csv").write_text(text)
    return f"file://{scans}/list.csv"


def contents(gallery: Gallery) -> dict[str, bytes]:
    return {gallery.id(index): gallery.fetch(index) for index in range(len(gallery))}


WHOLE = {
    "a.jpg": photo(0),
    "c.tar/x/1.jpg": photo(2),
    "c.tar/2.JPG": photo(3),
    "more/b.jpg": photo(1),
    "more/d.tar/1.jpg": photo(4),
    "more/d.tar/3.png": b"5",
}


def test_a_folder_stands_for_its_pictures_and_those_in_its_tars(scans: Path, place: Store) -> None:
    gallery = open_gallery(Wish(f"file://{scans}/"), place)
    assert contents(gallery) == contents(gallery.train) == WHOLE
    assert len(gallery.held_out) == 0
    assert gallery.left_out == {".txt": 2, ".jpg": 1}
    assert gallery.weights.tolist() == [1.0] * 6


def test_a_table_names_tars_whole_or_by_their_members(scans: Path, place: Store) -> None:
    rows = "uri,member,weight\nc.tar,,\nmore/d.tar,./1.jpg,0.5\na.jpg,,2\nmore/b.jpg,,0\n"
    gallery = open_gallery(Wish(table(scans, rows)), place)
    names = ["c.tar/x/1.jpg", "c.tar/2.JPG", "more/d.tar/1.jpg", "a.jpg"]
    assert contents(gallery) == {name: WHOLE[name] for name in names}
    assert gallery.weights.tolist() == [1.0, 1.0, 0.5, 2.0]
    assert gallery.left_out == {"weight 0": 1, ".txt": 1}


def test_columns_may_be_called_otherwise(scans: Path, place: Store) -> None:
    rows = "shard,file,part,times\nc.tar,2.JPG,Train,3\nc.tar,x/1.jpg,VAL,1\n"
    columns = TrainingColumns(uri="shard", member="file", split="part", weight="times")
    gallery = open_gallery(Wish(table(scans, rows), columns=columns), place)
    assert contents(gallery.train) == {"c.tar/2.JPG": photo(3)}
    assert contents(gallery.held_out) == {"c.tar/x/1.jpg": photo(2)}
    assert gallery.train.weights.tolist() == [3.0]


def test_rows_of_other_splits_are_left_out_and_counted(scans: Path, place: Store) -> None:
    rows = "uri,split\na.jpg,train\nc.tar,test\nmore/b.jpg,val\nmore/d.tar,\n"
    gallery = open_gallery(Wish(table(scans, rows), held_out=0.9), place)
    assert (list(contents(gallery.train)), list(contents(gallery.held_out))) == (
        ["a.jpg"],
        ["more/b.jpg"],
    )
    assert gallery.left_out == {"split 'test'": 1, "split ''": 1}


def test_a_jobs_manifest_will_do_and_restricted_rows_are_left_out(
    scans: Path, place: Store
) -> None:
    rows = "row_id,uri,tone,restriction\na,a.jpg,,\nb,sub/b.jpg,,sacred\n"
    gallery = open_gallery(Wish(table(scans, rows), held_out=0), place)
    assert [gallery.id(index) for index in range(len(gallery))] == ["a"]
    assert gallery.left_out == {"restricted": 1}
    columns = TrainingColumns.model_validate({"tone": "kind", "rights": "licence"})
    assert columns.uri == "uri"


def test_where_no_row_says_so_a_share_is_held_out_by_id(tmp_path: Path, place: Store) -> None:
    files = {f"{index}.jpg": b"%d" % index for index in range(1000)}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "all.tar").write_bytes(packed(files))
    gallery = open_gallery(Wish(f"file://{tmp_path}/a", held_out=0.2), place)
    held = {gallery.held_out.id(index) for index in range(len(gallery.held_out))}
    assert 150 < len(held) < 250
    assert len(gallery.train) + len(held) == 1000
    fewer = dict(list(files.items())[::2])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "all.tar").write_bytes(packed(fewer))
    other = open_gallery(Wish(f"file://{tmp_path}/b", held_out=0.2), Store(str(tmp_path / "o")))
    again = {other.held_out.id(index) for index in range(len(other.held_out))}
    assert again == held & {f"all.tar/{name}" for name in fewer}


def test_the_index_is_made_once_and_read_back(
    scans: Path, place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = Wish(f"file://{scans}", held_out=0.3)
    first = open_gallery(wish, place)
    index = pq.read_table(io.BytesIO(place.read(INDEX)))
    assert index.column_names == [
        *("id", "uri", "version", "member", "offset", "bytes", "weight", "split")
    ]

    def no_walk(*_: object) -> None:
        raise AssertionError("walked again")

    monkeypatch.setattr("photochrom.jobs.training.index.walk", no_walk)
    again = open_gallery(wish, place)
    assert contents(again.train) == contents(first.train)
    assert again.left_out == first.left_out
    assert contents(read_gallery(wish, place)) == contents(first)


def test_a_gallery_travels(scans: Path, place: Store) -> None:
    gallery = open_gallery(Wish(f"file://{scans}"), place)
    gallery.fetch(0)
    assert contents(pickle.loads(pickle.dumps(gallery.train))) == WHOLE


def test_other_photographs_in_the_same_place_are_refused(scans: Path, place: Store) -> None:
    rows = ["uri,member,weight", "a.jpg,,1", "c.tar,,1", "more/d.tar,1.jpg,1"]
    open_gallery(Wish(table(scans, "\n".join(rows))), place)
    open_gallery(Wish(table(scans, "\n".join([rows[0], *rows[:0:-1]]))), place)
    base = f"file://{scans}"
    for changed, words in (
        ([*rows, "more/b.jpg,,1"], f"1 new: {base}/more/b.jpg"),
        (rows[:2] + rows[3:], f"2 gone: {base}/c.tar/2.JPG, {base}/c.tar/x/1.jpg"),
        ([*rows[:3], "more/d.tar,3.png,1"], f"1 new: {base}/more/d.tar/3.png; 1 gone: {base}"),
        ([*rows[:3], "more/d.tar,1.jpg,2"], "1 changed in id, version, weight or split: "),
        (["uri,member,weight,row_id", "a.jpg,,1,7", *rows[2:]], "1 changed in id"),
    ):
        with pytest.raises(OtherJob) as caught:
            open_gallery(Wish(table(scans, "\n".join(changed))), place)
        assert words in str(caught.value)
        assert "begin another in a new output place" in str(caught.value)
    with pytest.raises(OtherJob, match="would be learned from instead of held out"):
        open_gallery(Wish(table(scans, "\n".join(rows)), held_out=0.99), place)


@pytest.mark.parametrize("name", ["a.jpg", "c.tar"])
def test_what_was_written_again_is_refused(name: str, scans: Path, place: Store) -> None:
    wish = Wish(f"file://{scans}")
    gallery = open_gallery(wish, place)
    index = 0 if name == "a.jpg" else 1
    os.utime(scans / name, ns=(1, 1))
    with pytest.raises(OtherJob, match="1 changed in id, version"):
        open_gallery(wish, place)
    with pytest.raises(JobError, match="changed since this training began") as caught:
        gallery.fetch(index)
    assert not caught.value.retriable


def test_a_tar_without_pictures_is_no_new_one_later(scans: Path, place: Store) -> None:
    (scans / "papers.tar").write_bytes(packed({"a.txt": b"a"}))
    wish = Wish(f"file://{scans}")
    assert contents(open_gallery(wish, place)) == contents(open_gallery(wish, place)) == WHOLE


def test_an_index_that_is_damaged_is_told(scans: Path, place: Store) -> None:
    place.put(INDEX, b"PAR1 but not really")
    with pytest.raises(JobError, match=r"photographs\.parquet is damaged"):
        open_gallery(Wish(f"file://{scans}"), place)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("uri,weight\na.jpg,much", "row 1: weight is 'much', not a number that is 0 or more"),
        ("uri,weight\na.jpg,1\nmore/b.jpg,-1", "row 2: weight is '-1'"),
        ("uri,weight\na.jpg,nan", "row 1: weight is 'nan'"),
        ("uri,member\na.jpg,x.jpg", "row 1: member is 'x.jpg', but file://"),
        ("uri,member\nc.tar,no.jpg", "row 1: file://"),
        ("uri\na.jpg\nb.tar.gz", "row 2: file://"),
        ("uri\na.jpg\na.jpg", "row 2: the id 'a.jpg' is row 1's already"),
        ("uri,row_id\na.jpg,1\na.jpg,2", "a.jpg is row 1's already; to see it more often"),
        ("uri,member\nc.tar,\nc.tar,2.JPG", "is row 1's already"),
        ("uri,member\nc.tar,2.JPG\nc.tar,", "row 2 names all of file://"),
        ("uri,row_id\nc.tar,x\na.jpg,x/2.JPG", "two photographs are 'x/2.JPG'"),
        ("uri\n../a.jpg", "row 1: '../a.jpg' has '..' in it"),
        ("uri\ns3://elsewhere/a.jpg", "row 1: 's3://elsewhere/a.jpg' lies outside"),
        ("path\na.jpg", "row 1: no column 'uri', only 'path'"),
        ("uri,weight\na.jpg,0", "no photographs there but 1 with weight 0"),
        ("uri,split\na.jpg,val", "every photograph is held out"),
        ('uri\n"a.jpg', "not a readable .csv table"),
    ],
)
def test_a_complaint_names_the_row(text: str, words: str, scans: Path, place: Store) -> None:
    with pytest.raises(ManifestError) as caught:
        open_gallery(Wish(table(scans, text)), place)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_there_and_an_output_inside(scans: Path) -> None:
    inside = Store(str(scans / "out"))
    with pytest.raises(ManifestError, match="lies inside the source folder"):
        open_gallery(Wish(f"file://{scans}"), inside)
    with pytest.raises(ManifestError, match="no photographs there"):
        open_gallery(Wish(f"file://{scans}/none"), inside)
    with pytest.raises(NotFound):
        open_gallery(Wish(f"file://{scans}/none.csv"), inside)


# --- tars --------------------------------------------------------------------------------------


def walked(data: bytes, tmp_path: Path) -> list[tuple[str, bytes]]:
    store = Store(str(tmp_path / "tars"))
    store.put("x.tar", data)
    version = store.stat("x.tar").version
    found = tars.walk(store, "x.tar", version)
    return [(one.name, data[one.offset : one.offset + one.bytes]) for one in found]


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_members_lie_where_the_headers_say(kind: int, tmp_path: Path) -> None:
    folder = "f" * 60 if kind == tarfile.USTAR_FORMAT else "ordner/" * 40 + "ü"
    files = {f"{folder}/{n}.jpg": os.urandom(n * 1021) for n in (0, 1, 5, 300)}
    assert walked(packed(files, kind), tmp_path) == list(files.items())


def test_links_and_folders_are_passed_over(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, kind in (("a", tarfile.DIRTYPE), ("a/l.jpg", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "b.jpg"
            tar.addfile(member)
        member = tarfile.TarInfo("./a/b.jpg")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    assert walked(stream.getvalue(), tmp_path) == [("a/b.jpg", b"abc")]


class CountingStore(Store):
    """A store that remembers which ranges were asked for."""

    def read_range(self, key: str, start: int, length: int, version: str = "") -> bytes:
        ranges.append((start, length))
        return super().read_range(key, start, length, version)


ranges: list[tuple[int, int]] = []


def test_large_files_are_passed_over_and_small_ones_read_in_wide_windows(tmp_path: Path) -> None:
    large = packed({f"{n}.tif": bytes(3 << 20) for n in range(8)})
    small = packed({f"{n}.jpg": bytes(2000) for n in range(6000)})
    for data, most_calls, most_bytes in ((large, 20, 2 << 20), (small, 12, len(small) * 3)):
        ranges.clear()
        store = CountingStore(str(tmp_path))
        store.put("x.tar", data)
        assert len(list(tars.walk(store, "x.tar", ""))) in (8, 6000)
        assert len(ranges) <= most_calls
        assert sum(length for _, length in ranges) <= most_bytes


@pytest.mark.parametrize(("mode", "name"), [("w:gz", "gzip"), ("w:bz2", "bzip2"), ("w:xz", "xz")])
def test_a_compressed_tar_is_refused(mode: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=rf"x\.tar: compressed by {name}"):
        walked(packed({"a.jpg": b"a"}, mode=mode), tmp_path)


@pytest.mark.parametrize("cut", [100, 512, 700, 1024, 1536, 2000, 3072, 3500])
def test_a_truncated_tar_is_refused(cut: int, tmp_path: Path) -> None:
    data = packed({"a.jpg": b"a" * 900, "b.jpg": b"b" * 600}, tarfile.USTAR_FORMAT)
    assert len(walked(data, tmp_path)) == 2
    with pytest.raises(ManifestError, match=r"x\.tar: not a whole tar: "):
        walked(data[:cut], tmp_path)


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100])
def test_what_is_no_tar_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"x\.tar: not a whole tar: "):
        walked(data, tmp_path)


# --- on S3, and onto a shelf -------------------------------------------------------------------


def fill(store: Store, shards: Sequence[Mapping[str, bytes]]) -> None:
    for number, files in enumerate(shards):
        store.put(f"colour/{number:03}.tar", packed(files))


def test_shards_on_s3_are_read_by_ranges(seaweed: SeaweedFS, bucket: str) -> None:
    store = Store(f"s3://{bucket}", access_to(seaweed))
    fill(store, [{f"{n}.jpg": photo(10 * shard + n) for n in range(4)} for shard in range(3)])
    rows = [{"uri": "000.tar", "weight": 2}, {"uri": "002.tar", "member": "3.jpg"}]
    store.put("colour/list.jsonl", "\n".join(map(json.dumps, rows)).encode())
    storage = Storage(source=store.access)
    place = Store(f"s3://{bucket}/out", store.access)
    wish = Wish(f"s3://{bucket}/colour/list.jsonl", storage=storage)
    gallery = pickle.loads(pickle.dumps(open_gallery(wish, place)))
    assert contents(gallery) == {
        **{f"000.tar/{n}.jpg": photo(n) for n in range(4)},
        "002.tar/3.jpg": photo(23),
    }
    prefix = Wish(f"s3://{bucket}/colour/", storage=storage)
    assert len(open_gallery(prefix, Store(f"s3://{bucket}/other", store.access))) == 12
    fill(store, [{"0.jpg": photo(99)}])
    with pytest.raises(OtherJob, match="1 changed in id, version, weight or split"):
        open_gallery(wish, place)
    with pytest.raises(JobError, match="changed since this training began"):
        gallery.fetch(0)


def test_a_set_far_larger_than_the_room_streams(tmp_path: Path, place: Store) -> None:
    (tmp_path / "all").mkdir()
    for shard in range(3):
        files = {f"{n}.jpg": photo(100 * shard + n) for n in range(100)}
        (tmp_path / "all" / f"{shard}.tar").write_bytes(packed(files))
    gallery = open_gallery(Wish(f"file://{tmp_path}/all", held_out=0.1), place).train
    one = 48 * 64 * 3
    room = 12 * one
    with Shelf(gallery.fetch, len(gallery), side=48, room=room, threads=2) as shelf:
        seen = set()
        for start in range(0, 240, 8):
            photos = shelf.take(range(start, start + 8), ahead=range(start + 8, start + 16))
            seen |= {photo.numpy().tobytes() for photo in photos}
            assert 0 < shelf.bytes <= room
        assert len(seen) == 240 == 20 * room // one
        assert shelf.refused == {}
