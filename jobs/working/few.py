"""A few photos, here and now: no manifest, no ledger, no cluster; the same strictness and marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from photochrom.colorize.colorizer import Colorizer, Failure
from photochrom.colorize.errors import DeviceLost, PhotochromError, SettingsError
from photochrom.colorize.picture import Origin, PrintRecipe
from photochrom.colorize.picture.marking.c2pa import to_be_signed
from photochrom.colorize.picture.reading.limits import ReadingLimits
from photochrom.colorize.picture.reading.reading_room import reading_room
from photochrom.jobs.errors import ManifestError
from photochrom.jobs.planning.manifest import PICTURE_ENDINGS
from photochrom.jobs.reasons import Outcome, Reason, reason_of
from photochrom.jobs.settings import Paint
from photochrom.jobs.signing import Signing


@dataclass(frozen=True, slots=True)
class FewSettings:
    """How to paint and print a few photos."""

    paint: Paint
    print: PrintRecipe
    marks: Signing = field(default_factory=Signing)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one photo."""

    photo: str
    outcome: str
    reason: str = ""
    error: str = ""
    print: str = ""
    low_chroma: bool = False
    fallback: str = ""

    @property
    def line(self) -> tuple[str, str, str]:
        """The result as a table row."""
        outcome = f"{self.outcome}: {self.reason}" if self.reason else self.outcome
        pale = ", with next to no colour" if self.low_chroma else ""
        fallback = f" ({self.fallback})" if self.fallback else ""
        return self.photo, f"{outcome}{pale}{fallback}", self.print or self.error

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def settings(
    format: str,
    long_side: int | None,
    model: str,
    render_size: int | str = "auto",
    tone: str = "auto",
    *,
    weights: str | None = None,
    precision: str = "auto",
    c2pa_key: str | None = None,
    c2pa_chain: str | None = None,
) -> FewSettings:
    """Check what was asked for; raises SettingsError."""
    if weights and "://" in weights.removeprefix("file://"):
        raise SettingsError(
            f"--weights: {weights} is not on this machine, and colorize takes a file that is; "
            "copy it here first"
        )
    paint = {
        "model": model,
        "weights": weights,
        "render_size": render_size,
        "tone": tone,
        "precision": precision,
    }
    keys = {"c2pa_key": c2pa_key, "c2pa_chain": c2pa_chain}
    try:
        marks = Signing.model_validate(keys)
        recipe = {"format": format, "long_side": long_side, "c2pa": marks.wanted}
        return FewSettings(Paint.model_validate(paint), PrintRecipe.model_validate(recipe), marks)
    except ValidationError as error:
        faults = error.errors()
        name = str((*faults[0]["loc"], "c2pa_key")[0])
        texts = ", or: ".join(f["msg"] for f in faults if (*f["loc"], name)[0] == name)
        raise SettingsError(f"--{name.replace('_', '-')}: {texts}") from None


class Few:
    """One generator for a few photos; prints go to `out` under their photos' names."""

    def __init__(self, settings: FewSettings, out: Path) -> None:
        if settings.print.format == "none":
            raise SettingsError("--format: none makes no prints; choose jpeg, png, webp or tiff")
        self._settings, self._out = settings, out
        self._reading_room = reading_room(ReadingLimits())
        self._signer = settings.marks.signer()
        paint = settings.paint
        self._colorizer = Colorizer.load(
            paint.model,
            weights=Path(paint.weights) if paint.weights else None,
            precision=paint.precision,
        )
        self.left_out: Counter[str] = Counter()

    def targets(self, paths: Iterable[Path]) -> list[tuple[Path, Path]]:
        """Pair each photo with its print's path; a folder's photos keep their sub-folders.

        Files of a folder that are no photos by their ending are counted in `left_out`. Raises
        ManifestError for a path that is not there, or two photos with one print.
        """
        pairs: dict[Path, Path] = {}
        for path in paths:
            if not (path.is_file() or path.is_dir()):
                raise ManifestError(f"{path}: no such file or folder")
            for photo in self._photos(path):
                below = photo.relative_to(path).parent if path.is_dir() else Path()
                target = (
                    self._out / below / f"{photo.stem}.ai-colorized.{self._settings.print.suffix}"
                )
                if pairs.setdefault(target, photo) != photo:
                    raise ManifestError(
                        f"{photo} and {pairs[target]} would both become {target}; "
                        "give them separately, each with an --out of its own"
                    )
        return [(photo, target) for target, photo in pairs.items()]

    def _photos(self, path: Path) -> Iterator[Path]:
        if path.is_file():
            yield path
            return
        for file in sorted(path.rglob("*")):
            nowhere = file.is_symlink() and not file.exists()  # it fails, and so is told
            if _ours_or_hidden(file, path) or not (file.is_file() or nowhere):
                continue
            if file.suffix.lower().lstrip(".") in PICTURE_ENDINGS:
                yield file
            else:
                self.left_out[file.suffix.lower() or file.name] += 1

    def colorize(self, path: Path, target: Path) -> Result:
        """Make one print; whatever goes wrong with the photo is in the result.

        Raises DeviceLost: no photo after it could be painted.
        """
        try:
            photo = to_be_signed(self._reading_room.read(path), path, path.name, self._signer)
            if photo.in_colour:
                return Result(str(path), Outcome.SKIPPED, Reason.ALREADY_COLOUR)
            tone = photo.tone_table(self._settings.paint.tone)
            if tone.kind == "unknown":
                why = f"positive or negative? {tone.evidence}: say --positive or --negative"
                return Result(str(path), Outcome.SKIPPED, Reason.TONE_UNKNOWN, why)
            plate = self._colorizer.paint([photo], self._settings.paint.render_size, [tone])[0]
            if isinstance(plate, Failure):
                raise plate.error
            target.parent.mkdir(parents=True, exist_ok=True)
            made = plate.print_on(photo, Origin(original=path.name))
            made.save(target, self._settings.print, self._signer)
        except DeviceLost:
            raise
        except Exception as error:
            kind = "" if isinstance(error, PhotochromError) else f"{type(error).__name__}: "
            return Result(str(path), Outcome.FAILED, reason_of(error), f"{kind}{error}")
        return Result(
            str(path),
            Outcome.COLORIZED,
            print=str(target),
            low_chroma=plate.low_chroma,
            fallback=plate.fallback,
        )


def _ours_or_hidden(file: Path, folder: Path) -> bool:
    """Say whether a folder's file is passed over in silence: a print of ours, or a hidden one."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return hidden or ".ai-colorized." in file.name
