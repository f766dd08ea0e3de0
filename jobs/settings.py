"""The job file: frozen settings with a reason for every default; unknown keys are errors."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Sequence
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.picture.printing.recipe import PrintRecipe
from photochrom.colorize.picture.reading.limits import ReadingLimits
from photochrom.colorize.picture.toning.film import Film
from photochrom.jobs.identity import digest
from photochrom.jobs.signing import Signing
from photochrom.jobs.storage.access import Access

MIB = 1 << 20
_ELSEWHERE = re.compile("://|^env:|\n")  # what is no path beside the job file

Square = Annotated[int, Field(ge=64, le=2048, multiple_of=16)]
"""The side of what a generator sees, in pixels."""

Count = Annotated[int, Field(ge=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Storage(_Settings):
    """Where each side lies and as whom; sources are only ever read."""

    source: Access = Access()
    output: Access = Access()


class Columns(_Settings):
    """What the manifest calls our columns; only `uri` must be there."""

    row_id: str = "row_id"
    uri: str = "uri"
    version: str = "version"
    bytes: str = "bytes"
    collection: str = "collection"
    tone: str = "tone"
    rights: str = "rights"
    restriction: str = "restriction"
    storage_class: str = "storage_class"


class Roll(_Settings):
    """What a collection's photos have in common: their tone and, of negatives, their film."""

    tone: Literal["auto", "positive", "negative"] = "auto"
    base: float | None = Field(None, gt=0, le=1, description="clear film, of the sample range")
    densest: float | None = Field(None, ge=0, lt=1, description="what prints white, likewise")

    @model_validator(mode="after")
    def _in_order(self) -> Roll:
        if self.base is not None and self.densest is not None and self.densest >= self.base:
            raise ValueError("densest must be less than base: film is brightest where it is clear")
        return self

    @property
    def film(self) -> Film:
        """What its negatives are turned over by."""
        return Film(self.base, self.densest)


class Paint(_Settings):
    """The paint recipe, as asked for: all that decides a plate."""

    model: str = Field("pocket", description="which generator")
    weights: str | None = Field(
        None, description="a path or an s3:// URI; leave out for embedded models"
    )
    sha256: str | None = Field(None, description="refuse any other weights")
    render_size: Square | Literal["auto"] = Field(
        "auto", description="the square that the generator sees; auto: the model's, less if small"
    )
    smallest_render_size: Square | None = Field(
        None, description="out of memory, paint a photo so small rather than fail it"
    )
    tone: Literal["auto", "positive", "negative"] = Field(
        "auto", description="of photos whose manifest row or collection does not say"
    )
    collections: dict[str, Roll] = Field(
        {},
        description="by name: `tone`, and one `base` and `densest` for all of a roll's negatives",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="of the generator; auto is the model's own, the same everywhere"
    )
    compiled: bool = Field(
        False,
        description="by torch.compile: faster on GPUs, after minutes for each new batch or size",
    )
    confidence: bool = Field(
        False, description="measure it, by painting every photo mirrored too; takes twice as long"
    )

    @field_validator("weights")
    @classmethod
    def _found(cls, value: str | None) -> str | None:
        if not value or value.startswith("s3://"):
            return value or None
        path = value.removeprefix("file://")
        if "://" in path:
            raise ValueError("must be a path, or a URI that starts with s3:// or file://")
        return _absolute(path)


