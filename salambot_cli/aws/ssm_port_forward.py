"""Reach a host inside a VPC: an SSM port forward through an instance, kept open, and offered where containers find it.

Run by the supervisor as `python -m salambot_cli.aws.ssm_port_forward --listen … --to … --through …`. The session
manager plugin listens on loopback only and ends when its session does; this process listens for it and starts another.
Credentials come from the environment; the session's token goes to the plugin in its environment, never as an argument.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypedDict, cast

from salambot_cli.host.ports import LOOPBACK, free_port

PLUGIN = "session-manager-plugin"
DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
_RESPONSE_VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
_OPEN_SECONDS = 20.0
_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.05
_BACKOFF_SECONDS = (0.2, 1.0, 3.0, 10.0, 30.0)
_CHUNK_BYTES = 65536
_MAX_CONNECTIONS = 200


class _Session(TypedDict):
    SessionId: str
    StreamUrl: str
    TokenValue: str


class Ssm(Protocol):
    """The two calls of Systems Manager that a forward needs."""

    def start_session(self, *, Target: str, DocumentName: str, Parameters: dict[str, list[str]]) -> _Session:  # noqa: N803
        """Open a session through an instance."""

    def terminate_session(self, *, SessionId: str) -> object:  # noqa: N803 - AWS's names
        """End a session."""


@dataclass
class PortForward:
    """One remote host and port, reached through one instance."""

    instance: str
    host: str
    port: int
    region: str
    profile: str = ""
    endpoint: str = ""
    """The Systems Manager endpoint for the plugin."""
    _local_port: int = 0
    _is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_CONNECTIONS))

    def parameters(self, local_port: int) -> dict[str, list[str]]:
        """Return what the document of a session is asked."""
        return {"host": [self.host], "portNumber": [str(self.port)], "localPortNumber": [str(local_port)]}

    async def keep_open(self, ssm: Ssm) -> None:
        """Open a session, and another whenever one ends; wait longer after each that did not open."""
        failures = 0
        while True:
            try:
                async with self._session(ssm) as plugin:
                    failures = 0
                    await plugin.wait()
                    _say("the session ended; opening another")
            except (OSError, TimeoutError, ForwardError) as error:
                _say(f"no session: {error}")
                await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
                failures += 1

    @asynccontextmanager
    async def _session(self, ssm: Ssm) -> AsyncIterator[asyncio.subprocess.Process]:
        self._local_port = free_port()
        values = self.parameters(self._local_port)
        parameters = {"Target": self.instance, "DocumentName": DOCUMENT, "Parameters": values}
        session = await asyncio.to_thread(_start_session, ssm, self.instance, values)
        plugin = await asyncio.create_subprocess_exec(
            *(PLUGIN, _RESPONSE_VARIABLE, self.region, "StartSession", self.profile, json.dumps(parameters)),
            self.endpoint,
            env=os.environ | {_RESPONSE_VARIABLE: json.dumps(session)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            await asyncio.wait_for(self._opened(plugin), _OPEN_SECONDS)
            self._is_open.set()
            yield plugin
        finally:
            self._is_open.clear()
            if plugin.returncode is None:
                plugin.terminate()
                await plugin.wait()
            await asyncio.to_thread(_end_session, ssm, session["SessionId"])

    async def _opened(self, plugin: asyncio.subprocess.Process) -> None:
        """Wait until the plugin accepts on its loopback port."""
        while True:
            if plugin.returncode is not None:
                raise ForwardError(f"{PLUGIN} ended with status {plugin.returncode}")
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, self._local_port)
            except OSError:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                writer.close()
                return

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on; one that comes between two sessions waits for the next."""
        try:
            async with self._connections:
                far_reader, far_writer = await asyncio.wait_for(self._connect(), _WAIT_SECONDS)
                try:
                    await _both_ways((reader, far_writer), (far_reader, writer))
                finally:
                    far_writer.transport.abort()
        except (OSError, TimeoutError) as error:
            _say(f"a connection was not passed on: {error or 'no session'}")
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            await self._is_open.wait()
            try:
                return await asyncio.open_connection(LOOPBACK, self._local_port)
            except OSError:  # the plugin has just ended, and nobody has noticed yet
                await asyncio.sleep(_POLL_SECONDS)


class ForwardError(Exception):
    """A session could not be opened; the message names AWS's reason."""


def _start_session(ssm: Ssm, instance: str, parameters: dict[str, list[str]]) -> _Session:
    from salambot_cli.aws.clients import AwsError, translate_errors

    try:
        with translate_errors():
            answer = ssm.start_session(Target=instance, DocumentName=DOCUMENT, Parameters=parameters)
    except AwsError as failure:
        raise ForwardError(str(failure)) from failure
    return {
        "SessionId": answer["SessionId"],
        "StreamUrl": answer["StreamUrl"],
        "TokenValue": answer["TokenValue"],
    }


def _end_session(ssm: Ssm, session_id: str) -> None:
    from salambot_cli.aws.clients import AwsError, translate_errors

    with contextlib.suppress(AwsError), translate_errors():  # one that expired has ended by itself
        ssm.terminate_session(SessionId=session_id)


async def _both_ways(*pairs: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Copy until either side ends."""
    tasks = [asyncio.create_task(_copy(reader, writer)) for reader, writer in pairs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


async def run(forward: PortForward, listen: tuple[str, int]) -> None:
    """Listen and forward until SIGTERM."""
    from boto3 import Session
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 2, "mode": "standard"})
    session = Session(profile_name=forward.profile or None, region_name=forward.region)
    client = session.client("ssm", config=config)
    forward.endpoint = client.meta.endpoint_url
    ssm = cast("Ssm", client)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(forward.serve, *listen)
    keeper = asyncio.create_task(forward.keep_open(ssm))
    try:
        await stop.wait()
    finally:
        server.close()
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    """Parse the command line and forward."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=_address, required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--to", type=_address, required=True, metavar="HOST:PORT", help="as the instance sees it")
    parser.add_argument("--through", required=True, metavar="INSTANCE")
    parser.add_argument("--region", required=True)
    parser.add_argument("--profile", default="")
    given = parser.parse_args()
    host, port = given.to
    forward = PortForward(given.through, host, port, given.region, given.profile)
    asyncio.run(run(forward, given.listen))


if __name__ == "__main__":
    main()
