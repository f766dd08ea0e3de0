"""A contact sheet: each original beside its colour, and the rest by name and reason."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from photochrom.colorize.errors import PhotochromError
from photochrom.colorize.picture import PrintRecipe
from photochrom.colorize.picture.printing.rendering import Rendering
from photochrom.colorize.picture.printing.sheet import INK, PAPER, save_sheet
from photochrom.jobs.audit.questions import questions
from photochrom.jobs.audit.verify import Row
from photochrom.jobs.pinned import Pinned
from photochrom.jobs.storage.sources import Sources
from photochrom.jobs.storage.store import Store
from photochrom.jobs.working.originals import read_original, read_plate

_SIDE, _GAP, _CAPTION, _ACROSS = 220, 8, 16, 3
_EMPTY = "#d9d4c7"
_MOST = 60


def write_sheet(store: Store, pinned: Pinned, path: Path) -> None:
    """Write a JPEG of up to 60 current rows, coloured ones first."""
    with questions(store) as tables:
        rows = tables.ask(
            "SELECT * FROM current ORDER BY ai_colorized DESC, outcome, collection, row_id LIMIT ?",
            _MOST,
        )
    sources = Sources(pinned.job.storage.source)
    with ThreadPoolExecutor(2) as threads:
        cells = list(threads.map(lambda row: _cell(store, sources, row), rows))
    width, height = 2 * _SIDE + _GAP, _SIDE + _CAPTION
    lines = -(-len(cells) // _ACROSS)
    sheet = Image.new(
        "RGB", (_ACROSS * (width + _GAP) + _GAP, lines * (height + _GAP) + _GAP), PAPER
    )
    for index, cell in enumerate(cells):
        column, line = index % _ACROSS, index // _ACROSS
        sheet.paste(cell, (_GAP + column * (width + _GAP), _GAP + line * (height + _GAP)))
    save_sheet(sheet, path)


def _cell(store: Store, sources: Sources, row: Row) -> Image.Image:
    """Return one row's cell: grey left, colour right, or its reason."""
    cell = Image.new("RGB", (2 * _SIDE + _GAP, _SIDE + _CAPTION), PAPER)
    draw = ImageDraw.Draw(cell)
    caption = row["row_id"]
    try:
        if row["ai_colorized"]:
            for index, picture in enumerate(_pair(store, sources, row)):
                room = _SIDE - picture.width
                cell.paste(picture, (index * (_SIDE + _GAP) + room // 2, _SIDE - picture.height))
        else:
            caption = f"{caption}   {row['outcome']}: {row['reason']}"
            draw.rectangle((0, 0, 2 * _SIDE + _GAP, _SIDE), fill=_EMPTY)
    except PhotochromError as error:
        caption = f"{caption}   {error}"
    draw.text((2, _SIDE + 2), caption[:74].encode("latin-1", "replace").decode("latin-1"), fill=INK)
    return cell


def _pair(store: Store, sources: Sources, row: Row) -> tuple[Image.Image, Image.Image]:
    with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
        photo = read_original(sources, row, Path(folder))
    small = Rendering(photo, read_plate(store, row), PrintRecipe(long_side=_SIDE))
    colour = np.concatenate([rgb for rgb, _ in small.blocks()])
    return Image.fromarray(small.rows(0, small.height)), Image.fromarray(colour)
