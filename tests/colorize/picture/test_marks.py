"""Marks: read back by other tools from every format, whatever the original said of itself."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from photochrom.colorize.picture import Photo, PrintRecipe
from photochrom.colorize.picture.marking.carried import Carried
from photochrom.colorize.picture.marking.marks import (
    FoundMarks,
    Marks,
    description,
    read_marks,
    xmp_packet,
)
from tests.colorize.picture.lightbox import ORIGIN, PAINTER, mild_chroma, plate_for, scene, shelve

# written out, not imported: what a print says of itself may not change unnoticed
DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
SENTENCE = "Colours added by AI; not a record of the real colours."
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
PACKET = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>", re.DOTALL)
EXIFTOOL = shutil.which("exiftool")
FORMATS = ["tif", "png", "jpg", "webp"]

HOSTILE = {
    "markup": "<b>bold</b> & </x:xmpmeta> <?xpacket end='w'?> <!-- x -->",
    "cdata": "]]> <![CDATA[ ]]>",
    "quotes": "\"double\" 'single' {braces} {0} %s \\n",
    "control": "bell\x07 escape\x1b[31m vertical\x0b null-ish\x01 end",
    "emoji": "Straße in Łódź, 写真, 📷🏛, עברית",
    "ten kilobytes": "A long caption. " * 640,
    "line breaks": "first\nsecond\tthird",
    "noncharacters": "a\ufffeb\uffffc",
}
MARKS = Marks(
    Model="echo",
    WeightsSHA256="1" * 64,
    OriginalSHA256="2" * 64,
    OriginalLumaSHA256="3" * 64,
    PlateSHA256="4" * 64,
    ToneTableSHA256="5" * 64,
)


def printed(folder: Path, ending: str, text: str, bits: int = 8) -> tuple[Photo, Path]:
    """Print a described original in one format."""
    original = shelve(
        folder, scene(40, 50, bits), extratags=[(270, 2, 0, text.encode(), True)] if text else []
    )
    photo = Photo.open(original)
    path = folder / f"print.{ending}"
    plate_for(photo, mild_chroma()).print_on(photo, ORIGIN).save(path)
    return photo, path


def png_texts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the XMP texts of a PNG, each with the kind of its chunk."""
    place = 8
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        keyword, _, text = data[place + 8 : place + 8 + length].partition(b"\0")
        if keyword == b"XML:com.adobe.xmp" and kind == b"zTXt":
            yield kind, zlib.decompress(text[1:])
        elif keyword == b"XML:com.adobe.xmp" and kind == b"iTXt":
            body = text[2:].split(b"\0", 2)[2]
            yield kind, zlib.decompress(body) if text[0] else body
        place += length + 12


def packet_in(path: Path) -> ElementTree.Element:
    """Find the one packet in a file's bytes and parse it, without any image library."""
    data = path.read_bytes()
    if path.suffix == ".png":
        data = b"".join(text for _, text in png_texts(data))
    (packet,) = PACKET.findall(data)
    return ElementTree.fromstring(packet)


def described(root: ElementTree.Element) -> str:
    text = root.findtext(f".//{DC}description/{RDF}Alt/{RDF}li")
    assert text is not None
    return text


@pytest.mark.parametrize("ending", FORMATS)
def test_the_packet_in_the_bytes(ending: str, tmp_path: Path) -> None:
    photo, path = printed(tmp_path, ending, "The harbour, 1911")
    root = packet_in(path)
    assert root.findtext(f".//{IPTC}DigitalSourceType") == DIGITAL_SOURCE_TYPE
    assert root.findtext(f".//{IPTC}AISystemUsed") == "echo"
    version = root.findtext(f".//{IPTC}AISystemVersionUsed")
    assert version == f"sha256:{PAINTER.weights_sha256}"
    assert f"sha256:{photo.sha256}" in {element.text for element in root.iter()}
    assert described(root) == f"The harbour, 1911 {SENTENCE}"


