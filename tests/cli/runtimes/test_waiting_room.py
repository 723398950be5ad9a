"""Connections that wait while nobody listens behind them, with real sockets."""

import asyncio

import pytest

from salambot_cli.host.ports import free_port
from salambot_cli.tunnel.reconnect_proxy import reconnect_proxy


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer all that is said, in capitals, once the caller has said it all."""
    writer.write((await reader.read()).upper())
    writer.write_eof()
    writer.close()


async def call(port: int, words: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(words)
    writer.write_eof()
    said = await reader.read()
    writer.close()
    return said


@pytest.mark.parametrize("words", [b"", b"salam", b"x" * 3_000_000])
async def test_what_is_said_passes_both_ways(words: bytes) -> None:
    port = free_port()
    async with await asyncio.start_server(shout, "127.0.0.1", port), reconnect_proxy(port) as room:
        assert await asyncio.gather(*(call(room, words) for _ in range(5))) == [words.upper()] * 5


async def test_a_call_waits_for_who_is_not_there_yet() -> None:
    port = free_port()
    async with reconnect_proxy(port) as room:
        calls = [asyncio.create_task(call(room, b"salam")) for _ in range(3)]
        await asyncio.sleep(0.3)
        assert not any(one.done() for one in calls)
        async with await asyncio.start_server(shout, "127.0.0.1", port):
            assert await asyncio.gather(*calls) == [b"SALAM"] * 3


async def test_patience_ends() -> None:
    async with reconnect_proxy(free_port(), patience_s=0.2) as room:
        assert await call(room, b"") == b""


async def test_who_is_cut_off_cuts_off_the_other() -> None:
    port, cut = free_port(), asyncio.Event()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        await cut.wait()
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", port), reconnect_proxy(port) as room:
        reader, writer = await asyncio.open_connection("127.0.0.1", room)
        cut.set()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


async def test_what_a_gateway_leaves_unanswered_is_said_to_the_next() -> None:
    port, heard = free_port(), asyncio.Event()

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        heard.set()
        writer.transport.abort()

    async with reconnect_proxy(port) as room:
        async with await asyncio.start_server(die, "127.0.0.1", port):
            calls = [asyncio.create_task(call(room, b"salam " + bytes(200_000))) for _ in range(3)]
            await heard.wait()
        async with await asyncio.start_server(shout, "127.0.0.1", port):
            assert await asyncio.gather(*calls) == [b"SALAM " + bytes(200_000)] * 3


async def test_what_is_too_long_is_not_said_again() -> None:
    port, heard = free_port(), 0

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += 1
        await reader.readexactly(2_000_000)
        writer.transport.abort()

    async with await asyncio.start_server(die, "127.0.0.1", port), reconnect_proxy(port) as room:
        reader, writer = await asyncio.open_connection("127.0.0.1", room)
        writer.write(bytes(2_000_000))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
    assert heard == 1


async def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    port, heard = free_port(), 0

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += 1
        await reader.readexactly(5)
        writer.write(b"HTTP/1.1 2")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(begin, "127.0.0.1", port), reconnect_proxy(port) as room:
        assert await call(room, b"salam") == b"HTTP/1.1 2"
    assert heard == 1
