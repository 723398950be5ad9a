"""The wire format of the internal RPC: length, request id, kind, payload."""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

import orjson

MAX_BYTES = 4 * 1024 * 1024
"""Of one frame: a request with its passages, or a whole response."""
_HEAD = Struct("!IIB")


class Kind(IntEnum):
    """Frame kinds. ASK and CANCEL go from client to server, the others from server to client."""

    ASK = 1
    """`[path, streamed, carrier]` as JSON, a line feed, the body."""
    CANCEL = 2
    """The client no longer waits for this response."""
    ANSWER = 3
    """`[status, retry_after]` as JSON, a line feed, the body: the end."""
    PIECE = 4
    """One line of a streamed response; END follows."""
    END = 5
    LEAVE = 6
    """The server is draining: send no further request here. Pending ones are answered."""


class FramingError(ValueError):
    """The peer violated the framing."""


def encode_frame(kind: Kind, number: int, content: bytes = b"") -> bytes:
    """Encode a frame; raises FramingError if it is too long."""
    if len(content) > MAX_BYTES:
        raise FramingError("a frame is too long")
    return _HEAD.pack(len(content), number, kind) + content


def encode_message(head: list[object], body: bytes) -> bytes:
    """Encode the content of an ASK or an ANSWER."""
    return b"%b\n%b" % (orjson.dumps(head), body)


def decode_message(content: bytes) -> tuple[list[object], bytes]:
    """Decode what `encode_message` wrote; raises FramingError."""
    head, _, body = content.partition(b"\n")
    try:
        read = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        raise FramingError("a frame has no head") from error
    if not isinstance(read, list):
        raise FramingError("a head is a list")
    return read, body


class FrameReader:
    """Splits received bytes into frames; keeps an incomplete one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield kind, number and content of every complete frame; raises FramingError."""
        if self._rest:
            data = self._rest + data
        start, have = 0, len(data)
        while have - start >= _HEAD.size:
            length, number, kind = _HEAD.unpack_from(data, start)
            if length > MAX_BYTES:
                raise FramingError("a frame is too long")
            end = start + _HEAD.size + length
            if end > have:
                break
            yield kind, number, data[start + _HEAD.size : end]
            start = end
        self._rest = data[start:]
