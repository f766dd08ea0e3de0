"""Marks: what every print says of itself, inside the file; no switch leaves them off.

XMP with IPTC's digital source type, the model and its weights, and the original's digest. They
travel with a stray file: `read_marks` needs nothing but the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from operator import itemgetter
from pathlib import Path
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from photochrom.colorize.picture.marking.carried import NOTHING, Carried
from photochrom.colorize.picture.marking.xmp import (
    escaped,
    legal,
    markup,
    prefixes_for,
    read_packet,
)
from photochrom.colorize.picture.vips import pyvips

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
SENTENCE = "Colours added by AI; not a record of the real colours."

_OWN = "urn:photochrom:marks:1.0:"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SPACES = {
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://www.w3.org/XML/1998/namespace": "xml",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/sType/ResourceRef#": "stRef",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
    _IPTC: "Iptc4xmpExt",
    _OWN: "photochrom",
}
_LONGEST, _LONGEST_TRANSLATION = 12_000, 2_000  # bytes of description
_MOST_LANGUAGES, _LONGEST_NOTE = 8, 200  # characters
JPEG_ROOM = 65_000  # bytes: a JPEG segment must hold the packet, or loses it whole
ROOM = 1 << 20
_DIGESTS = (
    "WeightsSHA256",
    "OriginalSHA256",
    "OriginalLumaSHA256",
    "PlateSHA256",
    "ToneTableSHA256",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a print says of its making; all text, digests as 64 hex digits."""

    Model: str
    WeightsSHA256: str
    OriginalSHA256: str
    OriginalLumaSHA256: str
    PlateSHA256: str
    ToneTableSHA256: str
    RecipeDigest: str = ""
    Software: str = "photochrom"
    When: str = ""
    Original: str = ""
    VisibleMark: str = ""


@dataclass(frozen=True, slots=True)
class FoundMarks:
    """What was read back from a file: the source type, and our own marks where they are whole."""

    digital_source_type: str
    marks: Marks | None

    def give_back(self, written: Marks) -> bool:
        """Tell whether a file says what was written into it: that AI was used, and all digests."""
        found = self.marks
        return self.digital_source_type == DIGITAL_SOURCE_TYPE and (
            found is not None and all(getattr(found, n) == getattr(written, n) for n in _DIGESTS)
        )


def description(original: str) -> str:
    """Append the sentence that says what happened to a picture's own description."""
    text = legal(original).strip()
    text = text.removesuffix(SENTENCE).encode()[:_LONGEST].decode(errors="ignore").strip()
    return f"{text} {SENTENCE}".strip()


def xmp_packet(marks: Marks, own: Carried = NOTHING, room: int = JPEG_ROOM) -> bytes:
    """Return a print's XMP packet: its marks, and as much of its original's own as has room.

    `room` is in bytes. The original's largest properties are left behind first.
    """
    values = {name: escaped(str(value)) for name, value in asdict(marks).items()}
    values |= {
        f"Original{name}": escaped(value[:_LONGEST_NOTE]) for name, value in own.before.items()
    }
    ours = "\n   ".join(f"<photochrom:{n}>{v}</photochrom:{n}>" for n, v in values.items() if v)
    source = f"sha256:{marks.OriginalSHA256}"
    ids = {name: escaped(value[:_LONGEST_NOTE]) for name, value in own.ids.items()}
    document = ids.get("DocumentID") or source
    words = {
        "own": ours,
        "source_type": DIGITAL_SOURCE_TYPE,
        "model": values["Model"],
        "weights": values["WeightsSHA256"],
        "software": values["Software"],
        "when": values["When"],
        "instance": f"{marks.OriginalSHA256[:32]}.{marks.PlateSHA256[:32]}",
        "document": document,
        "document_instance": ids.get("InstanceID") or source,
        "first": ids.get("OriginalDocumentID") or document,
        "texts": _texts(own),
    }
    bare = _PACKET.format(spaces=_declared(_SPACES), history="", carried="", **words)
    history, kept = _that_fit(own, room - len(bare.encode()))
    prefixes = prefixes_for([*history, *kept], _SPACES, own.prefixes)
    return _PACKET.format(
        spaces=_declared(prefixes),
        history="".join(markup(item, prefixes) for item in history),
        carried="\n   ".join(markup(one, prefixes) for one in kept),
        **words,
    ).encode()


