"""What `photochrom train` is told: a recipe, and where photographs and results lie."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.training.recipe import Recipe, recipe_names, shipped_recipe
from photochrom.colorize.training.settings import Settings
from photochrom.jobs.settings import Storage, apply_change, one_line
from photochrom.jobs.training.photographs import TrainingColumns

MIB = 1 << 20
FILES = (("start",), ("backbone",), ("content", "encoder_weights"), ("critic", "weights"))


class TrainingRun(Settings):
    """How the work is spread; of these only `workers` has a part in what is learned."""

    workers: int = Field(1, ge=1, description="that learn together, each from its own squares")
    cpus_per_worker: float = Field(1, gt=0, description="its threads")
    gpus_per_worker: float | Literal["auto"] = Field("auto", description="one where there is one")
    threads: int = Field(2, ge=1, description="fetching photographs, in each worker")
    makers: int = Field(1, ge=1, description="threads that cut and age squares for a worker's GPU")
    photograph_bytes: int = Field(
        2048 * MIB, ge=MIB, description="decoded photographs kept in each worker's memory"
    )
    attempts: int = Field(3, ge=1, description="starts of all workers, when some are lost")
    checkpoint_minutes: float = Field(4.0, gt=0, description="between two checkpoints")


class Training(Recipe):
    """A recipe, its photographs and its output place."""

    manifest: str
    output: str
    allow: tuple[str, ...] = Field((), description="further prefixes photographs may lie under")
    columns: TrainingColumns = TrainingColumns()
    storage: Storage = Storage()
    run: TrainingRun = TrainingRun()

    @field_validator("manifest", "output")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must name a place")
        return value if "://" in value else "file://" + os.path.abspath(os.path.expanduser(value))

    @property
    def held_out(self) -> float:
        """The share that is held out, where no row says so by its `split`."""
        return self.validation.share

    def recipe(self) -> Recipe:
        """Return what decides the learning, without the places."""
        return Recipe.model_validate({name: getattr(self, name) for name in Recipe.model_fields})

    def files(self) -> dict[str, str]:
        """Return the files that the recipe names, by the setting's dotted name."""
        values = self.model_dump()
        found = {".".join(path): _at(values, path) for path in FILES}
        return {name: uri for name, uri in found.items() if uri}


def load_training(
    target: str,
    manifest: str | None = None,
    output: str | None = None,
    changes: Sequence[str] = (),
) -> Training:
    """Read a TOML file or a shipped recipe by its name; then apply `--set a.b=value` changes.

    A file may build on a recipe: base = "pocket". Its paths are relative to it. Raises
    SettingsError: one line, with the key.
    """
    values = _read(Path(target)) if target.endswith(".toml") else shipped_recipe(target)
    base = values.pop("base", None)
    if base is not None:
        values = _laid_over(shipped_recipe(str(base)), values)
    given = {"manifest": manifest, "output": output}
    values |= {name: place for name, place in given.items() if place is not None}
    for change in changes:
        apply_change(values, change)
    _place(values, FILES, Path.cwd())
    for name in given:
        if name not in values:
            raise SettingsError(f"{target}: no {name}: name it there, or after {target}")
    try:
        return Training.model_validate(values)
    except ValidationError as error:
        raise SettingsError(one_line(error, target, Training)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        names = ", ".join(recipe_names())
        raise SettingsError(f"{path}: no such file; the shipped recipes are {names}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: {error}") from error
    _place(values, (("manifest",), ("output",), *FILES), path.parent)
    return values


def _place(values: dict[str, Any], names: Sequence[Sequence[str]], folder: Path) -> None:
    """Make the paths among some values absolute; relative ones are a folder's."""
    for name in names:
        section = _at(values, name[:-1])
        named = section.get(name[-1]) if isinstance(section, dict) else None
        if isinstance(named, str) and named and "://" not in named:
            section[name[-1]] = os.path.abspath(folder / os.path.expanduser(named))


def _at(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = values
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _laid_over(base: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in values.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(value, Mapping):
            value = _laid_over(below, value)
        merged[name] = value
    return merged
