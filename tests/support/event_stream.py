"""Bedrock's side of a streamed answer: AWS's event stream, frame by frame, as its specification says."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CONTENT_TYPE", "chunks", "exception"]

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
_TEXT: Final = 7
"""The type of a header whose value is a text."""


def chunks(events: Iterable[bytes]) -> list[bytes]:
    """Server-sent events of the Messages API, each as the frame that Bedrock sends in its place."""
    documents = [event.partition(b"data: ")[2].strip() for event in events]
    return [
        _frame(
            {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"},
            json.dumps({"bytes": base64.b64encode(document).decode(), "p": "abcdefgh"[: index % 8]}).encode(),
        )
        for index, document in enumerate(documents)
    ]


def exception(name: str, message: str) -> bytes:
    """A frame that ends a stream by an exception, such as ``throttlingException``."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return _frame(headers, json.dumps({"message": message}).encode())


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    block = b"".join(
        bytes([len(name)]) + name.encode() + bytes([_TEXT]) + struct.pack("!H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    # Two lengths and their checksum, the headers, the payload, and the checksum of it all.
    prelude = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + block + payload
    return message + struct.pack("!I", zlib.crc32(message))
