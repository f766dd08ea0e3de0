"""score: how near painted photographs come to their real colours.

Either prints that were made before, beside their colour originals (`matching`), or a model that
paints colour photographs from their luma alone. Each photograph is scored, or named with its
reason; pictures are read one by one and none is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from photochrom.colorize.colorizer import Colorizer, Failure
from photochrom.colorize.errors import SourceError
from photochrom.colorize.scoring import ColourPhoto, Pair, Report, Scorer
from photochrom.colorize.scoring.sheet import picks, write_sheet
from photochrom.jobs.errors import ManifestError, StorageError
from photochrom.jobs.messages import Finished
from photochrom.jobs.pinned import paint_recipe
from photochrom.jobs.planning.manifest import read_manifest
from photochrom.jobs.reasons import Outcome, Reason, reason_of
from photochrom.jobs.scoring.matching import Matched, Matching, PicturePlace, match_places
from photochrom.jobs.scoring.stored import (
    InShard,
    Photograph,
    Stored,
    gallery_in_shards,
    names_shards,
)
from photochrom.jobs.settings import Job
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.weights import weights_file

if TYPE_CHECKING:
    from photochrom.jobs.driving.shift import Reporter

NOT_COLOUR = "not_in_colour"
"""The reason of a photograph without colours to be compared with."""

_PIXELS_IN_HAND = 1 << 26  # of luma, while a batch is gathered

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unscored:
    """A photograph that is not in the figures, and why."""

    name: str
    reason: str
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether it should have been scored: it is neither without colour nor restricted."""
        return self.reason not in (NOT_COLOUR, Reason.RESTRICTED)


class Pairs(Protocol):
    """Where pairs come from, as often as asked."""

    def __len__(self) -> int:
        """Return how many photographs there are."""

    def pairs(self, names: Collection[str] | None = None) -> Iterator[Pair | Unscored]:
        """Yield a pair, or why there is none, for each photograph, or for the named ones."""

    def facts(self) -> dict[str, Any]:
        """Say what was scored, for reports."""


def score(source: Pairs, scorer: Scorer, reporter: Reporter) -> tuple[Report, list[Unscored]]:
    """Score every photograph, and say what was not; raises ManifestError where none could be."""
    unscored: list[Unscored] = []
    reporter.begin(len(source), 0)
    try:
        for one in source.pairs():
            if isinstance(one, Unscored):
                unscored.append(one)
                outcome = Outcome.FAILED if one.failed else Outcome.SKIPPED
                reporter.advance(Finished(one.name, outcome, one.reason))
            else:
                scorer.add(one)
                reporter.advance(Finished(one.name, Outcome.COLORIZED, ""))
    finally:
        reporter.end()
    if len(unscored) == len(source):
        why = f"{unscored[0].name}: {unscored[0].error or unscored[0].reason}"
        raise ManifestError(f"none of {len(source)} photographs could be scored; {why}")
    return scorer.report(), unscored


def draw_sheet(source: Pairs, report: Report, path: Path) -> None:
    """Read the best, median and worst photographs once more, and show them."""
    chosen = picks(report)
    found = source.pairs({one.name for one in chosen})
    write_sheet((one for one in found if isinstance(one, Pair)), chosen, report, path)


@dataclass(frozen=True)
class Prints:
    """Painted pictures that lie somewhere, beside the colour originals of the same names."""

    matching: Matching
    side: int
    max_pixels: int

    def __len__(self) -> int:
        return len(self.matching.pairs)

    def facts(self) -> dict[str, Any]:
        """Name the pictures without a counterpart."""
        alone = {"painted": self.matching.painted_alone, "truth": self.matching.truth_alone}
        return {"painter": None, "unmatched": alone, "left_out": {}}

    def pairs(self, names: Collection[str] | None = None) -> Iterator[Pair | Unscored]:
        """Read both pictures of each pair; its name is the original's."""
        for one in self.matching.pairs:
            if names is None or one.truth.name in names:
                yield self._pair(one)

    def _pair(self, matched: Matched) -> Pair | Unscored:
        name = matched.truth.name
        truth = _opened(matched.truth, self.side, self.max_pixels)
        if isinstance(truth, Unscored):
            return truth
        if not truth.in_colour:
            return Unscored(name, NOT_COLOUR)
        painted = _opened(matched.painted, self.side, self.max_pixels)
        if isinstance(painted, Unscored):
            return painted
        return _tried(name, partial(Pair.of, name, painted.rgb, truth.rgb))


