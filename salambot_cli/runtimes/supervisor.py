"""The process that keeps a stack running: it starts units, restarts what crashes, gives up loudly, stops in order.

It listens on a socket under `.salambot/run/`; each request is a line of JSON, each answer one too.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import random
import shlex
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from salambot_cli.model.unit import Readiness, Unit
from salambot_cli.runtimes.children import Child, LogFile, SharedLog, listen, spawn
from salambot_cli.runtimes.wire import fingerprint, read_message, unit_from_wire, write_message

_GIVE_UP_CRASHES = 5
_GIVE_UP_SECONDS = 60
_LONGEST_DELAY = 8.0
_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.25
_LIVENESS_SECONDS = 5.0
_LIVENESS_MISSES = 4
_IDLE_SECONDS = 60


@dataclass
class Watched:
    """A unit under supervision, with the history that decides whether it is started once more."""

    unit: Unit
    fingerprint: str
    log: LogFile | SharedLog
    child: Child | None = None
    state: str = "starting"
    detail: str = ""
    restarts: int = 0
    result: str = "started"
    """How its process came to be: the same for all who ask for it while it starts."""
    crashes: deque[float] = field(default_factory=lambda: deque(maxlen=_GIVE_UP_CRASHES))
    keeper: asyncio.Task[None] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: dict[int, socket.socket] = field(default_factory=dict)
    """By port; open for as long as the process lives. A restart hands them on: who connects meanwhile waits."""

    def give_listeners(self, successor: Unit) -> dict[int, socket.socket]:
        """Let go of the listening sockets but those of a part that the successor has at another port."""
        named = zip(self.unit.listen, self.unit.names, strict=False)
        going = [port for port, name in named if port in successor.listen or name not in successor.names]
        return {port: self.listeners.pop(port) for port in going if port in self.listeners}

    def listen(self) -> list[socket.socket]:
        """Return the listening sockets, in the order of the unit's ports. Raises OSError when a port is taken."""
        for port in self.unit.listen:
            if port not in self.listeners:
                self.listeners[port] = listen(port)
        return [self.listeners[port] for port in self.unit.listen]

    def close_listeners(self) -> None:
        """Refuse connections from now on."""
        while self.listeners:
            self.listeners.popitem()[1].close()


