"""What the verbs share: options, tables, sizes in words, opening a place."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from photochrom.jobs.pinned import Pinned
    from photochrom.jobs.storage.store import Store

WIDE = 4096  # columns, where no terminal sets a limit: tables take what they need
MOST_COLUMNS = 8
_IDENTITIES = {"anonymous", "profile", "access_key_env", "secret_key_env"}
console = Console(
    highlight=False,
    markup=False,
    emoji=False,  # names may have [brackets] and :colons:
    width=None if sys.stdout.isatty() else WIDE,
)
SOME_FAILED, MISMATCH = 3, 4

Changes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as in run.replicas=8."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Out: TypeAlias = Annotated[str, typer.Argument(metavar="OUT", help="An output place.")]


@dataclass(frozen=True, slots=True)
class Place:
    """An output place, opened, and what is pinned in it."""

    store: Store
    pinned: Pinned


def open_place(out: str, changes: Sequence[str] | None) -> Place:
    """Open an output place, with the access that it was written with or that `--set` says."""
    from photochrom.jobs.pinned import read_pinned
    from photochrom.jobs.settings import checked_job, load_job
    from photochrom.jobs.storage.store import Store

    asked = load_job(out, out, changes or ())
    store = Store(asked.output, asked.storage.output)
    pinned = read_pinned(store)
    values = pinned.job.model_dump()
    given = asked.model_dump(exclude_unset=True, exclude={"manifest", "output"})
    job = checked_job(_overlaid(values, given) | {"output": asked.output}, out)
    return Place(store, pinned.model_copy(update={"job": job}))


def _overlaid(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    if _IDENTITIES & changes.keys():  # one way to say who we are replaces another
        merged = {key: value for key, value in merged.items() if key not in _IDENTITIES}
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _overlaid(merged[key], value)
        else:
            merged[key] = value
    return merged


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table, numbers to the right; a wide one as a block for each row."""
    lines = [list(row) for row in rows]
    if len(columns) > MOST_COLUMNS:
        for line in lines:
            show("", ["column", "value"], zip(columns, line, strict=True))
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        right = bool(lines) and all(_numeric(line[index]) for line in lines)
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for line in lines:
        table.add_row(*("" if value is None else str(value) for value in line))
    console.print(table)


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) or value in (None, "")


def show_json(value: Any) -> None:
    """Print a value as JSON; times and the like as text."""
    print(json.dumps(value, default=str, indent=2, ensure_ascii=False))


def shown(place: str) -> str:
    """Return a place as people write it: a local one as its path."""
    return place.removeprefix("file://")


def endings(counts: Mapping[str, int]) -> str:
    """Return how many files had which ending: 3 .xmp, 1 .txt."""
    return ", ".join(f"{count} {ending}" for ending, count in counts.items())


def size(count: float) -> str:
    """Return bytes in words: 1.5 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """Return seconds in words: 3 h 20 min."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
