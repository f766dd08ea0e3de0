"""What an original says of itself goes on into its print, where it is still true."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import pyvips
from PIL import Image

from photochrom.colorize.errors import PrintError
from photochrom.colorize.picture import Photo, Print
from photochrom.colorize.picture.marking.carried import Carried
from photochrom.colorize.picture.marking.exposure import exposure
from photochrom.colorize.picture.marking.iptc import read_iptc, wrapped
from photochrom.colorize.picture.marking.marks import JPEG_ROOM, Marks, read_marks, xmp_packet
from photochrom.colorize.picture.marking.xmp import EMPTY, read_packet
from photochrom.colorize.picture.printing import encoders
from tests.colorize.picture.lightbox import ORIGIN, mild_chroma, plate_for, scene, shelve

SENTENCE = "Colours added by AI; not a record of the real colours."
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
DC = "{http://purl.org/dc/elements/1.1/}"
FORMATS = ["tif", "png", "jpg", "webp"]
EXIFTOOL, EXIV2 = shutil.which("exiftool"), shutil.which("exiv2")

OWN = f"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
  xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
  xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
  xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
  xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
  xmlns:glass="http://archive.example.org/plates/1.0/"
  xmp:CreatorTool="ScanStation 4" xmp:CreateDate="2019-03-02T10:00:00"
  tiff:Orientation="6" tiff:Make="Phase One" crs:Exposure2012="+1.00" dc:format="image/tiff"
  xmpMM:DocumentID="xmp.did:plate-77" xmpMM:InstanceID="xmp.iid:plate-77-b"
  photoshop:City="Łódź" photoshop:LegacyIPTCDigest="00" glass:Box="3 &lt;b&gt; &amp; 4">
 <ext:DigitalSourceType>{SOURCE_TYPES}negativeFilm</ext:DigitalSourceType>
 <dc:description><rdf:Alt><rdf:li xml:lang="x-default">The harbour</rdf:li>
  <rdf:li xml:lang="pl-PL">Port</rdf:li></rdf:Alt></dc:description>
 <dc:subject><rdf:Bag><rdf:li>ships</rdf:li><rdf:li>piers</rdf:li></rdf:Bag></dc:subject>
 <photoshop:DocumentAncestors><rdf:Bag><rdf:li>x</rdf:li></rdf:Bag></photoshop:DocumentAncestors>
 <glass:Crack rdf:parseType="Resource"><glass:Side>left</glass:Side></glass:Crack>
 <xmpMM:History><rdf:Seq><rdf:li rdf:parseType="Resource"><stEvt:action>created</stEvt:action>
  </rdf:li></rdf:Seq></xmpMM:History>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""

MARKS = Marks(
    Model="echo",
    WeightsSHA256="1" * 64,
    OriginalSHA256="2" * 64,
    OriginalLumaSHA256="3" * 64,
    PlateSHA256="4" * 64,
    ToneTableSHA256="5" * 64,
)


def iim(*sets: tuple[int, int, bytes]) -> bytes:
    """Write IPTC-IIM data sets."""
    return b"".join(b"\x1c" + struct.pack(">BBH", r, n, len(v)) + v for r, n, v in sets)


CAPTIONS = iim(
    (1, 90, b"\x1b%G"),
    (2, 5, "Łódź 77".encode()),
    (2, 25, b"cranes"),
    (2, 25, b"boats"),
    (2, 80, b"A. Stieglitz"),
    (2, 116, b"City Archive"),
    (2, 120, b"Ships at the pier"),
    (2, 202, b"a preview"),
)


def photo_with(folder: Path, xmp: bytes = b"", iptc: bytes = b"") -> Photo:
    """Open a TIFF that holds these."""
    tags = [(700, 1, len(xmp), xmp, True)] if xmp else []
    tags += [(33723, 7, len(iptc), iptc, True)] if iptc else []
    return Photo.open(shelve(folder, scene(40, 50), extratags=tags))


def printed(folder: Path, photo: Photo, ending: str) -> Path:
    path = folder / f"print.{ending}"
    plate_for(photo, mild_chroma()).print_on(photo, ORIGIN).save(path)
    return path


def exiftool(path: Path, *options: str) -> dict[str, Any]:
    command = [str(EXIFTOOL), "-json", "-n", "-G1", "-a", "-struct", *options, str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    assert isinstance(found, dict)
    return found


@pytest.mark.skipif(EXIFTOOL is None, reason="needs exiftool")
@pytest.mark.parametrize("ending", FORMATS)
def test_an_originals_xmp_goes_on(ending: str, tmp_path: Path) -> None:
    found = exiftool(printed(tmp_path, photo_with(tmp_path, OWN.encode()), ending))
    assert found["XMP-dc:Description"] == f"The harbour {SENTENCE}"
    assert found["XMP-dc:Description-pl-PL"] == f"Port {SENTENCE}"
    assert found["XMP-dc:Subject"] == ["ships", "piers"]
    assert found["XMP-photoshop:City"] == "Łódź"
    assert found["XMP-glass:Box"] == "3 <b> & 4"
    assert found["XMP-glass:Crack"] == {"Side": "left"}
    assert found["XMP-tiff:Make"] == "Phase One"
    assert found["XMP-xmp:CreateDate"].startswith("2019:03:02")
    assert found.get("ExifTool:Warning", "[minor]").startswith("[minor]")


@pytest.mark.skipif(EXIFTOOL is None, reason="needs exiftool")
@pytest.mark.parametrize("ending", FORMATS)
def test_what_would_be_untrue_does_not(ending: str, tmp_path: Path) -> None:
    photo = photo_with(tmp_path, OWN.encode())
    found = exiftool(printed(tmp_path, photo, ending), "-XMP:all")
    assert found["XMP-iptcExt:DigitalSourceType"] == (
        f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
    )
    assert found["XMP-photochrom:OriginalDigitalSourceType"] == f"{SOURCE_TYPES}negativeFilm"
    assert found["XMP-photochrom:OriginalCreatorTool"] == "ScanStation 4"
    assert found["XMP-xmp:CreatorTool"] == "photochrom test"
    assert found["XMP-xmpMM:OriginalDocumentID"] == "xmp.did:plate-77"
    assert found["XMP-xmpMM:DerivedFrom"] == {
        "DocumentID": "xmp.did:plate-77",
        "InstanceID": "xmp.iid:plate-77-b",
    }
    assert found["XMP-xmpMM:DocumentID"] != "xmp.did:plate-77"
    assert [event["Action"] for event in found["XMP-xmpMM:History"]] == ["created", "edited"]
    words = json.dumps(found)
    for untrue in ("Orientation", "Exposure", "image/tiff", "Ancestors", "IPTCDigest"):
        assert untrue not in words


@pytest.mark.skipif(EXIV2 is None, reason="needs exiv2")
@pytest.mark.parametrize("ending", FORMATS)
def test_exiv2_reads_marks_and_own_words(ending: str, tmp_path: Path) -> None:
    """Its parser is Adobe's, which refuses a whole packet for one odd property."""
    path = printed(tmp_path, photo_with(tmp_path, OWN.encode(), CAPTIONS), ending)
    ran = subprocess.run([str(EXIV2), "-PXIkv", str(path)], capture_output=True, text=True)
    lines = [line.split(None, 1) for line in ran.stdout.splitlines()]
    found = {name: value.strip() for name, value in (line for line in lines if len(line) == 2)}
    assert "rror" not in ran.stderr
    assert found["Xmp.iptcExt.DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert found["Xmp.photochrom.WeightsSHA256"] == "ab" * 32
    assert found["Xmp.dc.description"] == (
        f'lang="x-default" The harbour {SENTENCE}, lang="pl-PL" Port {SENTENCE}'
    )
    assert found["Xmp.dc.subject"] == "ships, piers"
    assert found["Xmp.glass.Box"] == "3 <b> & 4"
    if ending in ("tif", "jpg"):
        assert found["Iptc.Application2.Caption"] == f"Ships at the pier {SENTENCE}"
        assert found["Iptc.Application2.Byline"] == "A. Stieglitz"


@pytest.mark.skipif(EXIFTOOL is None, reason="needs exiftool")
@pytest.mark.parametrize("source", ["tif", "jpg"])
@pytest.mark.parametrize("ending", FORMATS)
def test_captions_go_where_there_is_a_place(source: str, ending: str, tmp_path: Path) -> None:
    photo = photo_with(tmp_path, iptc=CAPTIONS)
    if source == "jpg":
        image = pyvips.Image.new_from_file(str(tmp_path / "original.tif")).copy()
        image.set_type(pyvips.GValue.blob_type, "iptc-data", wrapped(CAPTIONS))
        image.write_to_file(str(tmp_path / "original.jpg"))
        photo = Photo.open(tmp_path / "original.jpg")
    found = exiftool(printed(tmp_path, photo, ending))
    if ending in ("tif", "jpg"):
        assert found["IPTC:Caption-Abstract"] == f"Ships at the pier {SENTENCE}"
        assert found["IPTC:Keywords"] == ["cranes", "boats"]
        assert found["IPTC:ObjectName"] == "Łódź 77"
        assert not any("Preview" in name for name in found)
    else:
        assert found["XMP-dc:Title"] == "Łódź 77"
        assert found["XMP-dc:Subject"] == ["cranes", "boats"]
        assert found["XMP-dc:Creator"] == ["A. Stieglitz"]
        assert found["XMP-dc:Rights"] == "City Archive"
    assert found["XMP-dc:Description"] == f"Ships at the pier {SENTENCE}"
    assert found.get("ExifTool:Warning", "[minor]").startswith("[minor]")


@pytest.mark.skipif(EXIFTOOL is None, reason="needs exiftool")
@pytest.mark.parametrize("ending", FORMATS)
def test_when_and_where_it_was_taken(ending: str, tmp_path: Path) -> None:
    """In EXIF where the format has it; in a TIFF, whose EXIF is not written, in XMP."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[36867] = "1911:05:04 10:00:00"
    exif.get_ifd(0x8825).update({1: "S", 2: (52.0, 14.0, 30.0), 3: "E", 4: (21.0, 0.0, 45.0)})
    Image.fromarray(scene(40, 50)).save(tmp_path / "original.jpg", exif=exif)
    found = exiftool(printed(tmp_path, Photo.open(tmp_path / "original.jpg"), ending))
    group = "XMP-exif" if ending == "tif" else "ExifIFD"
    assert found[f"{group}:DateTimeOriginal"] == "1911:05:04 10:00:00"
    where = "XMP-exif" if ending == "tif" else "Composite"
    assert found[f"{where}:GPSLatitude"] == pytest.approx(-52.241667, abs=1e-5)
    assert found[f"{where}:GPSLongitude"] == pytest.approx(21.0125, abs=1e-5)


@pytest.mark.parametrize(
    "values",
    [
        {2: (52.0, 14.0), 1: "N"},
        {2: (152.0, 0.0, 0.0), 1: "N"},
        {2: (52.0, 14.0, 30.0), 1: "X"},
        {2: (52.0, 14.0, 30.0)},
    ],
)
def test_positions_that_are_none(values: dict[int, Any]) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update(values)
    exif.get_ifd(0x8769)[36867] = "some day"
    assert exposure(exif.tobytes()) == {}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("data", [None, b"", b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_broken_exif_says_nothing(data: bytes | None) -> None:
    assert exposure(data) == {}


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]>' + OWN.partition("?>")[2]


@pytest.mark.parametrize(
    "packet",
    [
        OWN[:900].encode(),
        b"no XMP",
        b"\xff\xfe<\0a\0",
        BOMB.encode(),
        b"<x/>",
        ("<a>" * 20_000 + "</a>" * 20_000).encode(),
        b" " * (9 << 20),
    ],
    ids=["cut", "text", "utf-16", "entities", "empty", "deep", "huge"],
)
def test_a_broken_packet_is_left_behind(packet: bytes, tmp_path: Path) -> None:
    assert read_packet(packet) == EMPTY
    path = printed(tmp_path, photo_with(tmp_path, packet), "jpg")
    marks = read_marks(path).marks
    assert marks is not None
    assert "harbour" not in read_packet(packet_of(path)).text(
        "{http://purl.org/dc/elements/1.1/}description"
    )


def packet_of(path: Path) -> bytes:
    image = pyvips.Image.new_from_file(str(path))
    return bytes(image.get("xmp-data"))


ODD = {
    "literal": '<o:p rdf:parseType="Literal"><b>x</b></o:p>',
    "no namespace": "<p>x</p>",
    "inside without": "<o:p><rdf:Bag><rdf:li><q/></rdf:li></rdf:Bag></o:p>",
    "bare items": "<o:p><rdf:li>x</rdf:li></o:p>",
    "two arrays": "<o:p><rdf:Bag/><rdf:Seq/></o:p>",
    "mixed": "<o:p>x<rdf:Bag/></o:p>",
    "node": '<o:p rdf:nodeID="x"/>',
    "twice": '<o:p rdf:parseType="Resource"><o:q>1</o:q><o:q>2</o:q></o:p>',
    "deep": "<o:p><rdf:Bag><rdf:li>" * 30 + "</rdf:li></rdf:Bag></o:p>" * 30,
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_properties_spoil_nothing(kind: str, tmp_path: Path) -> None:
    packet = OWN.replace("<dc:subject>", f'<o:a xmlns:o="urn:o:">1</o:a>{ODD[kind]}<dc:subject>')
    packet = packet.replace("<rdf:Description ", '<rdf:Description xmlns:o="urn:o:" ', 1)
    path = printed(tmp_path, photo_with(tmp_path, packet.encode()), "jpg")
    kept = read_packet(packet_of(path))
    assert kept.text("{urn:o:}a") == "1"
    assert "{urn:o:}p" not in kept.properties
    assert "p" not in kept.properties
    if EXIV2:
        ran = subprocess.run([EXIV2, "-PXkv", str(path)], capture_output=True, text=True)
        assert "Xmp.photochrom.PlateSHA256" in ran.stdout


@pytest.mark.parametrize("prefix", ["dc", "photochrom", "xmlfoo", "rdf", "ns9"])
def test_their_prefixes_never_stand_for_ours(prefix: str) -> None:
    text = (
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<r:Description {prefix}:a="1" xmlns:{prefix}="urn:other:"/></r:RDF>'
    )
    packet = read_packet(text.encode())
    own = Carried(properties=tuple(packet.properties.values()), prefixes=packet.prefixes)
    made = read_packet(xmp_packet(MARKS, own))
    assert made.text("{urn:other:}a") == "1"
    assert made.text("{urn:photochrom:marks:1.0:}PlateSHA256") == MARKS.PlateSHA256


def test_no_prefix_stands_for_two_namespaces() -> None:
    """Prefixes that an original chose and those made for it are told apart."""
    spaces = [("dc", "urn:a:"), *((f"ns{n}", f"urn:{n}:") for n in range(30)), ("rdf", "urn:z:")]
    inside = "".join(f'<{p}:p xmlns:{p}="{uri}">{uri}</{p}:p>' for p, uri in spaces)
    text = (
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"<r:Description>{inside}</r:Description></r:RDF>"
    )
    packet = read_packet(text.encode())
    own = Carried(properties=tuple(packet.properties.values()), prefixes=packet.prefixes)
    made = read_packet(xmp_packet(MARKS, own))
    assert [made.text(f"{{{uri}}}p") for _, uri in spaces] == [uri for _, uri in spaces]


def test_marks_win_the_room(tmp_path: Path) -> None:
    """A JPEG's segment holds 64 kB: the largest of the original's properties stays behind."""
    large = OWN.replace("<dc:subject>", f"<glass:Long>{'&amp;' * 20_000}</glass:Long><dc:subject>")
    photo = photo_with(tmp_path, large.encode())
    jpeg = read_packet(packet_of(printed(tmp_path, photo, "jpg")))
    tiff = read_packet(packet_of(printed(tmp_path, photo, "tif")))
    long, box = (f"{{http://archive.example.org/plates/1.0/}}{n}" for n in ("Long", "Box"))
    assert long not in jpeg.properties
    assert jpeg.text(box) == "3 <b> & 4"
    assert len(tiff.text(long)) == 20_000
    assert read_marks(tmp_path / "print.jpg").marks is not None


@pytest.mark.parametrize("text", ["&" * 70_000, "\r" * 70_000, "é" * 70_000, "🏛" * 70_000])
def test_no_words_are_too_long_for_the_segment(text: str) -> None:
    element = ElementTree.Element("{urn:x:}a")
    element.text = text
    own = Carried(
        description=text,
        translations={f"l{n}": text for n in range(40)},
        properties=(element,),
        before={f"Tool{n}": text for n in range(6)},
        ids={"DocumentID": text, "InstanceID": text, "OriginalDocumentID": text},
    )
    packet = xmp_packet(MARKS, own, JPEG_ROOM)
    assert len(packet) <= JPEG_ROOM
    assert read_packet(packet).text("{urn:photochrom:marks:1.0:}PlateSHA256") == MARKS.PlateSHA256


@pytest.mark.parametrize(
    "data",
    [
        CAPTIONS[:-3],
        CAPTIONS + b"junk",
        b"\x1c",
        b"\x1c\x02\x78\x80\x04\xff\xff\xff\xff",
        wrapped(CAPTIONS)[:30],
        b"Photoshop 3.0\0",
        b"Photoshop 3.0\x008BIM",
    ],
)
def test_broken_captions_are_left_behind(data: bytes, tmp_path: Path) -> None:
    assert read_iptc(data).sets == ()
    assert read_iptc(data).captioned(SENTENCE) == b""
    printed(tmp_path, photo_with(tmp_path, iptc=data), "jpg")


def test_captions_are_cut_between_letters() -> None:
    long = iim((1, 90, b"\x1b%G"), (2, 120, ("x" + "é" * 3000).encode()))
    (caption,) = read_iptc(read_iptc(long).captioned(SENTENCE)).texts((2, 120))
    assert len(caption.encode()) <= 2000
    assert caption.endswith(f"é {SENTENCE}")
    assert "\ufffd" not in caption
    assert read_iptc(wrapped(CAPTIONS)).texts((2, 80)) == ["A. Stieglitz"]


def test_exif_too_large_for_a_jpeg_costs_no_marks(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[315], exif[37510] = "A. Stieglitz", b"ASCII\0\0\0" + b"x" * 70_000
    Image.fromarray(scene(40, 50)).save(tmp_path / "original.png", exif=exif)
    path = printed(tmp_path, Photo.open(tmp_path / "original.png"), "jpg")
    assert read_marks(path).marks is not None


@pytest.mark.parametrize("ending", FORMATS)
def test_a_writer_that_loses_the_marks_loses_the_print(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = photo_with(tmp_path)
    canvas = encoders.Canvas

    def unmarked(**values: Any) -> encoders.Canvas:
        return canvas(**values | {"xmp": values["xmp"].replace(b"compositeWith", b"without")})

    monkeypatch.setattr("photochrom.colorize.picture.printing.printing.Canvas", unmarked)
    with pytest.raises(PrintError, match="give back its marks"):
        Print(photo, plate_for(photo), ORIGIN).save(tmp_path / f"print.{ending}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["original.tif"]


@pytest.mark.parametrize("ending", FORMATS)
def test_marks_of_another_print_are_not_its_own(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = photo_with(tmp_path)
    monkeypatch.setattr(
        "photochrom.colorize.picture.printing.printing.xmp_packet", lambda *_: xmp_packet(MARKS)
    )
    with pytest.raises(PrintError, match="give back its marks"):
        Print(photo, plate_for(photo), ORIGIN).save(tmp_path / f"print.{ending}")
