"""The job file: what is read, how it is changed, and how it complains."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.picture import PrintRecipe
from photochrom.jobs.settings import Job, load_job, print_digest
from tests.jobs.archive import job_of


def complaint(*changes: str) -> str:
    """Return what is said of a job with these changes; one line, always."""
    with pytest.raises(SettingsError) as caught:
        load_job("scans", "out", changes)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    path = tmp_path / "archive" / "job.toml"
    path.parent.mkdir()
    path.write_text(
        'manifest = "list.csv"\noutput = "../colour"\n[paint]\nrender_size = 128\n'
        '[storage.source]\nendpoint = "http://localhost:9000"\n',
        "utf-8",
    )
    return path


def test_places_are_relative_to_the_job_file(
    job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    job = load_job(str(job_file))
    assert job.manifest == f"file://{job_file.parent}/list.csv"
    assert job.output == f"file://{job_file.parent.parent}/colour"
    assert job.paint.render_size == 128
    assert job.storage.source.endpoint == "http://localhost:9000"
    assert job.storage.output.endpoint is None


def test_places_on_the_command_line_are_relative_to_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = load_job("scans/", "s3://colour/out")
    assert job.manifest == f"file://{tmp_path}/scans/"
    assert job.output == "s3://colour/out"
    assert load_job("~/scans", "out").manifest == f"file://{Path.home()}/scans"
    assert load_job("./x/../scans", "out").manifest == f"file://{tmp_path}/scans"


@pytest.mark.parametrize(
    ("change", "section", "key", "value"),
    [
        ("paint.render_size=384", "paint", "render_size", 384),
        ("paint.render_size=auto", "paint", "render_size", "auto"),
        ("paint.smallest_render_size=96", "paint", "smallest_render_size", 96),
        ("paint.smallest_render_size=null", "paint", "smallest_render_size", None),
        ("paint.confidence=true", "paint", "confidence", True),
        ("paint.compiled=false", "paint", "compiled", False),
        ("paint.model=artistic", "paint", "model", "artistic"),
        ("print.format=none", "print", "format", "none"),
        ("print.long_side=null", "print", "long_side", None),
        ("run.replicas=auto", "run", "replicas", "auto"),
        ("run.replicas=8", "run", "replicas", 8),
        ("run.gpus_per_replica=0.5", "run", "gpus_per_replica", 0.5),
        ('columns.uri="path"', "columns", "uri", "path"),
        (" columns.uri = path ", "columns", "uri", "path"),
    ],
)
def test_a_change_is_typed_by_its_setting(
    change: str, section: str, key: str, value: object
) -> None:
    job = load_job("scans", "out", [change])
    found = getattr(getattr(job, section), key)
    assert found == value
    assert type(found) is type(value)


def test_later_changes_win_over_earlier_and_over_the_file(job_file: Path) -> None:
    changes = ["paint.render_size=64", "paint.render_size=320", 'allow=["file:///more/"]']
    job = load_job(str(job_file), None, changes)
    assert job.paint.render_size == 320
    assert job.allow == ("file:///more/",)


@pytest.mark.parametrize(
    ("change", "siblings"),
    [
        (
            "paint.rendersize=1",
            "compiled, confidence, model, precision, render_size, sha256",
        ),
        ("colour=1", "allow, columns, limits, manifest"),
        ("storage.source.key=1", "access_key_env, anonymous, endpoint"),
        ("print.q=1", "compression, format, long_side, lossless, quality, tiled"),
        ("storage.sink=1", "output, source"),
    ],
)
def test_an_unknown_key_names_its_siblings(change: str, siblings: str) -> None:
    text = complaint(change)
    assert f"{change.partition('=')[0]}: no such setting; there are " in text
    assert siblings in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("paint.render_size=100", "paint.render_size: "),
        ("paint.render_size=16", "greater than or equal to 64, or: Input should be 'auto'"),
        ("paint.render_size=large", "paint.render_size: Input should be a valid integer"),
        ("paint.smallest_render_size=90", "paint.smallest_render_size: "),
        ("paint.precision=int8", "'auto', 'float32', 'bfloat16' or 'float16'"),
        ("paint.tone=sepia", "'auto', 'positive' or 'negative'"),
        ("run.replicas=many", "run.replicas: "),
        ("run.attempts=1", "run.attempts: "),
        ("print.quality=101", "print.quality: "),
        ("print.format=gif", "print.format: "),
        ("manifest=", "manifest: "),
        ("manifest=3", "manifest: "),
        ("paint=3", "paint: "),
        ("storage.output.endpoint=ftp://x", "storage.output.endpoint: "),
        ("storage.output.access_key_env=KEY", "access_key_env and secret_key_env go together"),
        ("paint.render_size", "--set paint.render_size: write it as section.key=value"),
        ("=3", "write it as section.key=value"),
        ("operator.name=x", "operator"),
    ],
)
def test_a_bad_value_is_one_line_with_its_key(change: str, words: str) -> None:
    assert words in complaint("operator=us", change)


def test_two_faults_are_both_named_once() -> None:
    text = complaint("run.replicas=x", "paint.render_size=1")
    assert text.count("paint.render_size: ") == 1
    assert "run.replicas: " in text
    assert "literal[" not in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("manifest = ", "job.toml"),
        ('manifest = "a"', "output: Field required"),
        ("\xff", "job.toml"),
    ],
)
def test_a_broken_job_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "job.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError) as caught:
        load_job(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_job_file_must_be_there_and_be_toml(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such job file"):
        load_job(str(tmp_path / "job.toml"))
    with pytest.raises(SettingsError, match=r"give a job file \(\.toml\), or a manifest"):
        load_job(str(tmp_path / "scans"))


def test_settings_cannot_be_changed_afterwards() -> None:
    job = load_job("scans", "out")
    for model, name in ((job, "output"), (job.paint, "model"), (job.print, "format")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, name, "other")


def test_settings_pass_through_json_unchanged() -> None:
    job = job_of("scans", "out", "print.long_side=800", "run.replicas=3")
    assert Job.model_validate_json(job.model_dump_json()) == job


def test_a_print_digest_follows_the_recipe_alone() -> None:
    job = job_of("scans", "out")
    assert job.print_digest == print_digest(job.print)
    assert len(job.print_digest) == 16
    assert job_of("other", "place", "run.replicas=9").print_digest == job.print_digest
    assert job_of("scans", "out", "print.quality=91").print_digest != job.print_digest
    assert job_of("scans", "out", "print.tiled=true").print_digest != job.print_digest


def test_prints_of_0_1_0_keep_their_digests() -> None:
    """Recipes have more fields now; those filed under the first four must stay findable."""
    assert print_digest(PrintRecipe()) == "cd9910f78608f99c"
    assert print_digest(PrintRecipe(format="tiff", compression="deflate")) == "40c13e3eb5853594"
    assert print_digest(PrintRecipe(tiled=False, lossless=False)) == "cd9910f78608f99c"


def test_threads_go_by_a_replicas_cpus_unless_they_are_said() -> None:
    def threads(*changes: str) -> int:
        return load_job("/scans", "/out", changes).run.threads_each_side

    assert threads() == 2
    assert threads("run.cpus_per_replica=7.5") == 8
    assert threads("run.cpus_per_replica=7.5", "run.threads=3") == 3


def test_replicas_are_counted_one_way() -> None:
    assert load_job("/scans", "/out", ["run.max_replicas=8"]).run.max_replicas == 8
    with pytest.raises(SettingsError, match="max_replicas goes with replicas"):
        load_job("/scans", "/out", ["run.max_replicas=8", "run.replicas=4"])