class Run(_Settings):
    """How the work is spread; nothing here changes a pixel."""

    replicas: int | Literal["auto"] = Field("auto", description="as many as fit")
    max_replicas: int | None = Field(
        None, ge=1, description="ask for up to so many instead, on a cluster that grows when asked"
    )
    cpus_per_replica: float = Field(1, gt=0, description="its threads included")
    gpus_per_replica: float | Literal["auto"] = Field("auto", description="one where there is one")
    batch: int = Field(8, ge=1, description="squares per generator call")
    threads: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="on each side of the generator; auto: a replica's CPUs, 2 at least"
    )
    attempts: int = Field(3, ge=2, description="of a shard, before it is left for the next run")
    lease_seconds: float = Field(1800, gt=0, description="of silence, before a worker is replaced")
    outage_seconds: float = Field(
        1800, ge=0, description="that a run waits for a storage that is away, before it stops"
    )
    shard_rows: Count | Literal["auto"] = Field(
        "auto",
        description="committed together, at most; auto: 200, or 3 minutes' work once measured",
    )
    shard_bytes: Count | Literal["auto"] = Field(
        "auto", description="of sources in a shard, at most; auto: 1 GiB, or as above"
    )
    pace: float | None = Field(
        None, gt=0, description="of a replica, as `plan --calibrate` measures it"
    )
    price_per_hour: float | None = Field(None, ge=0, description="of a node, for estimates")
    replicas_per_node: int = Field(1, ge=1, description="likewise")
    bytes_in_flight: int = Field(
        1024 * MIB, ge=1, description="decoded samples in one worker; larger photos lie in a file"
    )

    @property
    def threads_each_side(self) -> int:
        """How many threads fetch and decode, and how many print and store."""
        return max(2, ceil(self.cpus_per_replica)) if self.threads == "auto" else self.threads

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Run:
        if self.max_replicas is not None and self.replicas != "auto":
            raise ValueError('max_replicas goes with replicas = "auto"')
        return self


class Limits(ReadingLimits):
    """Bounds that keep a mistake small."""

    confirm_bytes: int = Field(1 << 40, ge=0, description="ask on a terminal beyond this output")


class Job(_Settings):
    """One manifest, one output place, one paint recipe, one print recipe, and how to run."""

    manifest: str
    output: str
    allow: tuple[str, ...] = Field((), description="further prefixes that sources may lie under")
    restrictions: str | None = Field(None, description="a table of what must not be processed")
    columns: Columns = Columns()
    storage: Storage = Storage()
    paint: Paint = Paint()
    marks: Signing = Signing()
    print: PrintRecipe = Field(PrintRecipe(), validate_default=True)
    run: Run = Run()
    limits: Limits = Limits()
    operator: str = Field("", description="who answers for the job; the user if left out")

    @field_validator("manifest", "output", "restrictions")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.strip():
            raise ValueError("must name a place")
        return value if "://" in value else "file://" + _absolute(value)

    @field_validator("print")
    @classmethod
    def _signed(cls, value: PrintRecipe, info: ValidationInfo) -> PrintRecipe:
        """Let the print recipe say whether prints are signed, as `marks` decides."""
        wanted = info.data["marks"].wanted if "marks" in info.data else value.c2pa
        return value.model_copy(update={"c2pa": wanted})

    @cached_property
    def print_digest(self) -> str:
        """The name of the print recipe, as prints are filed under it."""
        return print_digest(self.print)


_FIRST = ("format", "long_side", "quality", "compression")


def print_digest(recipe: PrintRecipe) -> str:
    """Return the name under which prints of a recipe are filed, 16 hex digits.

    Fields that came later count only where they are used: older prints keep their name.
    """
    used = recipe.model_dump(mode="json", exclude_defaults=True)
    values = recipe.model_dump(mode="json")
    named = {name: value for name, value in values.items() if name in _FIRST or name in used}
    return digest(named)[:16]


def settings_reference() -> list[tuple[str, str, str]]:
    """Return each setting's dotted name, its default as JSON, and what it means."""
    sections: dict[str, type[BaseModel]] = {
        "paint": Paint,
        "print": PrintRecipe,
        "marks": Signing,
        "run": Run,
        "limits": Limits,
    }
    return [
        (f"{section}.{name}", json.dumps(field.default), field.description or "")
        for section, model in sections.items()
        for name, field in model.model_fields.items()
    ]


