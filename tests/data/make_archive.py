"""Build the sample archive that the tests and the tour use: `tests/data/archive`.

It reads photographs from unpacked packages, turns them grey and writes them as the kinds of file
that archives hold. It needs no network; the same packages and libraries give the same bytes
(made with Pillow 13.0, tifffile 2026.3, imagecodecs 2026.3, numpy 2.4). Get the packages, each in
a folder of its name under PACKAGES:

    apt-get download gcompris-qt-data=3.1-2             # bookworm; dpkg -x FILE PACKAGES/NAME
    pip download --no-deps matplotlib==3.11.2           # unzip FILE -d PACKAGES/NAME
    pip download --no-deps scikit-image==0.26.0
    pip download --no-deps scikit-learn==1.9.1
    pip download --no-deps --python-version 3.11 --only-binary :all: scipy==1.9.3

and run, from the repository root:

    python -m tests.data.make_archive PACKAGES [ARCHIVE]
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.data import darkroom
from tests.data.darkroom import grey, samples8, samples16
from tests.data.photographs import Photograph, load_photographs

ARCHIVE = Path(__file__).with_name("archive")
COLUMNS = ("row_id", "uri", "collection", "tone", "rights", "note", "expect")

_LETTER = b"""Dear colleague,

the scan of plate 17 is still missing. Please send it again: this is only a letter.
"""

_HEADING = """# Credits of the sample archive

Every picture here was changed: turned grey by its BT.601 luma (but for the one in colour), scaled
down and stored again as another kind of file; some were toned, turned into a negative, cut short or
given noise on purpose. The licences of the originals hold for these versions too.

Debian's copyright file covers the GCompris folders by wildcards only (GPL-3, GPL-3+); the README of
each folder in the GCompris sources names every photograph, its author, its page on Wikimedia
Commons and "Public Domain", and that is what this table follows.

- CC BY 2.0: https://creativecommons.org/licenses/by/2.0/
- CC0 1.0: https://creativecommons.org/publicdomain/zero/1.0/

