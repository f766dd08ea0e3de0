"""What an output place says of itself, to people who have nothing else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import pytest

from photochrom.jobs.documents import schema_document
from photochrom.jobs.pinned import read_pinned
from photochrom.jobs.records import EventRow, LedgerRow, PlanRow, PrintedRow
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.originals import key_of
from tests.jobs.archive import (
    current,
    drive,
    job_of,
    keys,
    listing,
    place_of,
    prints,
    write_manifest,
    write_photo,
    write_photos,
)

DOCUMENTS = ["README.md", "spec/rules.md", "spec/schema.md", "spec/verify.py"]


def test_the_documents_are_written_once(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out")
    drive(job)
    store = place_of(job)
    before = {key: listing(store)[key] for key in DOCUMENTS}
    write_photos(job_folder / "scans", 2, first=6)
    drive(job)
    assert {key: listing(store)[key] for key in DOCUMENTS} == before


def test_the_readme_says_what_this_is(place: Store) -> None:
    text = place.read("README.md").decode()
    pinned = read_pinned(place)
    assert "The colours in `prints/` were added by AI" in text
    assert pinned.job.manifest in text
    assert pinned.paint.weights_sha256 in text
    assert "{" not in text
    folders = {key.partition("/")[0] for key in listing(place) if "/" in key}
    assert folders == {"ledger", "plan", "plates", "printed", "prints", "spec"}
    assert all(f"`{folder}/`" in text for folder in folders)


def test_the_readmes_question_can_be_asked(place: Store) -> None:
    import duckdb

    (question,) = [
        line.strip()
        for line in place.read("README.md").decode().splitlines()
        if line.strip().startswith("SELECT")
    ]
    root = place.root.removeprefix("file://")
    found = duckdb.sql(question.rstrip(";").replace("'ledger/", f"'{root}/ledger/"))
    assert found is not None
    assert sorted(row[0] for row in found.fetchall()) == list(current(place))


@pytest.mark.parametrize("row", [PlanRow, LedgerRow, PrintedRow, EventRow])
def test_the_schema_has_every_column(row: type, place: Store) -> None:
    text = place.read("spec/schema.md").decode()
    assert text == schema_document()
    assert all(f"| `{field.name}` |" in text for field in fields(row))


def test_a_model_card_lies_beside_the_prints_of_its_model(job_folder: Path) -> None:
    job = job_of(job_folder / "scans", job_folder / "out", "print.format=none")
    drive(job)
    assert "spec/model-card.md" not in keys(place_of(job), "spec")
    pocket = job_of(
        write_manifest(job_folder / "one.csv", [{"uri": "scans/album-0/photo-000.tif"}]),
        job_folder / "pocket",
        "paint.model=pocket",
        "print.format=none",
    )
    drive(pocket)
    assert "pocket" in place_of(pocket).read("spec/model-card.md").decode()


# --- spec/verify.py, with nothing of ours ---------------------------------------------------------


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a Python that has numpy, tifffile and Pillow, and no Photochrom."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    wanted = [f"{name}=={version(name)}" for name in ("numpy", "tifffile", "Pillow")]
    install = [str(python), "-m", "pip", "install", "--quiet", *wanted]
    done = subprocess.run(install, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install here: {(done.stderr.splitlines() or ['?'])[-1]}")
    probe = subprocess.run([str(python), "-c", "import photochrom"], capture_output=True)
    assert probe.returncode == 1, "the bare Python has Photochrom"
    return python


@pytest.mark.slow
@pytest.mark.parametrize("change", ["print.format=png", "print.format=tiff", "deflate"])
def test_a_print_is_proven_without_us(change: str, bare: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = []
    for name, bits in (("a.tif", 8), ("b.png", 8), ("c.tif", 16), ("d.png", 16)):
        write_photo(tmp_path / name, 7, width=90, height=70, bits=bits)
        rows += [
            {"uri": name, "row_id": f"{name} {tone}", "tone": tone}
            for tone in ("positive", "negative")
        ]
    deflated = ["print.compression=deflate", "print.format=tiff"]
    changes = deflated if change == "deflate" else [change]
    job = job_of(write_manifest(tmp_path / "list.csv", rows), tmp_path / "out", *changes)
    assert drive(job).counts == {("colorized", ""): len(rows)}
    store, known = place_of(job), current(place_of(job))
    place = tmp_path / "out"
    for print_ in prints(store):
        row = known[print_["row_id"]]
        table = row["tone_table_uri"]
        files = [row["source_uri"].removeprefix("file://"), place / key_of(store, row["plate_uri"])]
        files += [place / key_of(store, print_["output_uri"])]
        files += [place / key_of(store, table)] if table else []
        done = subprocess.run(
            [str(bare), "spec/verify.py", *map(str, files)],
            cwd=place,
            capture_output=True,
            text=True,
        )
        assert done.stdout == "luma: exact\ncolour: exact\n", (row["row_id"], done.stderr)
        assert done.returncode == 0