def _absolute(path: str) -> str:
    folder = "/" if path.endswith("/") and path != "/" else ""
    return os.path.abspath(os.path.expanduser(path)) + folder


def load_job(target: str, output: str | None = None, changes: Sequence[str] = ()) -> Job:
    """Read `JOB.toml`, or take `MANIFEST OUTPUT`; then apply `--set a.b=value` changes.

    Paths in a job file are relative to it. Raises SettingsError: one line, with the key.
    """
    if output is None:
        if not target.endswith(".toml"):
            raise SettingsError(f"{target}: give a job file (.toml), or a manifest and an output")
        values = _read_toml(Path(target))
    else:
        values = {"manifest": target, "output": output}
    for change in changes:
        apply_change(values, change)
    return checked_job(values, target)


def checked_job(values: dict[str, Any], source: str) -> Job:
    """Make a job of values that came from `source`; raises SettingsError: one line."""
    try:
        return Job.model_validate(values)
    except ValidationError as error:
        raise SettingsError(one_line(error, source, Job)) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such job file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: {error}") from error
    for name in ("manifest", "output", "restrictions"):
        place = values.get(name)
        if isinstance(place, str) and place and "://" not in place:
            values[name] = _absolute(str(path.parent / place) + ("/" if place[-1] == "/" else ""))
    for section, name in (("paint", "weights"), ("marks", "c2pa_key"), ("marks", "c2pa_chain")):
        inner = values.get(section)
        if not isinstance(inner, dict):
            continue
        place = inner.get(name)
        if isinstance(place, str) and place and not _ELSEWHERE.search(place):
            inner[name] = _absolute(str(path.parent / place))
    return values


def apply_change(values: dict[str, Any], change: str) -> None:
    """Write one `section.key=value` into nested values; a number names an entry of a list."""
    name, equals, text = change.partition("=")
    if not equals or not name:
        raise SettingsError(f"--set {change}: write it as section.key=value")
    *sections, key = name.strip().split(".")
    inner: Any = values
    for section in sections:
        inner = (
            _entry(inner, section, change)
            if isinstance(inner, list)
            else inner.setdefault(section, {})
        )
        if not isinstance(inner, dict | list):
            raise SettingsError(f"--set {change}: {section} is a value, not a section")
    if isinstance(inner, list):
        _entry(inner, key, change)
        inner[int(key)] = _value(text.strip())
    else:
        inner[key] = _value(text.strip())


def _entry(entries: list[Any], number: str, change: str) -> Any:
    if not number.isdecimal() or int(number) >= len(entries):
        numbers = f"0 to {len(entries) - 1}" if entries else "them, for there are none"
        raise SettingsError(f"--set {change}: {number} is none of {numbers}")
    return entries[int(number)]


def _value(text: str) -> Any:
    """Read a value as JSON where it is JSON, else as the text that it is."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def one_line(error: ValidationError, target: str, model: type[BaseModel]) -> str:
    """Turn pydantic's report into one line that names each key and what is wrong with it."""
    faults: dict[str, list[str]] = {}
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"] if not _is_type(part))
        text = fault["msg"]
        if fault["type"] == "extra_forbidden":
            text = f"no such setting; there are {', '.join(_siblings(fault['loc'], model))}"
        faults.setdefault(key, []).append(text)
    return f"{target}: " + "; ".join(
        f"{key}: {', or: '.join(dict.fromkeys(texts))}" for key, texts in faults.items()
    )


def _is_type(part: int | str) -> bool:
    numbers = ("int", "constrained-int", "float")
    return isinstance(part, str) and (part in numbers or part.startswith("literal["))


def _siblings(location: tuple[int | str, ...], model: Any) -> list[str]:
    for part in location[:-1]:
        if isinstance(part, int):
            model = get_args(model)[0]
        elif get_origin(model) is dict:
            model = get_args(model)[1]
        else:
            model = model.model_fields[part].annotation
    return sorted(model.model_fields)
