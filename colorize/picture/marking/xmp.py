"""XMP as we read and write it: a packet's properties, safely parsed, and back to text.

Only what every XMP reader takes is passed on: a property that is odd RDF (no namespace, literals,
collections) could make a strict reader refuse the whole packet, our marks included.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from xml.etree.ElementTree import Element, ParseError, iterparse
from xml.sax.saxutils import escape, quoteattr

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_DESCRIPTION, _LI = f"{RDF}Description", f"{RDF}li"
_ARRAYS = {f"{RDF}Bag", f"{RDF}Seq", f"{RDF}Alt"}
_RESOURCE, _PARSE_TYPE = f"{RDF}resource", f"{RDF}parseType"
_PREFIX = re.compile("(?!xml)[A-Za-z_][A-Za-z0-9_.-]*", re.IGNORECASE)
_DEEPEST = 20
_LARGEST = 8 << 20  # bytes: what is larger is no description of a picture
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet's properties by their `{namespace}name`, and its own prefixes by namespace."""

    properties: Mapping[str, Element]
    prefixes: Mapping[str, str]

    def text(self, tag: str) -> str:
        """Return a property's value; of an array the default one, else the first."""
        found = self.properties.get(tag)
        if found is None:
            return ""
        alternatives = self.alternatives(tag)
        if alternatives:
            return alternatives.get("x-default", next(iter(alternatives.values())))
        return (found.text or found.get(_RESOURCE) or "").strip()

    def alternatives(self, tag: str) -> dict[str, str]:
        """Return an array's texts by their language; those without one are under an empty name."""
        found = self.properties.get(tag)
        items = [] if found is None else found.findall(f"./*/{_LI}")
        texts: dict[str, str] = {}
        for item in items:
            texts.setdefault(item.get(LANG, ""), (item.text or "").strip())
        return texts


EMPTY = Packet({}, {})


def read_packet(data: bytes | None) -> Packet:
    """Parse a packet; one that is broken, or declares a document type, counts as empty."""
    if not data or len(data) > _LARGEST:
        return EMPTY
    try:
        text = data.decode("utf-8-sig").strip("\0 \t\r\n\ufeff")
    except UnicodeDecodeError:
        return EMPTY
    if not text or "<!DOCTYPE" in text:
        return EMPTY
    text = re.sub(r"^<\?xml[^>]*\?>", "", text)  # it may name an encoding that this is not
    prefixes: dict[str, str] = {}
    try:
        events = iterparse(io.StringIO(text), events=("start-ns",))
        for _, (prefix, space) in events:
            prefixes.setdefault(space, prefix)
    except (ParseError, LookupError, ValueError):
        return EMPTY
    properties: dict[str, Element] = {}
    for found in _properties(events.root):  # type: ignore[attr-defined]
        properties.setdefault(found.tag, found)
    return Packet(properties, prefixes)


def _properties(root: Element) -> Iterator[Element]:
    """Yield the top properties, those written as attributes too."""
    whole = root if root.tag == f"{RDF}RDF" else root.find(f"{RDF}RDF")
    for description in [] if whole is None else whole.findall(_DESCRIPTION):
        for name, value in description.attrib.items():
            if name.startswith("{") and not name.startswith(RDF):
                simple = Element(name)
                simple.text = value
                yield simple
        yield from description


def is_plain(found: Element, depth: int = 0) -> bool:
    """Tell whether a property is RDF of the kinds that XMP has, and so safe to pass on."""
    names = {found.tag, *found.attrib} - {_RESOURCE, _PARSE_TYPE, LANG}
    if depth > _DEEPEST or not all(map(_is_qualified, names - {_LI})):
        return False
    children, text = list(found), (found.text or "").strip()
    attributes = found.attrib.keys() - {LANG}
    if any((child.tail or "").strip() for child in children) or (text and (children or attributes)):
        return False
    if _PARSE_TYPE in attributes:
        return found.get(_PARSE_TYPE) == "Resource" and _are_fields(found, depth)
    if children:
        return not attributes and len(children) == 1 and _is_value(children[0], depth)
    return _RESOURCE not in attributes or len(attributes) == 1


def _is_value(child: Element, depth: int) -> bool:
    if child.tag in _ARRAYS:
        items = list(child)
        return not child.attrib and all(i.tag == _LI and is_plain(i, depth + 1) for i in items)
    if child.tag == _DESCRIPTION:
        return all(map(_is_qualified, child.attrib)) and _are_fields(child, depth)
    return False


def _are_fields(found: Element, depth: int) -> bool:
    names = [child.tag for child in found]
    return len(set(names)) == len(names) and all(
        child.tag != _LI and is_plain(child, depth + 1) for child in found
    )


def _is_qualified(name: str) -> bool:
    """Say whether a name lies in a namespace that properties may have."""
    return name.startswith("{") and name[1] != "}" and not name.startswith((RDF, LANG[:-4]))


def legal(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _ILLEGAL.sub("", text)


def escaped(text: str) -> str:
    """Return a text as XML writes it between tags."""
    return escape(legal(text), {'"': "&quot;", "\r": "&#13;"})


def prefixes_for(
    properties: Iterable[Element], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> dict[str, str]:
    """Choose a prefix for each namespace that is used: ours, else theirs if it is free, else new.

    All maps are from namespace to prefix.
    """
    chosen, taken = dict(ours), set(ours.values())
    names = [name for one in properties for part in one.iter() for name in (part.tag, *part.attrib)]
    for name in names:
        space = name[1:].partition("}")[0]
        if space in chosen:
            continue
        prefix = theirs.get(space, "")
        if prefix in taken or not _PREFIX.fullmatch(prefix):
            prefix = next(new for n in count(len(taken)) if (new := f"ns{n}") not in taken)
        chosen[space] = prefix
        taken.add(prefix)
    return chosen


def markup(found: Element, prefixes: Mapping[str, str]) -> str:
    """Write a property as text, under these prefixes by namespace."""

    def named(name: str) -> str:
        space, _, local = name[1:].partition("}")
        return f"{prefixes[space]}:{local}"

    attributes = "".join(f" {named(name)}={quoteattr(v)}" for name, v in found.attrib.items())
    name, children = named(found.tag), list(found)
    inside = "".join(markup(child, prefixes) for child in children) or escaped(found.text or "")
    return f"<{name}{attributes}>{inside}</{name}>"
