"""JSON messages over a stream socket: four bytes of length, then the text."""

from __future__ import annotations

import json
import struct
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket

__all__ = ["FrameClosedError", "receive", "receive_exactly", "send"]

_LENGTH: Final = struct.Struct("!I")
_CHUNK: Final = 1 << 20


class FrameClosedError(Exception):
    """The other side went away, possibly in the middle of a message."""


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Sends one message.

    Raises:
        TypeError: the message is no JSON.
        OSError: the other side went away.
    """
    body = json.dumps(message, separators=(",", ":")).encode()
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket, *, deadline: float | None = None) -> dict[str, Any]:
    """The next message, an object; waits at most until ``deadline`` (monotonic seconds).

    Raises:
        FrameClosedError: the other side went away.
        TimeoutError: the deadline passed.
    """
    (length,) = _LENGTH.unpack(receive_exactly(connection, _LENGTH.size, deadline=deadline))
    message: dict[str, Any] = json.loads(receive_exactly(connection, length, deadline=deadline))
    return message


def receive_exactly(connection: socket.socket, count: int, *, deadline: float | None = None) -> bytes:
    """``count`` bytes.

    Raises:
        FrameClosedError: the other side went away.
        TimeoutError: the deadline passed.
    """
    parts = bytearray()
    while len(parts) < count:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        try:
            part = connection.recv(min(count - len(parts), _CHUNK))
        except ConnectionError as error:
            raise FrameClosedError from error
        if not part:
            raise FrameClosedError
        parts += part
    return bytes(parts)
