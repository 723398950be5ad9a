"""How a unit shows that it is ready. Stores are asked themselves: one that lets strangers in is never announced."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping

from salambot_cli.host.ports import LOOPBACK
from salambot_cli.model.unit import Readiness

REDIS_PASSWORD = "REDIS_PASSWORD"  # noqa: S105 - the name of a variable
_SECONDS = 5.0
_REPLY_BYTES = 64 * 1024
_POSTGRES_PROTOCOL = 196608
"""Version 3.0 of PostgreSQL's frontend/backend protocol."""
_AUTHENTICATION_OK = 0
_LOOPBACKS = frozenset({LOOPBACK, "::1", "-::1", "localhost"})


class ExposedStoreError(Exception):
    """A store runs without its password or at an address that it was not given."""


async def is_ready(readiness: Readiness, environ: Mapping[str, str]) -> bool:
    """Return True once the readiness holds.

    Raises:
        ExposedStoreError: the store has to be ended at once.
    """
    match readiness.when:
        case "http":
            return await statuses(readiness.target.split(), _SECONDS) == {200}
        case "redis":
            return await _quietly(_redis_is_ready(_port(readiness), environ.get(REDIS_PASSWORD, "")))
        case "postgres":
            return await _quietly(_postgres_is_ready(_port(readiness)))
        case "tcp":
            return await _quietly(_accepts(readiness.target))
        case "exit":
            return False


async def is_alive(readiness: Readiness, seconds: float) -> bool:
    """Return True if everything that the unit serves answers at all."""
    return None not in await statuses([url.removesuffix("/ready") for url in readiness.target.split()], seconds)


async def statuses(urls: Iterable[str], seconds: float) -> set[int | None]:
    """Return the HTTP statuses of some URLs; None for one that does not answer."""
    return {*await asyncio.gather(*(_http_status(url, seconds) for url in urls))}


def _port(readiness: Readiness) -> int:
    return int(readiness.target.rpartition(":")[2])


async def _quietly(question: Coroutine[object, object, bool]) -> bool:
    """Ask within a time limit; a store that does not answer yet is not ready."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await question
    except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError):
        return False


async def _accepts(target: str) -> bool:
    host, _, port = target.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    return True


async def _redis_is_ready(port: int, password: str) -> bool:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=_REPLY_BYTES)
    try:
        greeting = (await _ask_redis(reader, writer, "PING"))[0]
        if greeting.startswith("+"):
            raise ExposedStoreError("it answers without a password")
        if not greeting.startswith("-NOAUTH"):
            return False
        if await _ask_redis(reader, writer, "AUTH", password) != ["+OK"]:
            raise ExposedStoreError("it does not take the password that it was given")
        addresses = (await _ask_redis(reader, writer, "CONFIG", "GET", "bind"))[-1].split()
        if not addresses or not _LOOPBACKS.issuperset(addresses):
            raise ExposedStoreError(f"it listens on {' '.join(addresses) or 'every address'}")
        return await _ask_redis(reader, writer, "PING") == ["+PONG"]  # -LOADING: it reads its data
    finally:
        writer.close()


async def _ask_redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *words: str) -> list[str]:
    """Send a command (RESP2) and return the lines of its reply: a simple one, or the elements of an array."""
    encoded = [word.encode() for word in words]
    writer.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded))
    first = await _line(reader)
    if not first.startswith("*"):
        return [first]
    return [(await reader.readexactly(int((await _line(reader))[1:]) + 2)).decode()[:-2] for _ in range(int(first[1:]))]


async def _line(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n")).decode(errors="replace")[:-2]


async def _postgres_is_ready(port: int) -> bool:
    """Begin to log in without a password: ready is who asks for one."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        words = b"user\0postgres\0database\0postgres\0\0"
        writer.write((len(words) + 8).to_bytes(4) + _POSTGRES_PROTOCOL.to_bytes(4) + words)
        kind = await reader.readexactly(1)
        body = await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
    finally:
        writer.close()
    if kind == b"R" and int.from_bytes(body[:4]) == _AUTHENTICATION_OK:
        raise ExposedStoreError("it lets its superuser in without a password")
    return kind == b"R"  # an error: it starts, recovers or stops


async def _http_status(url: str, seconds: float) -> int | None:
    """GET by hand: an HTTP client library would double the supervisor's memory for one line of a response."""
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(f"GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return None
    parts = line.split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None
