"""An SSM port forward that carries bytes, comes back when its session ends, and shows its token to nobody."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from aiohttp.test_utils import TestServer

from tests.fakes.session_manager_plugin import install
from tests.fakes.ssm_server import SsmServer
from tests.servers import free_port


@dataclass
class Jump:
    """A forward that runs, and what stands behind it."""

    ssm: SsmServer
    process: asyncio.subprocess.Process
    port: int

    def plugin(self) -> psutil.Process:
        (plugin,) = psutil.Process(self.process.pid).children()
        return plugin

    async def end_session(self) -> None:
        plugin = self.plugin()
        plugin.kill()
        await asyncio.to_thread(plugin.wait, 10)


async def say(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    try:
        return await asyncio.wait_for(reader.readexactly(len(text)), 60)
    finally:
        writer.transport.abort()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(1024):
            writer.write(chunk.upper())
    writer.transport.abort()


@pytest.fixture
async def jump(tmp_path: Path) -> AsyncIterator[Jump]:
    database = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = database.sockets[0].getsockname()
    install(tmp_path, {"db.internal:5432": f"{address[0]}:{address[1]}"})
    ssm, port = SsmServer(), free_port()
    async with TestServer(ssm.app(), host="127.0.0.1") as server:
        environ = os.environ | {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL_SSM": f"http://127.0.0.1:{server.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        words = [
            "--listen",
            f"127.0.0.1:{port}",
            "--to",
            "db.internal:5432",
            "--through",
            "i-1",
            "--region",
            "eu-west-1",
        ]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "salambot_cli.aws.ssm_port_forward", *words, "--region", "eu-west-1"),
            env=environ,
            stderr=asyncio.subprocess.PIPE,
        )
        await until_listening(port, process)
        yield Jump(ssm, process, port)
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        assert len(ssm.ended) == len(ssm.started)
    database.close()
    await asyncio.sleep(0)  # the loop lets go of what was aborted


async def until_listening(port: int, process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.transport.abort()
            return


async def test_it_carries_bytes(jump: Jump) -> None:
    assert await say(jump.port, b"salam") == b"SALAM"
    (started,) = jump.ssm.started
    assert started["Target"] == "i-1"
    assert started["DocumentName"] == "AWS-StartPortForwardingSessionToRemoteHost"


async def test_it_opens_another_session_when_one_ends(jump: Jump) -> None:
    assert await say(jump.port, b"before") == b"BEFORE"
    await jump.end_session()
    assert await say(jump.port, b"after") == b"AFTER"
    assert len(jump.ssm.started) == 2


async def test_a_refused_session_is_tried_again(jump: Jump) -> None:
    assert await say(jump.port, b"before") == b"BEFORE"
    jump.ssm.refuse = "TargetNotConnected"
    await jump.end_session()
    assert jump.process.stderr is not None
    while b"TargetNotConnected" not in await asyncio.wait_for(jump.process.stderr.readline(), 60):
        pass
    jump.ssm.refuse = None
    assert await say(jump.port, b"after") == b"AFTER"


async def test_the_token_is_in_no_command_line(jump: Jump) -> None:
    assert await say(jump.port, b"x") == b"X"
    for process in (jump.plugin(), psutil.Process(jump.process.pid)):
        assert "Token" not in " ".join(process.cmdline())
