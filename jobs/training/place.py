"""A training's output place: what was pinned there first, and what is kept there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from photochrom.colorize.training.recipe import Recipe
from photochrom.jobs.errors import NotFound, OtherJob
from photochrom.jobs.pinned import code_version
from photochrom.jobs.storage.store import Store
from photochrom.jobs.training.settings import FILES, Training

TRAINING_FILE = "training.json"
SHOWN = 6  # differences in an error


class StoreKeep:
    """Keeps a training's objects in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def put(self, key: str, file: Path) -> None:
        """Keep a file's bytes under a key, over any that are there."""
        self.store.put_file(key, file)

    def get(self, key: str, file: Path) -> bool:
        """Copy what is kept to a file; return whether there was anything."""
        try:
            self.store.fetch(key, file)
        except NotFound:
            return False
        return True

    def keys(self, folder: str) -> list[str]:
        """Return the keys below a folder, sorted."""
        return [entry.key for entry in self.store.list(folder)]

    def drop(self, key: str) -> None:
        """Keep it no longer."""
        self.store.delete(key)


def output_store(training: Training) -> Store:
    """Open a training's output place."""
    return Store(training.output, training.storage.output)


def pin(store: Store, training: Training, files: dict[str, str]) -> None:
    """Write training.json if there is none; raise OtherJob if the place is another training's.

    `files` are the digests of the files that the recipe names.
    """
    wanted = {
        "manifest": training.manifest.rstrip("/"),
        "recipe": _without_paths(training.recipe()),
        "workers": training.run.workers,
        "files": files,
    }
    text = json.dumps(wanted | {"software": f"photochrom {code_version()}"}, indent=2)
    if store.put_if_absent(TRAINING_FILE, text.encode() + b"\n"):
        return
    found = read_pinned(store)
    mine, theirs = _flat(wanted), _flat({name: found.get(name) for name in wanted})
    different = [
        f"{name} is {theirs.get(name)!r} there and {mine.get(name)!r} here"
        for name in sorted(mine.keys() | theirs.keys())
        if mine.get(name) != theirs.get(name)
    ]
    if different:
        more = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        told = "; ".join(different[:SHOWN])
        raise OtherJob(
            f"{store.root} holds another training: {told}{more}. Choose another output place"
        )


def read_pinned(store: Store) -> dict[str, Any]:
    """Return what a training's place says of itself; what is new since then has its default.

    Raises OtherJob if it was written by a release whose recipes this one does not read.
    """
    found: dict[str, Any] = json.loads(store.read(TRAINING_FILE))
    try:
        recipe = Recipe.model_validate(found["recipe"])
    except (KeyError, ValidationError) as error:
        raise OtherJob(
            f"{store.root} holds a training by {found.get('software')}, which this release cannot "
            "go on with: use that one, or choose another output place"
        ) from error
    return found | {"recipe": _without_paths(recipe)}


def _without_paths(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's values without the files that it names: they are known by their digests."""
    values = recipe.model_dump(mode="json")
    for *sections, name in FILES:
        section = values
        for part in sections:
            section = section[part]
        section[name] = ""
    return values


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return nested values by dotted names."""
    if isinstance(value, dict):
        parts: list[tuple[str, Any]] = list(value.items())
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        parts = [(str(number), part) for number, part in enumerate(value)]
    else:
        return {name: value}
    flat: dict[str, Any] = {}
    for key, part in parts:
        flat |= _flat(part, f"{name}.{key}" if name else key)
    return flat
