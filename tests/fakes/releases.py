"""Where cloudflared's makers keep it, behind a proxy: any host, any path, one file, which may be cut short."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme

PROGRAM = b"#!/bin/sh\necho cloudflared\n"


@asynccontextmanager
async def releases(certificates: trustme.CA, *, whole: bool = True) -> AsyncIterator[str]:
    """Serve; yield the proxy's URL. A file that is not `whole` ends in the middle, without a word."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.issue_cert("github.com").configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(context)
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(PROGRAM)
        writer.write(head + (PROGRAM if whole else PROGRAM[:9]))
        await writer.drain()
        writer.close() if whole else writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
