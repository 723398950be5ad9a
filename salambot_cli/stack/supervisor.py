"""The process that keeps a stack running: it starts units, restarts what crashes without end, stops in order.

It listens on a socket under `.salambot/run/`; each request is a line of JSON, each answer one too.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from salambot_cli import __version__
from salambot_cli.model.unit import Unit
from salambot_cli.stack.runtimes.readiness import ExposedStoreError, is_alive, is_ready
from salambot_cli.stack.supervised_process import Child, LogFile, SharedLog, listen, remove_stale_lock, spawn
from salambot_cli.stack.supervisor_protocol import (
    PROTOCOL,
    UNDERSTOOD_BY_ALL,
    fingerprint,
    marks,
    prepare_socket_folder,
    read_message,
    told_variables,
    unit_from_wire,
    write_message,
)

_FAILING_CRASHES = 5
_FAILING_SECONDS = 60.0
"""Crashes within this time that make a unit `failing`; one that lived longer starts to count again."""
_FIRST_DELAY = 0.5
_MAX_DELAY_LENGTH = 60.0
_POLL_SECONDS = 0.02
_MAX_POLL_SECONDS = 0.25
_LIVENESS_SECONDS = 5.0
_LIVENESS_MISSES = 4
_IDLE_SECONDS = 60
_TOLD_SECONDS = 600
"""For how long it is told of what runs that it ended and was started again."""


@dataclass
class SupervisedUnit:
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
    crashes: deque[float] = field(default_factory=lambda: deque(maxlen=_FAILING_CRASHES))
    exposed: str = ""
    """Why a store that ran was ended at once: strangers could have used it."""
    lived: float = 0.0
    """Seconds that its last process ran."""
    in_a_row: int = 0
    """Crashes since it last stayed up for a while."""
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
        self._units: dict[str, SupervisedUnit] = {}
        self._open: dict[int, socket.socket] = {}
        """By port: listening sockets of what lost its process to another unit, until it is started by itself."""
        self._stopping = asyncio.Event()
        self._used = time.monotonic()
        self._guard = asyncio.Lock()
        self._before: list[Unit] = []
        """The units that ran when the present run of a command began: an undo goes back to them."""

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
        asked = request.get("op")
        if asked not in UNDERSTOOD_BY_ALL and request.get("protocol") != PROTOCOL:
            return {"error": f"another release of SalamBot ({__version__}) runs here: salambot down; salambot up"}
        match asked:
            case "ensure":
                return await self._ensure(unit_from_wire(request["unit"]), str(request["fingerprint"]))
            case "amend":
                return await self._amend(str(request["unit"]), request.get("environ"))
            case "restart":
                return await self._restart(_strings(request.get("units")))
            case "begin":
                self._before = [watched.unit for watched in self._units.values() if not watched.unit.one_shot]
                return {"result": "begun"}
            case "restore":
                return await self._restore(_strings(request.get("units")))
            case "status":
                return self._status()
            case "stop":
                self._close_open()
                await self._stop(_strings(request.get("units")))
                return {"result": "stopped"}
            case "shutdown":
                self._close_open()
                await self._stop(self._names())
                self._stopping.set()
                return {"result": "stopped"}
            case unknown:
                return {"error": f"unknown request {unknown!r}"}

    def _status(self) -> dict[str, object]:
        units = {name: _facts(w) for w in self._units.values() for name in w.unit.names}
        return {"protocol": PROTOCOL, "version": __version__, "pid": os.getpid(), "units": units}

    async def _ensure(self, unit: Unit, fingerprint: str) -> dict[str, object]:
        async with self._guard:
            known, result = await self._settle(unit, fingerprint)
        return await self._until_ready(known, result)

    async def _amend(self, name: str, environ: object) -> dict[str, object]:
        """Restart a unit with some variables changed; one that does not come back so goes on as it was."""
        async with self._guard:
            holding = self._holding([name])
            if not holding or not isinstance(environ, dict):
                return {"error": f"{name} does not run"}
            before = holding[0].unit
            given = {str(key): str(value) for key, value in environ.items()}
            unit = replace(before, environ={**before.environ, **given})
            known, result = await self._settle(unit, fingerprint(unit))
        answer = await self._until_ready(known, result)
        if "error" in answer:
            await self._ensure(before, fingerprint(before))
        return answer

    async def _restart(self, names: list[str]) -> dict[str, object]:
        """Start units again as they are, behind their open ports; return the names of what was restarted."""
        found = self._holding(names)
        for watched in sorted(found, key=lambda one: one.unit.tier):
            async with self._guard:
                known, result = await self._settle(watched.unit, "")
                known.fingerprint = fingerprint(known.unit)
            if "error" in (answer := await self._until_ready(known, result)):
                return answer | {"unit": watched.unit.name}
        return {"result": "restarted", "units": [name for watched in found for name in watched.unit.names]}

    async def _restore(self, names: list[str]) -> dict[str, object]:
        """Bring back what ran of these parts when the run began; what did not run then is stopped."""
        before = [unit for unit in self._before if {*names}.intersection(unit.names)]
        for unit in sorted(before, key=lambda one: one.tier):
            async with self._guard:
                known, _ = await self._settle(unit, fingerprint(unit))
            await self._ready_within(known)
        held = {name for unit in before for name in unit.names}
        self._close_open()
        await self._stop([name for name in names if name not in held])
        return {"result": "restored"}

    async def _settle(self, unit: Unit, fingerprint: str) -> tuple[SupervisedUnit, str]:
        """See to it that a unit runs as it is wanted, in place of whatever else held its parts."""
        known = self._units.get(unit.name)
        runs = {"ready", "starting", "restarting"}
        if known and known.fingerprint == fingerprint and known.state in runs and not unit.one_shot:
            return known, known.result if known.state == "starting" and not known.restarts else "unchanged"
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

    def _holding(self, names: Iterable[str]) -> list[SupervisedUnit]:
        """Return the units that are, or hold, any of these."""
        wanted = {*names}
        return [watched for watched in self._units.values() if wanted.intersection(watched.unit.names)]

    def _watch(self, unit: Unit, fingerprint: str, listeners: dict[int, socket.socket]) -> SupervisedUnit:
        logs = {name: LogFile(self._folder / "logs" / f"{name}.log") for name in unit.names}
        watched = SupervisedUnit(
            unit, fingerprint, SharedLog(logs) if unit.parts else logs[unit.name], listeners=listeners
        )
        self._units[unit.name] = watched
        watched.keeper = asyncio.create_task(self._keep(watched))
        return watched

    async def _until_alive(self, watched: SupervisedUnit) -> None:
        """Wait until a unit serves again, so that no two restart at once: what is under way finds whom it calls."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(watched.unit.readiness.seconds):
                while not watched.ready.is_set() and not await is_alive(watched.unit.readiness, 5):  # noqa: ASYNC110 - its state raises no event here
                    await asyncio.sleep(_MAX_POLL_SECONDS)

    async def _ready_within(self, watched: SupervisedUnit) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(watched.ready.wait(), watched.unit.readiness.seconds)

    async def _until_ready(self, watched: SupervisedUnit, result: str) -> dict[str, object]:
        await self._ready_within(watched)
        if watched.state in {"ready", "done"}:
            return {"result": result, **_facts(watched)}
        successor = self._units.get(watched.unit.name)
        if successor is not None and successor is not watched:  # somebody else wanted it otherwise meanwhile
            return await self._until_ready(successor, result)
        detail = watched.detail or f"not ready after {watched.unit.readiness.seconds:.0f} s"
        tail = list(watched.log.tail)
        if watched.restarts == 0:  # who asked for it knows what becomes of it now; what ran before is kept trying
            await self._stop([*watched.unit.names])
        return {"error": detail, "log": [line[:300] for line in tail[-8:]]}

    async def _keep(self, watched: SupervisedUnit) -> None:
        """Run the unit again and again, until it is stopped or done. One that was ready once is never given up."""
        ever_ready = False
        while True:
            status = await self._run_once(watched)
            ever_ready = ever_ready or watched.ready.is_set()
            watched.child = None
            if watched.unit.one_shot and status == 0:
                watched.state = "done"
                watched.ready.set()
                return
            watched.detail = watched.exposed or _ended(status)
            if watched.unit.one_shot or not ever_ready:
                watched.state = "failed"
                watched.log.write(f"salambot: {watched.unit.name} {watched.detail}; given up")
                watched.ready.set()
                return
            await self._wait_to_restart(watched)

    async def _wait_to_restart(self, watched: SupervisedUnit) -> None:
        """Wait before the next try: half a second at first, a minute at most."""
        now = time.monotonic()
        watched.crashes.append(now)
        watched.in_a_row = 1 if watched.lived > _FAILING_SECONDS else watched.in_a_row + 1
        watched.restarts += 1
        often = len(watched.crashes) == _FAILING_CRASHES and now - watched.crashes[0] < _FAILING_SECONDS
        failing = often or watched.in_a_row >= _FAILING_CRASHES
        delay = min(_MAX_DELAY_LENGTH, _FIRST_DELAY * 2 ** (watched.in_a_row - 1)) * random.uniform(0.8, 1.0)  # noqa: S311 - jitter
        watched.state = "failing" if failing else "restarting"
        watched.ready.clear()
        if failing:
            watched.detail = f"crashed {watched.in_a_row} times in a row, the last time it {watched.detail}"
        watched.log.write(f"salambot: {watched.unit.name} {watched.detail}; starts again in {delay:.1f} s")
        await asyncio.sleep(delay)

    async def _run_once(self, watched: SupervisedUnit) -> int:
        watched.state = "failing" if watched.state == "failing" else "starting"
        watched.ready.clear()
        began = time.monotonic()
        try:
            remove_stale_lock(watched.unit, watched.log)
            watched.child = await spawn(watched.unit, watched.log, watched.listen())
        except OSError as error:
            watched.close_listeners()
            watched.log.write(f"salambot: cannot start {watched.unit.name}: {error.strerror}")
            return 127
        probe = asyncio.create_task(_announce(watched))
        try:
            return await watched.child.wait()
        finally:
            watched.lived = time.monotonic() - began
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
            watched.close_listeners()

    async def _stop(self, names: list[str]) -> None:
        present = self._holding(names)
        for tier in sorted({watched.unit.tier for watched in present}, reverse=True):
            await asyncio.gather(*(self._stop_one(w) for w in present if w.unit.tier == tier))
        for watched in present:
            if self._units.get(watched.unit.name) is watched:
                del self._units[watched.unit.name]

    async def _stop_one(self, watched: SupervisedUnit) -> None:
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
                alive = await is_alive(watched.unit.readiness, 3)
                misses[child.pid] = 0 if alive else misses.get(child.pid, 0) + 1
                if misses[child.pid] >= _LIVENESS_MISSES:
                    watched.log.write(
                        f"salambot: {watched.unit.name} hangs: no answer to {_LIVENESS_MISSES} health checks; killed"
                    )
                    child.kill()


