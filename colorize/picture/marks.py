"""Marks: what every print says of itself, inside the file; no switch leaves them off.

XMP with IPTC's digital source type, the model and its weights, and the original's digest. They
travel with a stray file: `read_marks` needs nothing but the file.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from photochrom.colorize.picture.vips import pyvips

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
SENTENCE = "Colours added by AI; not a record of the real colours."

_OWN = "urn:photochrom:marks:1.0:"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_LONGEST = 12_000  # bytes of description: a JPEG segment must hold the packet, or loses it whole
_ILLEGAL_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


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


@dataclass(frozen=True, slots=True)
class FoundMarks:
    """What was read back from a file: the source type, and our own marks where they are whole."""

    digital_source_type: str
    marks: Marks | None


def description(original: str) -> str:
    """Append the sentence that says what happened to a picture's own description."""
    text = _ILLEGAL_XML.sub("", original).strip()
    text = text.removesuffix(SENTENCE).encode()[:_LONGEST].decode(errors="ignore").strip()
    return f"{text} {SENTENCE}".strip()


def xmp_packet(marks: Marks, text: str) -> bytes:
    """Return the XMP packet of a print whose description is `text`."""
    values = {
        name: escape(_ILLEGAL_XML.sub("", str(value)), {'"': "&quot;"})
        for name, value in asdict(marks).items()
    }
    own = "\n   ".join(f"<photochrom:{n}>{v}</photochrom:{n}>" for n, v in values.items() if v)
    instance = f"{marks.OriginalSHA256[:32]}.{marks.PlateSHA256[:32]}"
    return _PACKET.format(
        own=own,
        own_space=_OWN,
        iptc=_IPTC,
        source_type=DIGITAL_SOURCE_TYPE,
        model=values["Model"],
        weights=values["WeightsSHA256"],
        original=values["OriginalSHA256"],
        software=values["Software"],
        when=values["When"],
        instance=instance,
        text=escape(text),
    ).encode()


def sheet_packet() -> bytes:
    """Return the XMP of a picture that shows several prints: what it is, and no single origin."""
    return _SHEET.format(iptc=_IPTC, source_type=DIGITAL_SOURCE_TYPE, text=SENTENCE).encode()


def read_marks(path: Path) -> FoundMarks:
    """Read the marks of any picture file; what is missing comes back empty."""
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential")
        packet = image.get("xmp-data") if image.get_typeof("xmp-data") else b""
        root = ElementTree.fromstring(bytes(packet).strip(b"\0 \n"))
    except (pyvips.Error, ElementTree.ParseError, LookupError, ValueError):
        return FoundMarks("", None)
    source_type = root.find(f".//{{{_IPTC}}}DigitalSourceType")
    found = {field.name: root.findtext(f".//{{{_OWN}}}{field.name}", "") for field in fields(Marks)}
    required = [field.name for field in fields(Marks)][:6]
    whole = all(found[name] for name in required)
    return FoundMarks(
        "" if source_type is None else (source_type.text or "").strip(),
        Marks(**found) if whole else None,
    )


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
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:Iptc4xmpExt="{iptc}"
    xmlns:photochrom="{own_space}">
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpExt:AISystemUsed>{model}</Iptc4xmpExt:AISystemUsed>
   <Iptc4xmpExt:AISystemVersionUsed>sha256:{weights}</Iptc4xmpExt:AISystemVersionUsed>
   <xmp:CreatorTool>{software}</xmp:CreatorTool>
   <xmp:MetadataDate>{when}</xmp:MetadataDate>
   <xmpMM:DocumentID>xmp.did:{instance}</xmpMM:DocumentID>
   <xmpMM:InstanceID>xmp.iid:{instance}</xmpMM:InstanceID>
   <xmpMM:OriginalDocumentID>sha256:{original}</xmpMM:OriginalDocumentID>
   <xmpMM:DerivedFrom rdf:parseType="Resource">
    <stRef:documentID>sha256:{original}</stRef:documentID>
    <stRef:instanceID>sha256:{original}</stRef:instanceID>
   </xmpMM:DerivedFrom>
   <xmpMM:History>
    <rdf:Seq>
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
    <rdf:Alt>
     <rdf:li xml:lang="x-default">{text}</rdf:li>
    </rdf:Alt>
   </dc:description>
   {own}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
