"""Manifests: every form of them, and every complaint with its row's number."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from photochrom.jobs.errors import ManifestError, NotFound
from photochrom.jobs.planning.manifest import Manifest, read_manifest
from photochrom.jobs.planning.manifest_rows import ManifestRow
from photochrom.jobs.settings import Columns, Job, load_job
from photochrom.jobs.storage.store import Store
from tests.conftest import access_to
from tests.servers import SeaweedFS

ROWS: list[dict[str, Any]] = [
    {"row_id": "1", "uri": "a/é 1.tif", "collection": "glass", "bytes": 12, "tone": "negative"},
    {"row_id": "2", "uri": "b.png", "rights": "CC0", "version": "v7", "storage_class": "GLACIER"},
]


def read(manifest: Path | str, *changes: str) -> Manifest:
    return read_manifest(load_job(str(manifest), "memory://out", changes))


def csv(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding)
    return path


def complaint(tmp_path: Path, text: str, *changes: str) -> str:
    """Return what is said of a CSV manifest."""
    with pytest.raises(ManifestError) as caught:
        read(csv(tmp_path / "list.csv", text), *changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def as_parquet(path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist([dict.fromkeys(ROWS[1]) | row for row in ROWS]), path)
    return path


def as_csv(path: Path) -> Path:
    names = list(dict.fromkeys([*ROWS[0], *ROWS[1]]))
    lines = [",".join(str(row.get(name, "")) for name in names) for row in ROWS]
    return csv(path, "\r\n".join([",".join(names), *lines]))


def as_jsonl(path: Path) -> Path:
    return csv(path, "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("list.csv", as_csv),
        ("list.jsonl", as_jsonl),
        ("LIST.NDJSON", as_jsonl),
        ("list.parquet", as_parquet),
    ],
)
def test_tables_give_the_same_rows(name: str, write: Any, tmp_path: Path) -> None:
    rows = read(write(tmp_path / name)).rows
    assert [row.row_id for row in rows] == ["1", "2"]
    assert rows[0].uri == f"file://{tmp_path}/a/é 1.tif"
    assert (rows[0].collection, rows[0].tone, rows[0].version) == ("glass", "negative", "")
    assert rows[1].rights == "CC0"
    assert (rows[1].version, rows[1].bytes, rows[1].storage_class) == ("v7", -1, "GLACIER")


def test_sizes_are_read_where_they_are_given(tmp_path: Path) -> None:
    for write, name in ((as_csv, "a.csv"), (as_jsonl, "a.jsonl"), (as_parquet, "a.parquet")):
        assert [row.bytes for row in read(write(tmp_path / name)).rows] == [12, -1]


def test_a_uri_alone_is_enough_and_is_the_id(tmp_path: Path) -> None:
    (row,) = read(csv(tmp_path / "list.csv", "uri\na/b.tif\n")).rows
    assert row == ManifestRow(row_id="a/b.tif", uri=f"file://{tmp_path}/a/b.tif")


def test_columns_may_be_called_otherwise(tmp_path: Path) -> None:
    table = csv(tmp_path / "list.csv", "signature,path,polarity\nBox 1/2,x.tif,Negative\n")
    columns = ("columns.uri=path", "columns.row_id=signature", "columns.tone=polarity")
    (row,) = read(table, *columns).rows
    assert (row.row_id, row.tone) == ("Box 1/2", "negative")
    assert set(Columns.model_fields) == set(ManifestRow.__dataclass_fields__)


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl"])
def test_a_byte_order_mark_is_no_letter(name: str, tmp_path: Path) -> None:
    text = "uri\na.tif\n" if name == "list.csv" else '{"uri": "a.tif"}\n'
    assert read(csv(tmp_path / name, text, "utf-8-sig")).rows[0].row_id == "a.tif"


def test_a_csv_may_quote_what_it_likes(tmp_path: Path) -> None:
    text = 'uri,rights\n"a, b.tif","© ""us"", 1920"\n\nc.tif\n'
    rows = read(csv(tmp_path / "list.csv", text)).rows
    assert [(row.row_id, row.rights) for row in rows] == [
        ("a, b.tif", '© "us", 1920'),
        ("c.tif", ""),
    ]


def test_a_line_of_json_ends_at_a_line_feed_only(tmp_path: Path) -> None:
    text = '{"uri": "a.tif", "rights": "one\u2028two\x85three"}\r\n{"uri": "b.tif"}'
    rows = read(csv(tmp_path / "list.jsonl", text)).rows
    assert [row.uri.rpartition("/")[2] for row in rows] == ["a.tif", "b.tif"]
    assert rows[0].rights == "one\u2028two\x85three"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("uri\na.tif\nb.tif\na.tif", "row 3: the id 'a.tif' is row 1's already"),
        ("row_id,uri\n7,a.tif\n7,b.tif", "row 2: the id '7' is row 1's already"),
        ("uri\na.tif\n../b.tif", "row 2: '../b.tif' has '..' in it"),
        ("uri\na\\..\\b.tif", "row 1: 'a\\\\..\\\\b.tif' has '..' in it"),
        ("uri\n/etc/passwd", "row 1: '/etc/passwd' is an absolute path; write it relative"),
        ("uri\n\\\\nas\\a.tif", "is an absolute path"),
        ("uri\nC:\\scans\\a.tif", "row 1: 'C:\\\\scans\\\\a.tif' is an absolute path"),
        ("uri\nd:/scans/a.tif", "is an absolute path"),
        ("uri\na\x07.tif", "row 1: uri has control characters: 'a\\x07.tif'"),
        ("uri,rights\na.tif,x\x7fy", "row 1: rights has control characters"),
        ("row_id,uri\nx\ty,a.tif", "row 1: row_id has control characters"),
        ("uri\nhttp://host/a.tif", "row 1: 'http://host/a.tif': no such storage; there are file"),
        ("uri\ngs://b/a.tif", "no such storage"),
        ("uri\nfile:///etc/passwd", "row 1: 'file:///etc/passwd' lies outside file:///"),
        ("uri\nmemory://m/a.tif", "lies outside"),
        ("uri\ns3://b", "row 1: "),
        ("uri\ns3://key@b/a.tif", "row 1: "),
        ("uri\nfile:///x/../a.tif", "has '..' in it"),
        ("uri,tone\na.tif,positive\nb.tif,sepia", "row 2: tone 'sepia' is none of auto, pos"),
        ("uri,bytes\na.tif,many", "row 1: bytes is 'many', not a number of bytes"),
        ("uri,bytes\na.tif,-5", "row 1: bytes is '-5'"),
        ("uri,bytes\na.tif,99999999999999999999", "row 1: bytes is '9999"),
        ("path\na.tif", "row 1: no column 'uri', only 'path'; name yours in [columns], as in uri"),
        ("row_id,uri\n1,", "row 1: the URI is empty"),
        ("uri\n" + "ä" * 513, "row 1: 'ää"),
        ('uri\n"a.tif', "not a readable .csv table"),
        ("uri\n", "no photographs there"),
        ("", "no photographs there"),
    ],
)
def test_a_complaint_names_the_row(text: str, words: str, tmp_path: Path) -> None:
    said = complaint(tmp_path, text)
    assert words in said
    assert said.startswith(f"file://{tmp_path}/list.csv: ")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("list.csv", b"uri\n\xff.tif\n", "not a readable .csv table"),
        ("list.parquet", b"PAR1 but not really", "not a readable .parquet table"),
        ("list.jsonl", b'{"uri": "a.tif"}\n\n["b.tif"]\n', "line 3: not a JSON object"),
        ("list.jsonl", b'{"uri": "a.tif"}\n{"uri"\n', "line 2: "),
        ("list.jsonl", b'{"uri": "a.tif", "rights": "\\ud800"}', "row 1: rights is not valid Uni"),
        ("list.jsonl", b'{"uri": "\\ud800.tif"}', "row 1: uri is not valid Unicode"),
        ("list.jsonl", b'{"uri": "a.tif", "bytes": Infinity}', "row 1: bytes is inf"),
        ("list.jsonl", b'{"uri": "a.tif", "bytes": [1]}', "row 1: bytes is [1]"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line(
    name: str, data: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        read(tmp_path / name)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"file://{tmp_path}/{name}: ")
    assert "\n" not in str(caught.value)


def test_a_prefix_must_be_allowed_to_be_read(tmp_path: Path) -> None:
    table = csv(tmp_path / "list.csv", "uri\nfile:///scans/a.tif\ns3://bucket/b.tif\n")
    with pytest.raises(ManifestError, match="allow = "):
        read(table)
    rows = read(table, 'allow=["file:///scans/", "s3://bucket"]').rows
    assert [row.uri for row in rows] == ["file:///scans/a.tif", "s3://bucket/b.tif"]
    for other in ("file:///scans/b", "file:///scan", "s3://buck"):
        with pytest.raises(ManifestError, match="lies outside"):
            read(table, f'allow=["{other}"]')


def test_a_table_names_files_relative_to_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "box").mkdir()
    csv(tmp_path / "box" / "list.csv", "uri\nsub/a.tif\n")
    monkeypatch.chdir(tmp_path)
    assert read("box/list.csv").rows[0].uri == f"file://{tmp_path}/box/sub/a.tif"


# --- folders -----------------------------------------------------------------------------------


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_folder_stands_for_its_pictures(tmp_path: Path) -> None:
    fill(tmp_path / "scans", "b/c/2.TIFF", "a.jpg", "b/1.png", "ünï.webp")
    rows = read(tmp_path / "scans/").rows
    assert [(row.row_id, row.collection, row.bytes) for row in rows] == [
        ("a.jpg", "", 5),
        ("b/1.png", "b", 7),
        ("b/c/2.TIFF", "b/c", 10),
        ("ünï.webp", "", 10),
    ]
    assert rows[1].uri == f"file://{tmp_path}/scans/b/1.png"
    assert all(row.version for row in rows)
    assert read(tmp_path / "scans").rows == rows


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "a.xmp", "b.xmp", "README", ".hidden.jpg", ".git/c.tif", "d.JPG.txt")
    found = read(tmp_path)
    assert [row.row_id for row in found.rows] == ["a.jpg"]
    assert found.left_out == {".xmp": 2, "README": 1, ".jpg": 1, ".tif": 1, ".txt": 1}


def test_files_that_we_cannot_read_are_not_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a.gif", "b.jp2", "c.HEIC", "d.nef")
    assert len(read(tmp_path).rows) == 4


def test_a_folder_without_pictures_is_a_complaint(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", fill(tmp_path / "texts", "a.txt")):
        with pytest.raises(ManifestError, match="no photographs there"):
            read(folder)


def test_a_folder_grows(tmp_path: Path) -> None:
    before = read(fill(tmp_path, "a.jpg", "b.jpg")).rows
    after = read(fill(tmp_path, "aa.jpg")).rows
    assert [row for row in after if row in before] == list(before)
    assert len(after) == 3
    os.utime(tmp_path / "a.jpg", ns=(1, 1))
    assert read(tmp_path).rows[0].version != before[0].version


@pytest.mark.parametrize("output", ["scans/out", "scans", "scans/", "other/../scans/out"])
def test_no_output_inside_its_own_source(output: str, tmp_path: Path) -> None:
    fill(tmp_path / "scans", "a.jpg")
    job = load_job(str(tmp_path / "scans"), f"{tmp_path}/{output}")
    with pytest.raises(ManifestError, match="lies inside the source folder"):
        read_manifest(job)
    beside = load_job(str(tmp_path / "scans"), str(tmp_path / "scans-in-colour"))
    assert len(read_manifest(beside).rows) == 1


def test_a_prefix_of_s3_is_a_folder_too(bucket: str, seaweed: SeaweedFS) -> None:
    store = Store(f"s3://{bucket}", access_to(seaweed))
    for name in ("scans/a.jpg", "scans/b/1 ü.tif", "scans/b/x.txt", "scans-2/c.jpg"):
        store.put(name, name.encode())
    store.put("lists/list.csv", b"uri,row_id\na.jpg,1\n")
    found = read_manifest(_on_s3(f"s3://{bucket}/scans/", seaweed))
    assert [(row.row_id, row.collection) for row in found.rows] == [
        ("a.jpg", ""),
        ("b/1 ü.tif", "b"),
    ]
    assert found.rows[1].uri == f"s3://{bucket}/scans/b/1 ü.tif"
    assert found.rows[0].version == store.stat("scans/a.jpg").version
    assert found.left_out == {".txt": 1}
    (row,) = read_manifest(_on_s3(f"s3://{bucket}/lists/list.csv", seaweed)).rows
    assert row.uri == f"s3://{bucket}/lists/a.jpg"


def _on_s3(manifest: str, seaweed: SeaweedFS) -> Job:
    access = access_to(seaweed).model_dump_json(exclude_defaults=True)
    return load_job(manifest, "memory://out", [f"storage.source={access}"])


def test_a_table_at_the_very_top_is_not_looked_for_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv(tmp_path / "no-such-list.csv", "uri\na.tif\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=r"file:///no-such-list\.csv: "):
        read("/no-such-list.csv")