def _that_fit(own: Carried, room: int) -> tuple[tuple[Element, ...], list[Element]]:
    """Choose what of an original's history and properties has room, the small ones first."""
    every = [*own.history, *own.properties]
    prefixes = prefixes_for(every, _SPACES, own.prefixes)

    def cost(found: Element) -> int:
        names = {name for part in found.iter() for name in (part.tag, *part.attrib)}
        spaces = {name[1:].partition("}")[0] for name in names} - _SPACES.keys()
        declared = _declared({space: prefixes[space] for space in spaces})
        return len(f"{markup(found, prefixes)}{declared}".encode()) + 4

    kept, left = set[int](), room
    for index, size in sorted(enumerate(map(cost, own.properties)), key=itemgetter(1)):
        if size > left:
            break
        kept.add(index)
        left -= size
    history = own.history if sum(map(cost, own.history)) <= left else ()
    return history, [one for index, one in enumerate(own.properties) if index in kept]


def _declared(prefixes: Mapping[str, str]) -> str:
    return "".join(
        f"\n    xmlns:{prefix}={quoteattr(space)}"
        for space, prefix in prefixes.items()
        if prefix not in ("rdf", "xml")
    )


def _texts(own: Carried) -> str:
    """Return the description in each language; the sentence follows in all of them."""
    most = {"x-default": _LONGEST} | dict.fromkeys(
        list(own.translations)[:_MOST_LANGUAGES], _LONGEST_TRANSLATION
    )
    texts = {"x-default": own.description, **own.translations}
    return "".join(
        f"<rdf:li xml:lang={quoteattr(lang)}>{_shortened(texts[lang], longest)}</rdf:li>"
        for lang, longest in most.items()
    )


def _shortened(text: str, longest: int) -> str:
    """Return a description as XML that takes no more than about so many bytes."""
    while len((found := escaped(description(text))).encode()) > longest + len(SENTENCE):
        text = text[: min(len(text) * 9 // 10, longest)]
    return found


def sheet_packet() -> bytes:
    """Return the XMP of a picture that shows several prints: what it is, and no single origin."""
    return _SHEET.format(iptc=_IPTC, source_type=DIGITAL_SOURCE_TYPE, text=SENTENCE).encode()


def read_marks(path: Path) -> FoundMarks:
    """Read the marks of any picture file; what is missing comes back empty."""
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential")
        packet = read_packet(image.get("xmp-data") if image.get_typeof("xmp-data") else None)
    except (pyvips.Error, UnicodeDecodeError):
        return FoundMarks("", None)
    found = {one.name: packet.text(f"{{{_OWN}}}{one.name}") for one in fields(Marks)}
    whole = all(found[name] for name in ("Model", *_DIGESTS))
    source_type = packet.text(f"{{{_IPTC}}}DigitalSourceType")
    return FoundMarks(source_type, Marks(**found) if whole else None)


_SHEET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:Iptc4xmpExt="{iptc}">
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <dc:description>
    <rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt>
   </dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""{spaces}>
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpExt:AISystemUsed>{model}</Iptc4xmpExt:AISystemUsed>
   <Iptc4xmpExt:AISystemVersionUsed>sha256:{weights}</Iptc4xmpExt:AISystemVersionUsed>
   <xmp:CreatorTool>{software}</xmp:CreatorTool>
   <xmp:MetadataDate>{when}</xmp:MetadataDate>
   <xmpMM:DocumentID>xmp.did:{instance}</xmpMM:DocumentID>
   <xmpMM:InstanceID>xmp.iid:{instance}</xmpMM:InstanceID>
   <xmpMM:OriginalDocumentID>{first}</xmpMM:OriginalDocumentID>
   <xmpMM:DerivedFrom rdf:parseType="Resource">
    <stRef:documentID>{document}</stRef:documentID>
    <stRef:instanceID>{document_instance}</stRef:instanceID>
   </xmpMM:DerivedFrom>
   <xmpMM:History>
    <rdf:Seq>{history}
     <rdf:li rdf:parseType="Resource">
      <stEvt:action>edited</stEvt:action>
      <stEvt:when>{when}</stEvt:when>
      <stEvt:softwareAgent>{software}</stEvt:softwareAgent>
      <stEvt:parameters>colours added by {model} sha256:{weights}</stEvt:parameters>
      <stEvt:changed>/</stEvt:changed>
     </rdf:li>
    </rdf:Seq>
   </xmpMM:History>
   <dc:description>
    <rdf:Alt>{texts}</rdf:Alt>
   </dc:description>
   {own}
   {carried}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
