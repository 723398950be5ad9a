"""The edge of ngrok as far as its agent SDK needs one: muxado over TLS, the agent's calls, and requests from outside.

Frames and calls as in https://github.com/ngrok/ngrok-rust (muxado/src/codec.rs, ngrok/src/internals/proto.rs).
"""

import asyncio
import itertools
import json
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trustme

AUTHTOKEN = "ngrok-token"
Json = dict[str, Any]
_RST, _DATA, _WINDOW, _GOAWAY = range(4)
_FIN, _SYN = 1, 2
_AUTH, _BIND, _UNBIND, _PROXY, _HEARTBEAT = 0, 1, 2, 3, 0xFFFFFFFF


class Agent:
    """One connected agent: its streams, and what it has bound."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, edge: "NgrokEdge") -> None:
        self._reader, self._writer, self._edge = reader, writer, edge
        self._streams: dict[int, asyncio.Queue[bytes]] = {}
        self._numbers = itertools.count(2, 2)
        self._calls: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Read frames until the agent leaves."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head, stream = struct.unpack(">II", await self._reader.readexactly(8))
                length, kind, flags = head >> 8, (head >> 4) & 0xF, head & 0xF
                body = await self._reader.readexactly(length)
                if kind == _DATA:
                    self._received(stream, body, flags)
        for queue in self._streams.values():
            queue.put_nowait(b"")
        for call in self._calls:
            call.cancel()

    def _received(self, stream: int, body: bytes, flags: int) -> None:
        queue = self._streams.get(stream)
        if queue is None:
            if not flags & _SYN:
                return
            queue = self._streams[stream] = asyncio.Queue()
            call = asyncio.create_task(self._call(stream, queue))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        if body:
            queue.put_nowait(body)
            self._send(_WINDOW, stream, struct.pack(">I", len(body)))
        if flags & _FIN:
            queue.put_nowait(b"")

    def _send(self, kind: int, stream: int, body: bytes, flags: int = 0) -> None:
        self._writer.write(struct.pack(">II", len(body) << 8 | kind << 4 | flags, stream) + body)

    async def _call(self, stream: int, queue: "asyncio.Queue[bytes]") -> None:
        data = b""
        while len(data) < 4:
            data += await queue.get()
        kind, data = struct.unpack(">I", data[:4])[0], data[4:]
        if kind == _HEARTBEAT:
            while True:
                self._send(_DATA, stream, data)
                data = await queue.get()
        while True:
            try:
                request = json.loads(data)
                break
            except ValueError:
                data += await queue.get()
        self._send(_DATA, stream, json.dumps(self._edge.answer(self, kind, request)).encode(), _FIN)

    async def ask(self, request: bytes) -> bytes:
        """Pass a connection from outside on; return all that comes back."""
        stream = next(self._numbers)
        queue = self._streams[stream] = asyncio.Queue()
        header = {"Id": self._edge.bound, "ClientAddr": "203.0.113.7:5", "Proto": "http", "EdgeType": "3",
                  "PassthroughTLS": False}  # fmt: skip
        text = json.dumps(header).encode()
        self._send(_DATA, stream, struct.pack(">I", _PROXY) + struct.pack("<q", len(text)) + text, _SYN)
        self._send(_DATA, stream, request)
        said = b""
        while part := await asyncio.wait_for(queue.get(), 30):
            said += part
        return said

    def drop(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()


class NgrokEdge:
    """`url` is what bound agents get; requests to it reach the agent that is connected."""

    def __init__(self, certificates: trustme.CA) -> None:
        self.url, self.address, self.bound = "", "", "tn_1"
        self.agents: list[Agent] = []
        self.logins: asyncio.Queue[Agent] = asyncio.Queue()
        self.asked: list[tuple[int, Json]] = []
        self._certificate = certificates.issue_cert("localhost")

    def answer(self, agent: Agent, kind: int, request: Json) -> Json:
        """Answer a call of an agent; the authtoken decides."""
        self.asked.append((kind, request))
        if kind == _AUTH and request["Extra"]["AuthToken"] != AUTHTOKEN:
            return {"Error": "The authtoken you specified is properly formed, but it is invalid.\n\nERR_NGROK_107"}
        if kind == _AUTH:
            self.agents.append(agent)
            self.logins.put_nowait(agent)
            return {"Version": "3", "ClientId": "client", "Extra": {"Version": "prod", "Region": "eu"}}
        if kind == _BIND:
            opts, url = request["Opts"], self.url
            return {"Id": self.bound, "URL": url, "Proto": "http", "Opts": opts, "Extra": {"Token": "t"}}
        return {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["NgrokEdge"]:
        """Listen for agents, and for the public."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(tls)
        agents = await asyncio.start_server(self._connect, "127.0.0.1", 0, ssl=tls)
        public = await asyncio.start_server(self._public, "127.0.0.1", 0)
        self.address = f"localhost:{agents.sockets[0].getsockname()[1]}"
        self.url = f"http://127.0.0.1:{public.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            for server in (agents, public):
                server.close()
            for agent in self.agents:
                agent.drop()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agent = Agent(reader, writer, self)
        try:
            with suppress(asyncio.CancelledError):  # the loop of the test ends
                await agent.serve()
        finally:
            if agent in self.agents:
                self.agents.remove(agent)
            writer.close()

    async def _public(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on, with the header that the edge adds; close after its answer."""
        head = await reader.readuntil(b"\r\n\r\n")
        names = {line.partition(b":")[0].lower(): line.partition(b":")[2] for line in head.split(b"\r\n")[1:]}
        body = await reader.readexactly(int(names.get(b"content-length", b"0")))
        line, _, rest = head.partition(b"\r\n")
        kept = b"\r\n".join(one for one in rest.split(b"\r\n") if not one.lower().startswith(b"connection"))
        request = line + b"\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n" + kept + body
        missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\nERR_NGROK_3200"
        writer.write(await self.agents[-1].ask(request) if self.agents else missing)
        writer.close()


def authority(folder: Path) -> tuple[trustme.CA, Path]:
    """Make a certificate authority; return it, and the file of its certificate."""
    made = trustme.CA()
    path = folder / "ca.pem"
    made.cert_pem.write_to_path(path)
    return made, path