@pytest.mark.skipif(EXIFTOOL is None, reason="needs exiftool")
@pytest.mark.parametrize(
    ("ending", "bits"),
    [("tif", 8), ("png", 8), ("jpg", 8), ("webp", 8), ("tif", 16), ("png", 16)],
)
def test_exiftool_reads_the_marks(ending: str, bits: int, tmp_path: Path) -> None:
    photo, path = printed(tmp_path, ending, "The harbour <1911> & pier", bits)
    command = [str(EXIFTOOL), "-json", "-n", "-XMP:all", "-validate", "-warning", "-a", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    assert found["DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert found["AISystemUsed"] == "echo"
    assert found["AISystemVersionUsed"] == f"sha256:{PAINTER.weights_sha256}"
    assert found["DerivedFromDocumentID"] == f"sha256:{photo.sha256}"
    assert found["OriginalDocumentID"] == f"sha256:{photo.sha256}"
    assert found["HistorySoftwareAgent"] in ("photochrom test", ["photochrom test"])
    assert found["Description"] == f"The harbour <1911> & pier {SENTENCE}"
    assert found["OriginalSHA256"] == photo.sha256
    assert found["OriginalLumaSHA256"] == photo.luma_sha256


def test_a_png_holds_its_packet_where_readers_look(tmp_path: Path) -> None:
    """XMP in PNG is an iTXt chunk (XMP part 3); a zTXt one is Latin-1, and few look into it."""
    _, path = printed(tmp_path, "png", HOSTILE["emoji"])
    assert [kind for kind, _ in png_texts(path.read_bytes())] == [b"iTXt"]
    with Image.open(path) as image:
        assert DIGITAL_SOURCE_TYPE in str(image.info.get("xmp"))


def test_marks_in_a_png_by_another_writer(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", xmp_packet(MARKS, Carried(description="Łódź")).decode())
    Image.fromarray(scene(9, 9)).save(tmp_path / "other.png", pnginfo=texts)
    assert read_marks(tmp_path / "other.png").marks == MARKS


@pytest.mark.parametrize("ending", FORMATS)
def test_our_own_reader(ending: str, tmp_path: Path) -> None:
    photo, path = printed(tmp_path, ending, "")
    plate = plate_for(photo, mild_chroma())
    assert read_marks(path) == FoundMarks(
        DIGITAL_SOURCE_TYPE,
        Marks(
            Model="echo",
            WeightsSHA256=PAINTER.weights_sha256,
            OriginalSHA256=photo.sha256,
            OriginalLumaSHA256=photo.luma_sha256,
            PlateSHA256=plate.sha256,
            ToneTableSHA256=plate.tone.sha256,
            RecipeDigest=ORIGIN.recipe_digest,
            Software=ORIGIN.software,
            When=ORIGIN.when,
            Original=ORIGIN.original,
        ),
    )


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_descriptions(kind: str, ending: str, tmp_path: Path) -> None:
    """The packet stays well formed, the words survive, and the sentence stands at the end."""
    photo, path = printed(tmp_path, ending, HOSTILE[kind])
    found = described(packet_in(path))
    legal = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", HOSTILE[kind]).strip()
    assert found == f"{legal} {SENTENCE}"
    marks = read_marks(path).marks
    assert marks is not None
    assert marks.OriginalSHA256 == photo.sha256


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("length", [60_000, 70_000, 200_000])
def test_no_print_goes_unmarked(ending: str, length: int, tmp_path: Path) -> None:
    """A JPEG segment holds 64 kB; what a caption is too long for, the marks are not."""
    photo, path = printed(tmp_path, ending, "x" * length)
    found = read_marks(path)
    assert found.digital_source_type == DIGITAL_SOURCE_TYPE
    assert found.marks is not None
    assert found.marks.OriginalSHA256 == photo.sha256


@given(st.text(max_size=200), st.text(max_size=40))
@settings(deadline=None, max_examples=25)
def test_any_text_makes_a_well_formed_packet(text: str, model: str) -> None:
    marks = Marks(**({name: getattr(MARKS, name) for name in Marks.__slots__} | {"Model": model}))
    root = ElementTree.fromstring(PACKET.findall(xmp_packet(marks, Carried(description=text)))[0])
    words = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text)
    assert described(root) == f"{words.strip()} {SENTENCE}".strip()


def test_a_print_of_a_print_says_it_once() -> None:
    once = description("The harbour")
    assert once == f"The harbour {SENTENCE}"
    assert description(once) == once
    assert description("") == description(" \n") == SENTENCE


def test_an_unmarked_file(tmp_path: Path) -> None:
    assert read_marks(shelve(tmp_path, scene(9, 9))) == FoundMarks("", None)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif"])
def test_a_stripped_print(ending: str, tmp_path: Path) -> None:
    _, path = printed(tmp_path, ending, "")
    with Image.open(path) as image:
        pixels = np.asarray(image)
    bare = tmp_path / f"bare.{ending}"
    Image.fromarray(pixels).save(bare)
    assert read_marks(path).marks is not None
    assert read_marks(bare) == FoundMarks("", None)


def marked(folder: Path, packet: bytes) -> Path:
    path = folder / "foreign.jpg"
    image = pyvips.Image.black(8, 8).copy()
    image.set_type(pyvips.GValue.blob_type, "xmp-data", packet)
    image.write_to_file(str(path))
    return path


WHOLE = xmp_packet(MARKS)


@pytest.mark.parametrize(
    "packet",
    [
        WHOLE[:-200],
        b"<a><b></a>",
        b"not XML at all",
        b"\xff\xfe\x00\x01",
        b'<?xml version="1.0" encoding="bogus"?><a/>',
        b'<?xml version="1.0" encoding="utf-32"?><a/>',
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&d;</a>",
    ],
    ids=["cut", "crossed", "text", "bytes", "unknown encoding", "wide encoding", "entity"],
)
def test_a_broken_packet_is_no_mark(packet: bytes, tmp_path: Path) -> None:
    assert read_marks(marked(tmp_path, packet)) == FoundMarks("", None)


def test_marks_of_another_program(tmp_path: Path) -> None:
    packet = WHOLE.replace(b"urn:photochrom:marks", b"urn:another:marks")
    found = read_marks(marked(tmp_path, packet))
    assert found == FoundMarks(DIGITAL_SOURCE_TYPE, None)


def test_half_of_our_marks_is_none(tmp_path: Path) -> None:
    packet = re.sub(rb"<photochrom:PlateSHA256>.*?</photochrom:PlateSHA256>", b"", WHOLE)
    assert read_marks(marked(tmp_path, packet)) == FoundMarks(DIGITAL_SOURCE_TYPE, None)


@pytest.mark.parametrize("content", [b"", b"Dear Sir", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_has_no_marks(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_bytes(content)
    assert read_marks(path) == FoundMarks("", None)


def test_marks_survive_another_tool(tmp_path: Path) -> None:
    """The packet of one file, moved into another by a plain writer, still reads."""
    packet = xmp_packet(MARKS)
    path = tmp_path / "moved.tif"
    tifffile.imwrite(path, scene(9, 9), extratags=[(700, 1, len(packet), packet, True)])
    assert read_marks(path).marks == MARKS


def test_a_print_recipe_has_no_switch_for_marks() -> None:
    """`c2pa` and `visible_mark` add to them; they take none away."""
    names = {"format", "long_side", "quality", "compression", "tiled", "lossless", "c2pa"}
    assert set(PrintRecipe.model_fields) == names | {"visible_mark"}
