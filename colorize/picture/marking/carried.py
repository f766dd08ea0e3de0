"""What a print takes over of its original's own words, and what it must not.

Kept: whatever describes the picture or its holding. Left behind: what describes the file that the
original was (size, orientation, thumbnails, editing settings), for in a print it would be untrue.
What said how the original was made is kept under a name that says so: `Original...`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

from photochrom.colorize.picture.marking.exposure import EXIF, exposure
from photochrom.colorize.picture.marking.iptc import Iptc, read_iptc
from photochrom.colorize.picture.marking.xmp import LANG, RDF, Packet, is_plain, read_packet
from photochrom.colorize.picture.reading.source import Header

DC = "{http://purl.org/dc/elements/1.1/}"
XMP = "{http://ns.adobe.com/xap/1.0/}"
XMPMM = "{http://ns.adobe.com/xap/1.0/mm/}"
IPTC_EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"

_HOW_IT_WAS_MADE = (
    f"{IPTC_EXT}DigitalSourceType",
    f"{IPTC_EXT}AISystemUsed",
    f"{IPTC_EXT}AISystemVersionUsed",
    f"{IPTC_EXT}AIPromptInformation",
    f"{IPTC_EXT}AIPromptWriterName",
    f"{XMP}CreatorTool",
)
_LEFT_BEHIND = {
    *(f"{DC}{name}" for name in ("description", "format")),
    *(f"{XMP}{name}" for name in ("MetadataDate", "ModifyDate", "Thumbnails")),
    *(f"{EXIF}{name}" for name in ("ColorSpace", "PixelXDimension", "PixelYDimension")),
    *(f"{PHOTOSHOP}{name}" for name in ("ColorMode", "DocumentAncestors", "ICCProfile")),
    f"{PHOTOSHOP}LegacyIPTCDigest",
    "{http://purl.org/dc/terms/}provenance",  # names a manifest of other bytes
}
_WHOLE_SPACES_LEFT_BEHIND = (
    "{urn:photochrom:",
    XMPMM,
    "{http://ns.adobe.com/xmp/note/}",
    "{http://ns.adobe.com/camera-raw-settings/1.0/}",  # in the samples already
    "{http://ns.adobe.com/hdr-gain-map/1.0/}",
    "{http://ns.google.com/photos/1.0/container/}",
)
_KEPT_OF_TIFF = {f"{_TIFF}{name}" for name in ("Artist", "Copyright", "DateTime", "Make", "Model")}
_FROM_IPTC = (
    ((2, 5), f"{DC}title", "Alt"),
    ((2, 25), f"{DC}subject", "Bag"),
    ((2, 80), f"{DC}creator", "Seq"),
    ((2, 105), f"{PHOTOSHOP}Headline", ""),
    ((2, 110), f"{PHOTOSHOP}Credit", ""),
    ((2, 116), f"{DC}rights", "Alt"),
)
_CAPTION = (2, 120)


@dataclass(frozen=True, slots=True)
class Carried:
    """An original's own words: its description, properties to pass on, and what ours replace.

    `history` has the items of xmpMM:History; `before` what the print must say of itself instead,
    `ids` the original's xmpMM identifiers, each by its name.
    """

    description: str = ""
    translations: Mapping[str, str] = field(default_factory=dict)
    properties: tuple[Element, ...] = ()
    history: tuple[Element, ...] = ()
    prefixes: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    iptc: Iptc = field(default_factory=Iptc)


NOTHING = Carried()


def carried(header: Header, *, has_iptc: bool, has_exif: bool = True) -> Carried:
    """Sort what an original says of itself.

    Where the print's format has no place for IPTC-IIM or EXIF, its captions, or when and where it
    was taken, go into properties that the original's XMP lacks.
    """
    packet, iptc = read_packet(header.xmp), read_iptc(header.iptc)
    properties = [one for tag, one in packet.properties.items() if _is_kept(tag) and is_plain(one)]
    if not has_iptc:
        properties += _captions(iptc, packet)
    if not has_exif:
        found = exposure(header.exif).items()
        properties += [_property(tag, [v], "") for tag, v in found if tag not in packet.properties]
    texts = dict(packet.alternatives(f"{DC}description"))
    description = packet.text(f"{DC}description") or header.description
    return Carried(
        description=description or " ".join(iptc.texts(_CAPTION)),
        translations={k: v for k, v in texts.items() if k not in ("", "x-default") and v},
        properties=tuple(properties),
        history=_items(packet, f"{XMPMM}History"),
        prefixes=packet.prefixes,
        before={tag.partition("}")[2]: packet.text(tag) for tag in _HOW_IT_WAS_MADE},
        ids={
            name: packet.text(XMPMM + name)
            for name in ("DocumentID", "InstanceID", "OriginalDocumentID")
        },
        iptc=iptc if has_iptc else Iptc(),
    )


def _is_kept(tag: str) -> bool:
    """Say whether a property is still true of a print, and not one that its marks replace."""
    if tag.startswith(_TIFF):
        return tag in _KEPT_OF_TIFF
    return (
        tag not in _LEFT_BEHIND
        and tag not in _HOW_IT_WAS_MADE
        and not tag.startswith(_WHOLE_SPACES_LEFT_BEHIND)
    )


def _items(packet: Packet, tag: str) -> tuple[Element, ...]:
    found = packet.properties.get(tag)
    return tuple(found.findall(f"./*/{RDF}li")) if found is not None and is_plain(found) else ()


def _captions(iptc: Iptc, packet: Packet) -> list[Element]:
    """Return IPTC-IIM's captions as the properties that correspond to them."""
    made = []
    for name, tag, array in _FROM_IPTC:
        texts = [text for text in iptc.texts(name) if text]
        if texts and tag not in packet.properties:
            made.append(_property(tag, texts, array))
    return made


def _property(tag: str, texts: list[str], array: str) -> Element:
    found = Element(tag)
    if not array:
        found.text = texts[0]
        return found
    items = SubElement(found, f"{RDF}{array}")
    for text in texts[:1] if array == "Alt" else texts:
        item = SubElement(items, f"{RDF}li", {LANG: "x-default"} if array == "Alt" else {})
        item.text = text
    return found