def _facts(watched: SupervisedUnit) -> dict[str, object]:
    child = watched.child
    return {
        "state": watched.state,
        "pid": child.pid if child else None,
        "since": child.since.isoformat() if child else None,
        "restarts": watched.restarts,
        "detail": _told(watched),
        "fingerprint": watched.fingerprint,
        "argv": list(watched.unit.argv),
        "ready": watched.unit.readiness.target,
        "listen": list(watched.unit.listen),
        "names": list(watched.unit.names),
        "marks": marks(watched.unit),
        "told": told_variables(watched.unit),
    }


def _strings(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _told(watched: SupervisedUnit) -> str:
    if watched.state != "ready":
        return watched.detail
    is_recent = bool(watched.crashes) and time.monotonic() - watched.crashes[-1] < _TOLD_SECONDS
    return f"was started again: it {watched.detail}" if is_recent else ""


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}"


async def _announce(watched: SupervisedUnit) -> None:
    """Mark the unit ready as soon as its readiness holds; end a store at once that lets strangers in."""
    readiness = watched.unit.readiness
    if readiness.when == "exit":
        return
    pause = _POLL_SECONDS
    try:
        while not await is_ready(readiness, watched.unit.environ):
            await asyncio.sleep(pause)  # another process's state raises no event here
            pause = min(_MAX_POLL_SECONDS, pause * 1.3)
    except ExposedStoreError as error:
        watched.exposed = f"was ended at once: {error}"
        if watched.child is not None:
            watched.child.kill()
        return
    watched.state, watched.exposed = "ready", ""
    watched.ready.set()


def main() -> None:
    """`python -m salambot_cli.stack.supervisor STATE_FOLDER SOCKET READY_FD`."""
    folder, socket, ready_fd = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    os.umask(0o077)
    prepare_socket_folder(socket)
    if os.fork():
        os._exit(0)  # whoever asked for a supervisor does not become its parent
    with (folder / "run" / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(3)  # another supervisor holds this environment; it answers on the socket
        lock.write(json.dumps({"pid": os.getpid(), "socket": str(socket), "protocol": PROTOCOL}))
        lock.flush()
        socket.unlink(missing_ok=True)
        try:
            asyncio.run(Supervisor(folder).serve(socket, ready_fd))
        finally:
            socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