@dataclass(frozen=True)
class Painted:
    """Colour photographs that a model paints, in batches, from their luma alone."""

    photographs: Sequence[Photograph]
    colorizer: Colorizer
    job: Job
    side: int
    restricted: Sequence[Unscored] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.photographs) + len(self.restricted)

    def facts(self) -> dict[str, Any]:
        """Name the model, and count a folder's files that are no pictures by their ending."""
        generator = self.colorizer.generator
        painter = {
            "model": generator.name,
            "weights_sha256": generator.weights_sha256,
            "render_size": self.job.paint.render_size,
            "precision": generator.precision,
        }
        return {"painter": painter, "unmatched": {}, "left_out": dict(self.left_out)}

    def pairs(self, names: Collection[str] | None = None) -> Iterator[Pair | Unscored]:
        """Read, grey and paint; photographs without colour are not painted."""
        if names is None:
            yield from self.restricted
        batch: list[tuple[str, ColourPhoto]] = []
        for one in self.photographs:
            if names is not None and one.name not in names:
                continue
            opened = _opened(one, self.side, self.job.limits.max_pixels)
            if isinstance(opened, Unscored):
                yield opened
            elif not opened.in_colour:
                yield Unscored(one.name, NOT_COLOUR)
            else:
                batch.append((one.name, opened))
            held = sum(each.photo.luma.size for _, each in batch)
            if len(batch) >= self.job.run.batch or held >= _PIXELS_IN_HAND:
                yield from self._paint(batch)
                batch = []
        yield from self._paint(batch)

    def _paint(self, batch: Sequence[tuple[str, ColourPhoto]]) -> Iterator[Pair | Unscored]:
        paint, photos = self.job.paint, [opened.photo for _, opened in batch]
        plates = self.colorizer.paint(
            photos,
            paint.render_size,
            [photo.tone_table("positive", "in colour") for photo in photos],
            smallest=paint.smallest_render_size,
        )
        for (name, opened), plate in zip(batch, plates, strict=True):
            if isinstance(plate, Failure):
                yield Unscored(name, reason_of(plate.error), str(plate.error))
            else:
                yield Pair(name, opened.painted(plate), opened.rgb)


def load_painted(job: Job, side: int) -> Painted:
    """Read a job's manifest and load its model; raises ManifestError, ModelError, StorageError."""
    paint, recipe = job.paint, paint_recipe(job)
    colorizer = Colorizer.load(
        paint.model,
        weights=weights_file(job, recipe.weights_sha256),
        sha256=recipe.weights_sha256,
        precision=recipe.precision,
        compiled=paint.compiled,
    )
    if names_shards(job):
        gallery = gallery_in_shards(job)
        found = [InShard(gallery.id(index), gallery, index) for index in range(len(gallery))]
        return Painted(found, colorizer, job, side, left_out=gallery.left_out)
    manifest, sources = read_manifest(job), Sources(job.storage.source)
    rows = manifest.rows
    return Painted(
        [Stored(row.row_id, row.uri, sources, row.version) for row in rows if not row.restriction],
        colorizer,
        job,
        side,
        [Unscored(row.row_id, Reason.RESTRICTED) for row in rows if row.restriction],
        manifest.left_out,
    )


def prints_beside(job: Job, side: int) -> Prints:
    """Match what a job's output place holds with its sources; raises ManifestError."""
    painted = PicturePlace(job.output, job.storage.output)
    truth = PicturePlace(job.manifest, job.storage.source)
    return Prints(match_places(painted, truth), side, job.limits.max_pixels)


def _opened(photograph: Photograph, side: int, max_pixels: int) -> ColourPhoto | Unscored:
    """Fetch and read a picture strictly; what is wrong with it comes back."""

    def read() -> ColourPhoto:
        with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
            path = Path(folder, "picture")
            photograph.fetch(path)
            return ColourPhoto.open(path, side, max_pixels)

    return _tried(photograph.name, read)


def _tried(name: str, read: Callable[[], T]) -> T | Unscored:
    try:
        return read()
    except (SourceError, StorageError) as error:
        return Unscored(name, reason_of(error), str(error))