| file | title | author | licence | from | where the licence is stated |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the archive: how it is made, and what a job should make of it.

    `photograph` is empty for files that hold no picture.
    """

    uri: str
    photograph: str
    develop: Callable[[Image.Image], bytes]
    note: str
    tone: str = ""
    expect: str = "colorized"


def _plain(image: Image.Image) -> bytes:
    return darkroom.jpeg(grey(image, 640))


def _portrait(image: Image.Image) -> bytes:
    return darkroom.jpeg(grey(image, 640), dpi=300)


def _plate(image: Image.Image) -> bytes:
    return darkroom.tiff(
        samples16(grey(image, 560), seed=1),
        description="The walls of Carcassonne, glass plate 1",
        dpi=600,
        icc=darkroom.grey_profile(),
    )


def _negative(image: Image.Image) -> bytes:
    film = darkroom.film_negative(grey(image, 540), seed=2)
    return darkroom.tiff(film, description="Sheet film 1", icc=darkroom.grey_profile(), dpi=600)


ITEMS = (
    Item("portraits/grace-hopper.jpg", "grace-hopper", _portrait, "grey JPEG, 300 dpi"),
    Item(
        "portraits/eileen-collins.jpg",
        "eileen-collins",
        lambda image: darkroom.rotated_jpeg(
            grey(image, 512), "Eileen Collins, astronaut", "NASA", "2024:05:06 09:30:00"
        ),
        "RGB-coded grey JPEG lying on its side: EXIF orientation 6, date, description, artist",
    ),
    Item(
        "portraits/cameraman.png",
        "cameraman",
        lambda image: darkroom.encoded(image.convert("L"), "PNG", optimize=True),
        "grey PNG; the original was grey",
    ),
    Item("animals/horses.jpg", "horses", _plain, "grey JPEG"),
    Item("animals/shepherd-dog.jpg", "shepherd-dog", _plain, "grey JPEG"),
    Item(
        "animals/raccoon.webp",
        "raccoon",
        lambda image: darkroom.encoded(
            Image.fromarray(samples8(grey(image, 640))), "WEBP", quality=80, method=6
        ),
        "WebP, which has no grey: RGB-coded",
    ),
    Item("landscapes/great-wall.jpg", "great-wall", _plain, "grey JPEG"),
    Item("landscapes/mont-saint-michel.jpg", "mont-saint-michel", _plain, "grey JPEG"),
    Item("landscapes/pagoda.jpg", "pagoda", _plain, "grey JPEG"),
    Item("landscapes/pont-du-gard.jpg", "pont-du-gard", _plain, "grey JPEG"),
    Item("buildings/mysore-palace.jpg", "mysore-palace", _plain, "grey JPEG"),
    Item(
        "buildings/chambord.tif",
        "chambord",
        lambda image: darkroom.tiff(samples8(grey(image, 560)), compression="lzw", byteorder=">"),
        "8-bit TIFF, big-endian, LZW",
        tone="positive",
    ),
    Item(
        "buildings/petra.tif",
        "petra",
        lambda image: darkroom.tiff(
            darkroom.colour_scan(grey(image, 500), seed=3),
            photometric="rgb",
            compression="adobe_deflate",
        ),
        "48-bit RGB scan of a grey print, with scanner noise: not colour",
    ),
    Item("still-life/coffee.jpg", "coffee", _plain, "grey JPEG"),
    Item("still-life/dahlia.jpg", "dahlia", _plain, "grey JPEG"),
    Item(
        "glass-plates/carcassonne.tif",
        "carcassonne",
        _plate,
        "16-bit grey TIFF, 600 dpi, grey ICC profile of gamma 2.2, description",
        tone="positive",
    ),
    Item(
        "glass-plates/chenonceau.tif",
        "chenonceau",
        lambda image: darkroom.tiff(samples8(grey(image, 560)), photometric="miniswhite"),
        "8-bit MINISWHITE TIFF: shows a positive",
        tone="positive",
    ),
    Item(
        "glass-plates/machu-picchu.tif",
        "machu-picchu",
        lambda image: darkroom.tiff(
            samples16(grey(image, 560), seed=4), photometric="miniswhite", dpi=600
        ),
        "16-bit MINISWHITE TIFF: shows a positive",
        tone="positive",
    ),
    Item(
        "negatives/cow.tif",
        "cow",
        _negative,
        "16-bit film negative with its rebate, clear film brighter than the picture",
        tone="negative",
    ),
    Item(
        "oddities/eiffel-tower-sepia.jpg",
        "eiffel-tower",
        lambda image: darkroom.sepia_jpeg(grey(image, 640)),
        "sepia print: toned, not in colour",
    ),
    Item(
        "oddities/grace-hopper-again.jpg",
        "grace-hopper",
        _portrait,
        "the same bytes as portraits/grace-hopper.jpg: two rows",
    ),
    Item(
        "oddities/chickens.jpg",
        "chickens",
        lambda image: darkroom.encoded(
            image.resize((560, 560 * image.height // image.width)), "JPEG", quality=85
        ),
        "a colour photograph",
        expect="skipped:already_colour",
    ),
    Item(
        "oddities/dahlia-cut-short.jpg",
        "dahlia",
        lambda image: (whole := _plain(image))[: len(whole) * 6 // 10],
        "a JPEG that ends after 60 % of its bytes",
        expect="failed:corrupt",
    ),
    Item(
        "oddities/chelsea.tif",
        "chelsea",
        lambda image: darkroom.animation(grey(image, 120)),
        "an animated GIF with the wrong suffix",
        expect="failed:unsupported",
    ),
    Item("oddities/empty.tif", "", lambda _: b"", "no bytes at all", expect="failed:empty"),
    Item(
        "oddities/letter.jpg",
        "",
        lambda _: _LETTER,
        "a text with the suffix of a picture",
        expect="failed:not_an_image",
    ),
)


def build(packages: Path, archive: Path) -> None:
    """Write all files, the manifest and the credits; what lay there before is removed."""
    photographs = load_photographs()
    shutil.rmtree(archive, ignore_errors=True)
    for item in ITEMS:
        target = archive / item.uri
        target.parent.mkdir(parents=True, exist_ok=True)
        source = photographs.get(item.photograph)
        target.write_bytes(
            item.develop(source.read(packages) if source else Image.new("L", (1, 1)))
        )
    _write_manifest(archive / "manifest.csv", photographs)
    _write_credits(archive / "CREDITS.md", photographs)


def _write_manifest(path: Path, photographs: dict[str, Photograph]) -> None:
    """Write one row for each file, numbered within its collection."""
    numbers: dict[str, int] = {}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for item in ITEMS:
            collection = item.uri.split("/")[0]
            numbers[collection] = numbers.get(collection, 0) + 1
            rights = photographs[item.photograph].licence if item.photograph else "CC0 1.0"
            row_id = f"{collection}-{numbers[collection]:03d}"
            writer.writerow(
                (row_id, item.uri, collection, item.tone, rights, item.note, item.expect)
            )


def _write_credits(path: Path, photographs: dict[str, Photograph]) -> None:
    """Write a table with one line for each file."""
    lines = []
    for item in ITEMS:
        if item.photograph:
            photo = photographs[item.photograph]
            credit = (photo.title, photo.author, photo.licence, photo.source, photo.stated)
        else:
            credit = ("no picture", "made for this archive", "CC0 1.0", "-", "here")
        lines.append(" | ".join((f"| `{item.uri}`", *credit)) + " |\n")
    path.write_text(_HEADING + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else ARCHIVE)