class Supervisor:
    """Holds the units of one environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._units: dict[str, Watched] = {}
        self._open: dict[int, socket.socket] = {}
        """By port: listening sockets of what lost its process to another unit, until it is started by itself."""
        self._stopping = asyncio.Event()
        self._used = time.monotonic()
        self._guard = asyncio.Lock()

    async def serve(self, socket: Path, ready_fd: int) -> None:
        """Listen until told to shut down, or until nothing has been asked and nothing runs for a minute."""
        server = await asyncio.start_unix_server(self._answer, path=str(socket), limit=4 * 1024 * 1024)
        os.write(ready_fd, b"1")
        os.close(ready_fd)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        liveness = asyncio.create_task(self._watch_liveness())
        try:
            await self._stopping.wait()
        finally:
            liveness.cancel()
            await self._stop(self._names())
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await asyncio.wait_for(read_message(reader), 10)
            if request is not None:
                await write_message(writer, await self._handle(request))
        except (TimeoutError, ConnectionError, ValueError) as error:
            print(f"request dropped: {error}", file=sys.stderr, flush=True)  # noqa: T201 - stderr is supervisor.log
        finally:
            writer.close()

    async def _handle(self, request: dict[str, object]) -> dict[str, object]:
        self._used = time.monotonic()
        match request.get("op"):
            case "ensure":
                return await self._ensure(unit_from_wire(request["unit"]), str(request["fingerprint"]))
            case "amend":
                return await self._amend(str(request["unit"]), request.get("environ"))
            case "status":
                return {
                    "pid": os.getpid(),
                    "units": {name: _facts(w) for w in self._units.values() for name in w.unit.names},
                }
            case "stop":
                names = request.get("units")
                self._close_open()
                await self._stop([str(name) for name in names] if isinstance(names, list) else [])
                return {"result": "stopped"}
            case "shutdown":
                self._close_open()
                await self._stop(self._names())
                self._stopping.set()
                return {"result": "stopped"}
            case unknown:
                return {"error": f"unknown request {unknown!r}"}

    async def _ensure(self, unit: Unit, fingerprint: str) -> dict[str, object]:
        async with self._guard:
            known, result = await self._settle(unit, fingerprint)
        return await self._until_ready(known, result)

    async def _amend(self, name: str, environ: object) -> dict[str, object]:
        """Restart a unit with some variables changed."""
        async with self._guard:
            holding = self._holding([name])
            if not holding or not isinstance(environ, dict):
                return {"error": f"{name} does not run"}
            given = {str(key): str(value) for key, value in environ.items()}
            unit = replace(holding[0].unit, environ={**holding[0].unit.environ, **given})
            known, result = await self._settle(unit, fingerprint(unit))
        return await self._until_ready(known, result)

    async def _settle(self, unit: Unit, fingerprint: str) -> tuple[Watched, str]:
        """See to it that a unit runs as it is wanted, in place of whatever else held its parts."""
        known = self._units.get(unit.name)
        if known and known.fingerprint == fingerprint and known.state in {"ready", "starting"} and not unit.one_shot:
            return known, known.result if known.state == "starting" else "unchanged"
        before = self._holding(unit.names)
        result = "restarted" if before else "started"
        for other in before:
            self._open |= other.give_listeners(unit)
        listeners = {port: self._open.pop(port) for port in unit.listen if port in self._open}
        await self._stop([*unit.names])
        watched = self._watch(unit, fingerprint, listeners)
        watched.result = result
        if listeners:
            await self._until_alive(watched)
        return watched, result

    def _close_open(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def _names(self) -> list[str]:
        return [name for watched in self._units.values() for name in watched.unit.names]

    def _holding(self, names: Iterable[str]) -> list[Watched]:
        """Return the units that are, or hold, any of these."""
        wanted = {*names}
        return [watched for watched in self._units.values() if wanted.intersection(watched.unit.names)]

    def _watch(self, unit: Unit, fingerprint: str, listeners: dict[int, socket.socket]) -> Watched:
        logs = {name: LogFile(self._folder / "logs" / f"{name}.log") for name in unit.names}
        watched = Watched(unit, fingerprint, SharedLog(logs) if unit.parts else logs[unit.name], listeners=listeners)
        self._units[unit.name] = watched
        watched.keeper = asyncio.create_task(self._keep(watched))
        return watched

    async def _until_alive(self, watched: Watched) -> None:
        """Wait until a unit serves again, so that no two restart at once: what is under way finds whom it calls."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(watched.unit.readiness.seconds):
                while not watched.ready.is_set() and not await _is_alive(watched.unit.readiness, 5):  # noqa: ASYNC110 - its state raises no event here
                    await asyncio.sleep(_LONGEST_POLL_SECONDS)

    async def _until_ready(self, watched: Watched, result: str) -> dict[str, object]:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(watched.ready.wait(), watched.unit.readiness.seconds)
        if watched.state in {"ready", "done"}:
            return {"result": result, **_facts(watched)}
        successor = self._units.get(watched.unit.name)
        if successor is not None and successor is not watched:  # somebody else wanted it otherwise meanwhile
            return await self._until_ready(successor, result)
        detail = watched.detail or f"not ready after {watched.unit.readiness.seconds:.0f} s"
        tail = list(watched.log.tail)
        await self._stop([*watched.unit.names])
        return {"error": detail, "log": [line[:300] for line in tail[-8:]]}

    async def _keep(self, watched: Watched) -> None:
        """Run the unit again and again, until it is stopped, done, or has crashed too often."""
        ever_ready = False
        while True:
            status = await self._run_once(watched)
            ever_ready = ever_ready or watched.ready.is_set()
            watched.child = None
            if watched.unit.one_shot and status == 0:
                watched.state = "done"
                watched.ready.set()
                return
            watched.detail = _ended(status)
            watched.crashes.append(time.monotonic())
            often = (
                len(watched.crashes) == _GIVE_UP_CRASHES and watched.crashes[-1] - watched.crashes[0] < _GIVE_UP_SECONDS
            )
            if watched.unit.one_shot or not ever_ready or often:
                watched.state = "failed"
                watched.log.write(f"salambot: {watched.unit.name} {watched.detail}; given up")
                watched.ready.set()
                return
            watched.restarts += 1
            delay = min(_LONGEST_DELAY, 0.25 * 2 ** len(watched.crashes)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            watched.state = "restarting"
            watched.log.write(f"salambot: {watched.unit.name} {watched.detail}; starts again in {delay:.1f} s")
            await asyncio.sleep(delay)

    async def _run_once(self, watched: Watched) -> int:
        watched.state = "starting"
        watched.ready.clear()
        try:
            watched.child = await spawn(watched.unit, watched.log, watched.listen())
        except OSError as error:
            watched.close_listeners()
            watched.log.write(f"salambot: cannot start {watched.unit.name}: {error.strerror}")
            return 127
        probe = asyncio.create_task(_announce(watched))
        try:
            return await watched.child.wait()
        finally:
            probe.cancel()
            watched.close_listeners()

    async def _stop(self, names: list[str]) -> None:
        present = self._holding(names)
        for tier in sorted({watched.unit.tier for watched in present}, reverse=True):
            await asyncio.gather(*(self._stop_one(w) for w in present if w.unit.tier == tier))
        for watched in present:
            if self._units.get(watched.unit.name) is watched:
                del self._units[watched.unit.name]

    async def _stop_one(self, watched: Watched) -> None:
        if watched.keeper is not None:  # first, or it would start again what is stopped here
            watched.keeper.cancel()
            await asyncio.gather(watched.keeper, return_exceptions=True)
        if watched.child is not None:
            await watched.child.stop()
        watched.state = "stopped"
        watched.ready.set()
        watched.log.close()

    async def _watch_liveness(self) -> None:
        """Kill what hangs (its keeper starts it again), and end when nothing is left to hold."""
        misses: dict[int, int] = {}
        while True:
            await asyncio.sleep(_LIVENESS_SECONDS)
            if not self._units and time.monotonic() - self._used > _IDLE_SECONDS:
                self._stopping.set()
            for watched in [*self._units.values()]:
                child = watched.child
                if child is None or watched.state != "ready" or watched.unit.readiness.when != "http":
                    continue
                alive = await _is_alive(watched.unit.readiness, 3)
                misses[child.pid] = 0 if alive else misses.get(child.pid, 0) + 1
                if misses[child.pid] >= _LIVENESS_MISSES:
                    watched.log.write(
                        f"salambot: {watched.unit.name} hangs: no answer to {_LIVENESS_MISSES} health checks; killed"
                    )
                    os.killpg(child.pid, signal.SIGKILL)


def _facts(watched: Watched) -> dict[str, object]:
    child = watched.child
    return {
        "state": watched.state,
        "pid": child.pid if child else None,
        "since": child.since.isoformat() if child else None,
        "restarts": watched.restarts,
        "detail": watched.detail if watched.state != "ready" else "",
        "fingerprint": watched.fingerprint,
        "argv": list(watched.unit.argv),
        "ready": watched.unit.readiness.target,
    }


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}"


