"""One bounded HTTP request: an answer of at most 64 KiB, or how the wire failed. Redirects are never followed."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from salambot_cli.host.probe_tcp import ConnectResult, Reach, classify_error, exception_chain
from salambot_cli.host.time_limit import limit
from salambot_cli.host.tls import tls_context

if TYPE_CHECKING:
    import httpx

BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of a server."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    contact: ConnectResult | None = None
    """Set, with status 0, when there is no answer: how the wire failed."""

    @property
    def text(self) -> str:
        """The first 64 KiB of the body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> object:
        """Parse the body; None where it is no JSON."""
        import json

        try:
            return json.loads(self.body)
        except ValueError:
            return None


async def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    verify: bool = True,
    proxies: bool = True,
    seconds: float = 4.0,
    source: str | None = None,
) -> Answer:
    """Ask once. `proxies` obeys HTTP(S)_PROXY; `source` binds an address family (`0.0.0.0` or `::`).

    `seconds` hold for connecting, and again for the answer.
    """
    import httpx

    proxy = proxy_for(url) if proxies else None
    trust = _trust(verify)
    transport = httpx.AsyncHTTPTransport(local_address=source, verify=trust) if source else None
    sent = False

    async def note(step: str, _: object) -> None:
        nonlocal sent
        if step == _SENT:
            sent = True
            timeout.reschedule(asyncio.get_running_loop().time() + seconds)

    try:
        async with (
            limit(seconds) as timeout,
            httpx.AsyncClient(
                verify=trust,
                trust_env=proxy is not None,
                timeout=None,  # noqa: S113 - `limit` holds for all of it
                follow_redirects=False,
                transport=transport,
            ) as client,
            client.stream(
                method, url, headers=dict(headers or {}), content=content, extensions={"trace": note}
            ) as response,
        ):
            return Answer(response.status_code, response.headers, await _bounded(response))
    except TimeoutError:
        late = httpx.ReadTimeout if sent else httpx.ConnectTimeout
        return Answer(0, {}, b"", contact=_contact(proxy or url, late(f"no answer within {seconds:g} s"), proxy))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError) as error:
        return Answer(0, {}, b"", contact=_contact(proxy or url, error, proxy))


_SENT = "http11.send_request_headers.complete"


@cache
def _trust(verify: bool) -> ssl.SSLContext:
    """Load the roots once: that costs more than a request."""
    return tls_context(verify=verify)


@cache
def no_roots() -> ssl.SSLContext:
    """Return a context without root certificates, for plain HTTP to this machine: loading the roots takes time."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _bounded(response: "httpx.Response") -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= BODY_BYTES:
            break
    return bytes(body[:BODY_BYTES])


def _contact(url: str, error: BaseException, proxy: str | None) -> ConnectResult:
    import httpx

    host, port = host_and_port(url)
    how = classify_error(error)
    if isinstance(error, httpx.ReadTimeout):
        how = Reach.MUTE
    elif isinstance(error, httpx.TimeoutException):
        how = Reach.SILENT
    elif isinstance(error, (httpx.RemoteProtocolError, httpx.DecodingError)):
        how = Reach.WRONG_PROTOCOL
    elif isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError)):
        how = Reach.UNKNOWN_NAME
    code, detail = None, str(error) or type(error).__name__
    for cause in exception_chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            code, detail = cause.verify_code, cause.verify_message
        elif isinstance(cause, OSError) and cause.errno is not None and code is None:
            code = cause.errno
    detail = f"by way of the proxy {host}:{port}: {detail}" if proxy else detail
    return ConnectResult(how, host, port, detail=detail, number=code, proxy=proxy is not None)


def host_and_port(url: str) -> tuple[str, int]:
    """Return host and port of a URL; the port defaults to 443 or 80."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url, 0
    return parts.hostname or "", port or (80 if parts.scheme == "http" else 443)


def proxy_for(url: str) -> str | None:
    """Return the proxy by HTTP(S)_PROXY and NO_PROXY; loopback never uses one."""
    from urllib.request import getproxies, proxy_bypass

    host, _ = host_and_port(url)
    proxy = getproxies().get(urlsplit(url).scheme)
    if not proxy or host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
