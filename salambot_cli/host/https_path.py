"""The way to an HTTPS service, rung by rung: name, proxy, port, the proxy's answer, certificate. Nothing is asked."""

import asyncio
import base64
import re
import ssl
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from salambot_cli.host.probe_http import host_and_port, proxy_for
from salambot_cli.host.probe_tcp import ConnectResult, Reach, connect, exchange
from salambot_cli.host.tls import Handshake, Opening, handshake

_HEAD_BYTES = 8 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_CONNECT_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class HttpsPath:
    """How far one gets on the way to a URL. `contact` is the host's; where a proxy is used, the proxy's."""

    url: str
    host: str
    port: int
    contact: ConnectResult
    proxy: str | None = None
    """The proxy as `host:port`."""
    refusal: int | None = None
    """The status with which the proxy refuses to connect."""
    refusal_says: str = ""
    certificate: Handshake | None = None
    """Of the host; None where TLS was not reached or not asked for."""

    @property
    def reach(self) -> Reach:
        """The rung that broke, or OPEN."""
        if not self.contact.is_open or self.certificate is None:
            return self.contact.reach
        return self.certificate.contact.reach

    @property
    def is_open(self) -> bool:
        """Return whether requests can be sent."""
        return self.reach is Reach.OPEN and self.refusal is None


async def trace_https(url: str, context: ssl.SSLContext) -> HttpsPath:
    """Go as far as the TLS handshake; a proxy is asked to CONNECT, as every client here does."""
    host, port = host_and_port(url)
    proxy = proxy_for(url)
    tls = urlsplit(url).scheme == "https"
    if proxy is not None:
        return await _through(proxy, url, host, port, context, tls=tls)
    path = HttpsPath(url, host, port, await connect(host, port))
    if not path.contact.is_open or not tls:
        return path
    return replace(path, certificate=await handshake(path.contact, context))


async def _through(proxy: str, url: str, host: str, port: int, context: ssl.SSLContext, *, tls: bool) -> HttpsPath:
    near = await connect(*host_and_port(proxy))
    contact = replace(near, proxy=True)
    path = HttpsPath(url, host, port, contact, f"{contact.host}:{contact.port}")
    if contact.is_open and (unfit := await _unfit(proxy, contact, context)) is not None:
        return replace(path, contact=replace(contact, reach=Reach.WRONG_PROTOCOL, detail=unfit))
    if not contact.is_open or not tls or urlsplit(proxy).scheme == "https":
        return path
    head = await _answer_to_connect(contact, proxy, host, port)
    if isinstance(head, Reach):
        return replace(path, contact=replace(contact, reach=head, detail=f"no answer to CONNECT {host}:{port}"))
    found = _STATUS.match(head)
    if found is None:
        return replace(
            path, contact=replace(contact, reach=Reach.WRONG_PROTOCOL, detail=ascii(head[:40].decode("latin-1")))
        )
    if not found[1].startswith(b"2"):
        return replace(path, refusal=int(found[1]), refusal_says=_said(head))
    shaken = await handshake(contact, context, opening=_connecting(proxy, host, port), server_name=host)
    return replace(path, certificate=shaken)


async def _unfit(proxy: str, contact: ConnectResult, context: ssl.SSLContext) -> str | None:
    """Say why a proxy's URL cannot be used as it is written: its scheme is how the proxy itself is spoken to."""
    scheme = urlsplit(proxy).scheme
    if scheme.startswith("socks"):
        return f"{scheme}:// is not spoken here: name an HTTP proxy (http://HOST:PORT)"
    if scheme != "https" or (await handshake(contact, context)).contact.is_open:
        return None
    return "it speaks no TLS, and its URL begins with https://: write http://"


def _request(proxy: str, host: str, port: int) -> bytes:
    parts = urlsplit(proxy)
    login = ""
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
    name = f"[{host}]" if ":" in host else host
    return f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n{login}\r\n".encode()


async def _answer_to_connect(contact: ConnectResult, proxy: str, host: str, port: int) -> bytes | Reach:
    try:
        return await exchange(contact, _request(proxy, host, port), seconds=_CONNECT_SECONDS) or Reach.RESET
    except TimeoutError:
        return Reach.MUTE
    except (OSError, asyncio.IncompleteReadError):
        return Reach.RESET


def _connecting(proxy: str, host: str, port: int) -> Opening:
    async def opening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(_request(proxy, host, port))
        head = await reader.readuntil(b"\r\n\r\n")
        found = _STATUS.match(head)
        return found is not None and found[1].startswith(b"2")

    return opening


def _said(head: bytes) -> str:
    """Return the headers of a proxy's refusal that tell who it is and what it wants."""
    lines = head.decode("latin-1").split("\r\n")
    told = [
        line for line in lines[1:] if line.lower().startswith(("proxy-authenticate:", "via:", "server:", "x-squid"))
    ]
    return "; ".join([lines[0], *told])[:300]
