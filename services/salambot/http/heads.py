"""Limits on the head of a request: one length, one host, nothing that two readers could read in two ways."""

from collections.abc import Iterable

import httptools

HEAD_LIMIT = 32 * 1024
"""Maximum size of request line and headers, in bytes."""
MAX_HEADERS = 128

Headers = list[tuple[bytes, bytes]]
_UPGRADE = frozenset({b"upgrade", b"http2-settings"})


class HeadRefusedError(Exception):
    """The head is refused with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def check_head(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """Return the target as a path; an absolute one has to name the same host as `Host`.

    Raises HeadRefusedError.
    """
    if sum(len(name) + len(value) for name, value in headers) + len(target) > HEAD_LIMIT:
        raise HeadRefusedError(431)
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and version == "1.0":  # RFC 9112, 6.1: its length cannot be trusted
        raise HeadRefusedError(400)
    if codings not in ([], [b"chunked"]):
        raise HeadRefusedError(501)
    if sum(name == b"host" for name, _ in headers) > 1 or method == b"CONNECT":
        raise HeadRefusedError(400)
    return target if target.startswith((b"/", b"*")) else _path_of(target, headers)


def _path_of(target: bytes, headers: Headers) -> bytes:
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError as error:
        raise HeadRefusedError(400) from error
    if (url.schema or b"").lower() not in {b"http", b"https"} or not url.host or url.userinfo:
        raise HeadRefusedError(400)
    name = b"[%b]" % url.host if b":" in url.host else url.host
    host = name if url.port is None else b"%b:%d" % (name, url.port)
    named = {value.lower().removesuffix(b":80") for header, value in headers if header == b"host"}
    if named - {host.lower().removesuffix(b":80")}:
        raise HeadRefusedError(400)
    headers[:] = [(b"host", host), *((name, value) for name, value in headers if name != b"host")]
    return (url.path or b"/") + (b"?" + url.query if url.query else b"")


def body_length(headers: Headers) -> int:
    """Return the announced length of a body; 0 where it is sent in chunks. The parser has checked its form."""
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), 0)


def without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """Return a head again that does not ask for another protocol: a server may go on in HTTP/1.1 (RFC 9110, 7.8)."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            lines.append(b"connection: " + b", ".join(_kept(value.split(b","))))
        elif name not in _UPGRADE:
            lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join([*lines, b"", b""])


def _kept(options: Iterable[bytes]) -> list[bytes]:
    return [option.strip() for option in options if option.strip().lower() not in _UPGRADE]
