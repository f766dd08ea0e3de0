"""job.json: what an output place is for, pinned by whoever came first.

One place holds one manifest's job with one paint recipe and one main print recipe. The same command
with another is an error that names the difference.
"""

from __future__ import annotations

import getpass
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.generator.known import find_model
from photochrom.colorize.picture import PIXELS
from photochrom.jobs.errors import JobError, NotFound, OtherJob
from photochrom.jobs.identity import digest
from photochrom.jobs.records import SCHEMA_VERSION
from photochrom.jobs.settings import Job, Roll, print_digest
from photochrom.jobs.storage.store import Store
from photochrom.jobs.weights import weights_sha256

JOB_FILE = "job.json"


def code_version() -> str:
    """Return the installed version of Photochrom."""
    return version("photochrom")


class PaintRecipe(BaseModel):
    """All that decides a plate or its row, resolved: the weights by their digest.

    `render_size` "auto" stands for a rule, the same everywhere; each row says what came of it.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    weights_sha256: str
    render_size: int | Literal["auto"]
    smallest_render_size: int | None = None
    tone: str
    precision: str
    compiled: bool = False
    confidence: bool = False
    collections: dict[str, Roll] = {}
    pixels: int = PIXELS

    @model_serializer(mode="wrap")
    def _as_used(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out `collections` where there are none, as recipes did before there were any."""
        values: dict[str, Any] = plain(self)
        return (
            values if self.collections else {k: v for k, v in values.items() if k != "collections"}
        )

    @property
    def digest(self) -> str:
        """The recipe's name, 64 hex digits."""
        return digest(self.model_dump(mode="json"))


class Pinned(BaseModel):
    """The content of job.json: the job as it was first run, and its digests."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    job: Job
    paint: PaintRecipe
    recipe_digest: str
    print_digest: str
    software: str
    created_at: str
    operator: str


def paint_recipe(job: Job) -> PaintRecipe:
    """Resolve a job's paint settings.

    Raises ModelError, StorageError where the weights are, SettingsError if `sha256` differs.
    """
    paint = job.paint
    model = find_model(paint.model)
    found = weights_sha256(job)
    if paint.sha256 and paint.sha256.lower() != found:
        raise SettingsError(f"paint.sha256 is {paint.sha256}, but the weights are {found}")
    return PaintRecipe(
        model=paint.model,
        weights_sha256=found,
        render_size=paint.render_size,
        smallest_render_size=paint.smallest_render_size,
        tone=paint.tone,
        precision=model.precision if paint.precision == "auto" else paint.precision,
        compiled=paint.compiled,
        confidence=paint.confidence,
        collections=paint.collections,
    )


def pinned_of(job: Job) -> Pinned:
    """Say what a job would pin."""
    paint = paint_recipe(job)
    return Pinned(
        job=job,
        paint=paint,
        recipe_digest=paint.digest,
        print_digest=print_digest(job.print),
        software=f"photochrom {code_version()}",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        operator=operator_of(job),
    )


def operator_of(job: Job) -> str:
    """Name who runs this: the job's own word, else the user at this host."""
    return job.operator or this_user()


def this_user() -> str:
    """Name the user of this process, and the machine."""
    return f"{getpass.getuser()}@{platform.node()}"


def read_pinned(store: Store) -> Pinned:
    """Read job.json; raises JobError where there is none."""
    try:
        return Pinned.model_validate_json(store.read(JOB_FILE))
    except NotFound:
        raise JobError(f"{store.root}: no job.json there; is this an output place?") from None
    except ValidationError as error:
        raise JobError(f"{store.root}/{JOB_FILE} is damaged: {error.errors()[0]['msg']}") from None


def check_pixels(pinned: Pinned) -> None:
    """Raise OtherJob if a place was made by other rules for pixels or rows than this release's."""
    if pinned.paint.pixels != PIXELS or pinned.schema_version > SCHEMA_VERSION:
        raise OtherJob(
            f"made by {pinned.software} with PIXELS {pinned.paint.pixels} and schema "
            f"{pinned.schema_version}; this release has {PIXELS} and {SCHEMA_VERSION}: use that one"
        )


def agree(wanted: Pinned, found: Pinned, place: str) -> None:
    """Raise OtherJob, naming every difference, unless the place was pinned for this job."""
    mine, theirs = _flat(wanted), _flat(found)
    different = [
        f"{name} is {theirs.get(name)!r} there and {mine.get(name)!r} here"
        for name in sorted(mine.keys() | theirs.keys())
        if mine.get(name) != theirs.get(name)
    ]
    if not different:
        return
    hint = "choose another output place"
    if all(text.startswith("print.") for text in different):
        hint = f"for further prints of these plates: photochrom print {place}"
    raise OtherJob(f"{place} holds another job: {'; '.join(different)}. {hint}")


def pin(store: Store, wanted: Pinned) -> Pinned:
    """Write job.json if there is none, and return what stands; raises OtherJob."""
    if not store.exists(JOB_FILE):
        store.put_if_absent(JOB_FILE, wanted.model_dump_json(indent=2).encode() + b"\n")
    found = read_pinned(store)
    agree(wanted, found, store.root)
    return found


def _flat(pinned: Pinned) -> dict[str, object]:
    """Return what must agree, by dotted name."""
    flat: dict[str, object] = {"manifest": pinned.job.manifest.rstrip("/")}
    flat |= {f"paint.{name}": value for name, value in pinned.paint.model_dump().items()}
    flat |= {f"print.{name}": value for name, value in pinned.job.print.model_dump().items()}
    return flat
