"""The photographs that the sample archive is made from, read out of unpacked packages."""

from __future__ import annotations

import bz2
import io
import struct
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

_LIST = Path(__file__).with_name("photographs.toml")
_RACCOON_SIZE = (1024, 768)
_NODE = 22  # bytes of one entry in the tree of a Qt resource file
_FOLDER = 2


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph and its credit; `source` is the package and its version."""

    package: str
    path: str
    title: str
    author: str
    licence: str
    stated: str
    source: str

    def read(self, packages: Path) -> Image.Image:
        """Decode the photograph as RGB from the folder that holds the unpacked packages."""
        file, _, inner = self.path.partition("!")
        data = (packages / self.package / file).read_bytes()
        if file.endswith("face.dat"):
            return Image.frombytes("RGB", _RACCOON_SIZE, bz2.decompress(data))
        if inner:
            data = dict(_resources(data))[inner]
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")


def load_photographs() -> dict[str, Photograph]:
    """Read the list: name -> photograph."""
    entries = tomllib.loads(_LIST.read_text(encoding="utf-8"))
    sources = entries.pop("packages")
    return {
        name: Photograph(**entry, source=sources[entry["package"]])
        for name, entry in entries.items()
    }


def _resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Walk a Qt binary resource file: path and content of what is stored in it uncompressed."""
    magic, _, tree, contents, names = struct.unpack(">4s4I", data[:20])
    if magic != b"qres":
        raise ValueError("not a Qt resource file")
    waiting = [(0, "")]
    while waiting:
        index, path = waiting.pop()
        node = tree + index * _NODE
        _, flags, first, second = struct.unpack(">IHII", data[node : node + 14])
        if flags & _FOLDER:
            children = range(second, second + first)
            waiting += [
                (child, f"{path}/{_name_of(data, tree, names, child)}") for child in children
            ]
        elif not flags:
            start = contents + second
            (length,) = struct.unpack(">I", data[start : start + 4])
            yield path.lstrip("/"), data[start + 4 : start + 4 + length]


def _name_of(data: bytes, tree: int, names: int, index: int) -> str:
    """Return the name of one entry: its length in characters, a hash, then UTF-16."""
    node = tree + index * _NODE
    start = names + struct.unpack(">I", data[node : node + 4])[0]
    (length,) = struct.unpack(">H", data[start : start + 2])
    return data[start + 6 : start + 6 + 2 * length].decode("utf-16-be")
