"""What travels on a lane: frames of a length, the number of the request they belong to, a kind, and bytes."""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

import orjson

MOST_BYTES = 4 * 1024 * 1024
"""Of one frame: a request with its passages, or a whole answer."""
_HEAD = Struct("!IIB")


class Kind(IntEnum):
    """What a frame says. Only the one who asked sends ASK and CANCEL, only the other the rest."""

    ASK = 1
    """`[path, streamed, carrier]` as JSON, a line feed, the body."""
    CANCEL = 2
    """Nobody waits for this answer any more."""
    ANSWER = 3
    """`[status, retry_after]` as JSON, a line feed, the body: the end."""
    PIECE = 4
    """One line of a streamed answer, which END follows."""
    END = 5
    LEAVE = 6
    """No further question on this lane, please: its service stops. What is under way will be answered."""


class FramingError(ValueError):
    """The other side does not keep to the framing."""


def frame(kind: Kind, number: int, content: bytes = b"") -> bytes:
    """Write a frame; raises FramingError when it would be too long."""
    if len(content) > MOST_BYTES:
        raise FramingError("a frame is too long")
    return _HEAD.pack(len(content), number, kind) + content


def headed(head: list[object], body: bytes) -> bytes:
    """Write the content of an ASK or an ANSWER."""
    return b"%b\n%b" % (orjson.dumps(head), body)


def beheaded(content: bytes) -> tuple[list[object], bytes]:
    """Read what `headed` wrote; raises FramingError."""
    head, _, body = content.partition(b"\n")
    try:
        read = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        raise FramingError("a frame has no head") from error
    if not isinstance(read, list):
        raise FramingError("a head is a list")
    return read, body


class Frames:
    """Cuts what arrives into frames; keeps the beginning of one whose rest is still to come."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield kind, number and content of every frame that is whole now; raises FramingError."""
        if self._rest:
            data = self._rest + data
        start, have = 0, len(data)
        while have - start >= _HEAD.size:
            length, number, kind = _HEAD.unpack_from(data, start)
            if length > MOST_BYTES:
                raise FramingError("a frame is too long")
            end = start + _HEAD.size + length
            if end > have:
                break
            yield kind, number, data[start + _HEAD.size : end]
            start = end
        self._rest = data[start:]
