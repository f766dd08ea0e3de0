"""What a worker and its reader pass each other: frames of JSON on a socket, and open files.

Nothing in a frame is ever run: a reader that a hostile file has got hold of can lie about its
picture, and no more.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
from typing import Any

Note = dict[str, Any]

_LENGTH = struct.Struct("<I")
_LONGEST = 1 << 28  # bytes: profiles and metadata of any honest file are far below
_PIECE = 1 << 20


def send(line: socket.socket, note: Note, file: int | None = None) -> None:
    """Send a note, and an open file with it; raises OSError when the other side is gone."""
    data = json.dumps(note, default=_packed).encode()
    head = _LENGTH.pack(len(data))
    if file is None:
        line.sendall(head)
    else:
        socket.send_fds(line, [head], [file])
    line.sendall(data)


def receive(line: socket.socket) -> tuple[Note, int | None]:
    """Wait for a note and the file that came with it; raises EOFError when there will be none.

    Raises ValueError for what is no note, and TimeoutError as the socket's timeout says.
    """
    head, files, _, _ = socket.recv_fds(line, _LENGTH.size, 1)
    if not head:
        raise EOFError("the other side has closed the line")
    head += _all(line, _LENGTH.size - len(head))
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise ValueError(f"a note of {length} bytes")
    note = json.loads(_all(line, length), object_hook=_unpacked)
    if not isinstance(note, dict):
        raise ValueError("a note that is no object")
    return note, files[0] if files else None


def _all(line: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = line.recv(min(count - len(data), _PIECE))
        if not piece:
            raise EOFError("the other side has gone in the middle of a note")
        data += piece
    return bytes(data)


def _packed(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"no note can hold {type(value).__name__}")


def _unpacked(values: dict[str, Any]) -> Any:
    return base64.b64decode(values["base64"]) if values.keys() == {"base64"} else values
