"""Read a connection in small pieces: uvloop takes up to 256 KiB of each, and hundreds may be readable at once."""

import asyncio
import threading

READ_BYTES = 8 * 1024
_local = threading.local()


class SmallReads(asyncio.BufferedProtocol):
    """Stands between a transport and a protocol of whole byte strings. All connections of a thread share a buffer."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign] # nothing to add
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]
        self._data_received = protocol.data_received
        self._buffer = _buffer()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the signature of asyncio
        """Return where to read to; what is there was taken already."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand over what was read."""
        self._data_received(bytes(self._buffer[:nbytes]))


def _buffer() -> memoryview:
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = memoryview(bytearray(READ_BYTES))
    return buffer
