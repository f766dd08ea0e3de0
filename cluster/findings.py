"""What a lint finds, and the plain mistakes: names that are not there, values of the wrong kind."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import ValidationError

Where = tuple[str | int, ...]
_WORDS = {"string_type": "text", "int_type": "a whole number", "bool_type": "true or false"}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where in which file, what, and how to mend it."""

    file: str
    path: str
    what: str
    mend: str


@dataclass(frozen=True)
class Wrong:
    """A finding within a document: the way to it, what it is, and the mend."""

    where: Where
    what: str
    mend: str


def dotted(where: Where) -> str:
    """Write a way down a document as people do: spec.workerGroupSpecs[0].minReplicas."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def misshapen(model: Any, document: dict[str, Any]) -> Iterator[Wrong]:
    """Yield where a document is not of the shape that a model has."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        for fault in error.errors():
            yield _told(model, fault["loc"], fault["type"], fault["msg"], fault["input"])


def _told(model: Any, where: Where, kind: str, message: str, value: Any) -> Wrong:
    name = where[-1] if where else ""
    if kind == "extra_forbidden":
        known = _fields(model, where[:-1])
        near = difflib.get_close_matches(str(name), known, 1, 0.6)
        mend = f"write {near[0]}" if near else f"there are {', '.join(sorted(known))}"
        return Wrong(where, f"no such field: {name}", mend)
    if kind == "missing":
        return Wrong(where, f"{name} is missing", f"add {name}")
    if kind == "string_type" and isinstance(value, int | float):
        return Wrong(where, f"{value!r} is a number, and text is wanted", f'write "{value}"')
    if kind in _WORDS:
        return Wrong(where, f"{value!r} is not {_WORDS[kind]}", f"write {_WORDS[kind]}")
    if kind == "literal_error":
        return Wrong(
            where, f"{value!r} is none of the values", message.replace("Input should", "it must")
        )
    return Wrong(where, f"{value!r} cannot be", message.replace("Input should", "it must"))


def _fields(model: Any, where: Sequence[str | int]) -> list[str]:
    """Return the names of the fields that a model has at some depth."""
    for part in where:
        if isinstance(part, int):
            (model,) = get_args(model)
        elif get_origin(model) is dict:
            model = get_args(model)[1]
        else:
            model = model.model_fields[part].annotation
    return list(model.model_fields)