async def _announce(watched: Watched) -> None:
    """Mark the unit ready as soon as its readiness holds."""
    readiness = watched.unit.readiness
    if readiness.when == "exit":
        return
    pause = _POLL_SECONDS
    while not await _is_ready(readiness):
        await asyncio.sleep(pause)  # another process's state raises no event here
        pause = min(_LONGEST_POLL_SECONDS, pause * 1.3)
    watched.state = "ready"
    watched.ready.set()


async def _is_ready(readiness: Readiness) -> bool:
    if readiness.when == "http":
        return await _statuses(readiness.target.split(), 5) == {200}
    if readiness.when == "command":
        return await _succeeds(shlex.split(readiness.target))
    host, _, port = readiness.target.rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 1)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _succeeds(argv: list[str]) -> bool:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        return await asyncio.wait_for(process.wait(), 5) == 0
    except (TimeoutError, asyncio.CancelledError) as end:
        process.kill()
        await process.wait()
        if isinstance(end, asyncio.CancelledError):
            raise
        return False


async def _is_alive(readiness: Readiness, seconds: float) -> bool:
    """Tell whether whatever the unit serves answers at all."""
    return None not in await _statuses([url.removesuffix("/ready") for url in readiness.target.split()], seconds)


async def _statuses(urls: Iterable[str], seconds: float) -> set[int | None]:
    return {*await asyncio.gather(*(_http_status(url, seconds) for url in urls))}


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
    except (OSError, TimeoutError):
        return None
    parts = line.split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None


def main() -> None:
    """`python -m salambot_cli.runtimes.supervisor STATE_FOLDER SOCKET READY_FD`."""
    folder, socket, ready_fd = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    os.umask(0o077)
    if os.fork():
        os._exit(0)  # whoever asked for a supervisor does not become its parent
    with (folder / "run" / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(3)  # another supervisor holds this environment; it answers on the socket
        lock.write(json.dumps({"pid": os.getpid()}))
        lock.flush()
        socket.unlink(missing_ok=True)
        try:
            asyncio.run(Supervisor(folder).serve(socket, ready_fd))
        finally:
            socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
