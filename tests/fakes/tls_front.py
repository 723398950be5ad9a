"""TLS in front of a server that has none: for Postgres by its own handshake, for Redis from the first byte."""

import asyncio
import contextlib
import ssl
import struct
from dataclasses import dataclass, field
from typing import Literal

_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_REFUSAL = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0"


@dataclass
class TlsFront:
    """Accepts TLS only, and passes what is inside on to `127.0.0.1:target`. `cut()` plays a lost network."""

    target: int
    context: ssl.SSLContext
    protocol: Literal["postgres", "redis"]
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _address: tuple[str, int] = ("127.0.0.1", 0)

    async def start(self, host: str, port: int = 0) -> int:
        """Listen; return the port."""
        tls = self.context if self.protocol == "redis" else None
        self._server = await asyncio.start_server(self._serve, host, port, ssl=tls)
        self._address = self._server.sockets[0].getsockname()[:2]
        return int(self._address[1])

    async def cut(self) -> None:
        """Break every connection, and accept none until `fix`."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            self._server = None

    async def mend(self) -> None:
        """Listen on the same address again."""
        await self.start(*self._address)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self.protocol == "redis" or await self._agree_on_tls(reader, writer):
                await self._pass_on(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side left
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _agree_on_tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Speak the first words of PostgreSQL's protocol (55.2.10): only TLS gets further."""
        while True:
            _, code = struct.unpack("!ii", await reader.readexactly(8))
            if code == _GSS_REQUEST:
                writer.write(b"N")
            elif code == _SSL_REQUEST:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self.context)
                return True
            else:
                writer.write(b"E" + struct.pack("!i", len(_REFUSAL) + 4) + _REFUSAL)
                await writer.drain()
                return False

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            _, pending = await asyncio.wait(
                {
                    asyncio.ensure_future(_copy(reader, inner_writer)),
                    asyncio.ensure_future(_copy(inner_reader, writer)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        finally:
            inner_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
