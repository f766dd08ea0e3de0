"""Which painted picture belongs to which original, by their names.

A print is `<stem>.<16 hex>.ai-colorized.<ext>` in the folder of its collection, where jobs write
names in plain letters, or `<stem>.ai-colorized.<ext>`; other programs' are `<stem>.<ext>`. Where
pictures are named as prints, all others in that place (plates) are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from photochrom.jobs.errors import ManifestError
from photochrom.jobs.identity import print_name
from photochrom.jobs.planning.manifest import PICTURE_ENDINGS
from photochrom.jobs.scoring.stored import Photograph, Stored
from photochrom.jobs.storage.access import Access
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store

_PRINT = re.compile(r"(?P<stem>.+?)(\.[0-9a-f]{16})?\.ai-colorized")


@dataclass(frozen=True, slots=True)
class Matched:
    """A painted picture and its original."""

    painted: Photograph
    truth: Photograph


@dataclass(frozen=True, slots=True)
class Matching:
    """The pairs by the originals' names, and the names of what has no counterpart."""

    pairs: tuple[Matched, ...]
    painted_alone: tuple[str, ...]
    truth_alone: tuple[str, ...]


def match_places(painted: PicturePlace, truth: PicturePlace) -> Matching:
    """Match two places; raises ManifestError where nothing matches, or two would be one."""
    made, originals = painted.pictures(), truth.pictures()
    if any(_PRINT.fullmatch(_stem(one)) for one in made):
        made = [one for one in made if _PRINT.fullmatch(_stem(one))]
    known = _indexed(((key, one) for one in originals for key in _keys(one)), truth)
    found = _indexed(
        ((known[key].name, one) for one in made if (key := _key(one)) in known), painted
    )
    if not found:
        raise ManifestError(
            f"{painted.root}: none of {len(made)} painted pictures is named after one of "
            f"{len(originals)} in {truth.root}"
        )
    by_name = {one.name: one for one in originals}
    used = {one.name for one in found.values()}
    return Matching(
        pairs=tuple(Matched(found[name], by_name[name]) for name in sorted(found)),
        painted_alone=tuple(one.name for one in made if one.name not in used),
        truth_alone=tuple(one.name for one in originals if one.name not in found),
    )


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """A folder or prefix, and how it is reached."""

    root: str
    access: Access

    def pictures(self) -> list[Stored]:
        """List the pictures in it, by their keys; raises ManifestError where there are none."""
        store, sources = Store(self.root, self.access), Sources(self.access)
        found = []
        for entry in store.list():
            path = PurePosixPath(entry.key)
            hidden = any(part.startswith(".") for part in path.parts)
            if path.suffix.lower().lstrip(".") in PICTURE_ENDINGS and not hidden:
                found.append(Stored(entry.key, store.uri(entry.key), sources, entry.version))
        if not found:
            raise ManifestError(f"{self.root}: no pictures there; name a folder or s3:// prefix")
        return found


def _stem(picture: Stored) -> str:
    return PurePosixPath(picture.name).stem


def _key(painted: Stored) -> str:
    """Return what a painted picture is named after: its folder and its original's stem."""
    return _named_after(painted.name)


def _named_after(name: str) -> str:
    path = PurePosixPath(name)
    print_ = _PRINT.fullmatch(path.stem)
    return str(path.with_name(print_["stem"] if print_ else path.stem))


def _keys(original: Stored) -> set[str]:
    """Return what painted pictures of an original may be named after: it, or as jobs write it."""
    path = PurePosixPath(original.name)
    folder = "" if str(path.parent) == "." else str(path.parent)
    filed = _named_after(print_name(folder, original.name, "", "", "jpg"))
    return {str(path.with_suffix("")), filed, filed.removeprefix("prints/")}


def _indexed(pictures: Iterable[tuple[str, Stored]], place: PicturePlace) -> dict[str, Stored]:
    """Index pictures; raises ManifestError if two would be taken for one."""
    found: dict[str, Stored] = {}
    for key, one in pictures:
        other = found.setdefault(key, one)
        if other is not one:
            raise ManifestError(
                f"{place.root}: {other.name} and {one.name} both go by {key}; keep one of them"
            )
    return found
