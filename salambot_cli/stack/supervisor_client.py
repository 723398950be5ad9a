"""The command's side of the supervisor: start it, ask it, end it."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from salambot_cli.host.files import append_privately, private_folder
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.unit import Unit
from salambot_cli.stack.supervisor_protocol import (
    AMBIENT,
    PROTOCOL,
    fingerprint,
    new_socket_path,
    read_message,
    socket_path,
    unit_to_wire,
    write_message,
)

_START_SECONDS = 15
_STATUS_SECONDS = 5
_STOP_SECONDS = 40
_AMEND_SECONDS = 100
_launching = asyncio.Lock()
"""One run starts several things at once; the first of them starts the supervisor."""


class UnitFailedError(SalamBotError):
    """A unit did not become ready; carries its last log lines."""

    def __init__(self, unit: str, detail: str, log: tuple[str, ...]) -> None:
        lines = "\n".join((detail, *log))
        super().__init__(f"{unit} did not start", lines, f"salambot logs {unit.replace('+', ' ')}")
        self.unit = unit
        self.log = log


class SupervisorClient:
    """Talks to the supervisor of one environment."""

    def __init__(self, state: Path) -> None:
        self._state = state

    async def status(self) -> Mapping[str, object] | None:
        """Return its pid and units, or None when no supervisor answers."""
        try:
            return await self._ask({"op": "status"}, _STATUS_SECONDS)
        except (OSError, TimeoutError):
            return None

    async def launch(self) -> bool:
        """Start a supervisor that outlives this process; False when one is running already."""
        async with _launching:
            return await self.status() is None and await self._launch()

    async def _launch(self) -> bool:
        private_folder(self._state / "run")
        private_folder(self._state / "logs")
        readable, writable = os.pipe()
        try:
            await asyncio.to_thread(self._detach, writable)
            os.close(writable)
            if await _first_byte(readable, _START_SECONDS) != b"1":
                log = self._state / "logs" / "supervisor.log"
                raise SalamBotError("the supervisor did not start", _last_line(log), f"cat {shlex.quote(str(log))}")
        finally:
            os.close(readable)
        return True

    def _detach(self, ready_fd: int) -> None:
        """Start the supervisor; it forks once more, so that it is nobody's child and this ends at once."""
        module = "salambot_cli.stack.supervisor"
        with os.fdopen(append_privately(self._state / "logs" / "supervisor.log"), "ab") as log:
            subprocess.run(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    module,
                    str(self._state),
                    str(new_socket_path(self._state)),
                    str(ready_fd),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(ready_fd,),
                start_new_session=True,
                env=python_environment(),
                cwd=self._state,
                timeout=_START_SECONDS,
                check=False,
            )

    async def ensure(self, unit: Unit) -> str:
        """Start a unit, or restart it when it changed; return `started`, `restarted` or `unchanged`.

        Raises:
            UnitFailedError: with its last log lines.
        """
        request: dict[str, object] = {"op": "ensure", "unit": unit_to_wire(unit), "fingerprint": fingerprint(unit)}
        try:
            answer = await self._ask(request, unit.readiness.seconds + _STOP_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            raise UnitFailedError(unit.name, f"the supervisor is gone: {error}", ()) from error
        if "error" in answer:
            raise UnitFailedError(unit.name, str(answer["error"]), tuple(cast("list[str]", answer.get("log", []))))
        return str(answer["result"])

    async def amend(self, unit: str, environ: Mapping[str, str]) -> bool:
        """Restart a unit with some variables changed; False where it does not run or did not come back."""
        try:
            answer = await self._ask({"op": "amend", "unit": unit, "environ": dict(environ)}, _AMEND_SECONDS)
        except (OSError, TimeoutError):
            return False
        return "error" not in answer

    async def restart(self, *units: str) -> list[str]:
        """Restart units as they are; return the names of all parts that were restarted with them.

        Raises:
            UnitFailedError: one did not come back.
        """
        try:
            answer = await self._ask({"op": "restart", "units": list(units)}, _AMEND_SECONDS * len(units))
        except (OSError, TimeoutError, ValueError) as error:
            raise UnitFailedError(units[0], f"the supervisor is gone: {error}", ()) from error
        if "error" in answer:
            log = tuple(cast("list[str]", answer.get("log", [])))
            raise UnitFailedError(str(answer.get("unit", units[0])), str(answer["error"]), log)
        return cast("list[str]", answer["units"])

    async def begin(self) -> None:
        """Have the supervisor remember what runs, so that `restore` can go back to it."""
        with contextlib.suppress(OSError, TimeoutError):
            await self._ask({"op": "begin"}, _STATUS_SECONDS)

    async def restore(self, *parts: str) -> None:
        """Bring back what these parts were at `begin`; what did not run then is stopped. Raises SalamBotError."""
        try:
            answer = await self._ask({"op": "restore", "units": list(parts)}, _AMEND_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            raise SalamBotError("the supervisor is gone", str(error), "salambot status") from error
        if "error" in answer:
            raise SalamBotError("the supervisor did not go back", str(answer["error"]), "salambot status")

    async def stop(self, *units: str) -> None:
        """Stop the named units."""
        with contextlib.suppress(OSError):
            await self._ask({"op": "stop", "units": list(units)}, _STOP_SECONDS)

    async def shutdown_if_empty(self) -> None:
        """Stop the supervisor where it holds nothing any more, in place of waiting until it ends by itself."""
        status = await self.status()
        if status is not None and not status["units"]:
            await self.shutdown()

    async def shutdown(self) -> bool:
        """Stop everything and the supervisor itself; False when none was running."""
        status = await self.status()
        if status is None:
            return False
        pid = int(cast("int", status["pid"]))
        try:
            await self._ask({"op": "shutdown"}, _STOP_SECONDS)
        except (OSError, TimeoutError):
            kill_supervisor(self._state)
        await _gone(pid, 10)
        return True

    async def _ask(self, message: dict[str, object], seconds: float) -> dict[str, object]:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(str(socket_path(self._state)), limit=4 * 1024 * 1024)
            try:
                await write_message(writer, {**message, "protocol": PROTOCOL})
                answer = await read_message(reader)
            finally:
                writer.close()
        if answer is None:
            raise ConnectionResetError("the supervisor closed the connection")
        return answer


def kill_supervisor(state: Path) -> None:
    """Kill without waiting; the kernel ends the children with their supervisor, and its socket is removed for it."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        noted = json.loads((state / "run" / "supervisor.lock").read_text())
        os.kill(int(noted["pid"]), signal.SIGKILL)
        Path(noted["socket"]).unlink(missing_ok=True)


def python_environment() -> dict[str, str]:
    """Return what Python itself needs; every unit brings its own environment."""
    return {name: os.environ[name] for name in (*AMBIENT, "PYTHONPATH") if name in os.environ}


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"


async def _first_byte(descriptor: int, seconds: float) -> bytes:
    """Read one byte from a pipe, or nothing when the other end closes or time is up."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(descriptor, arrived.set)
    try:
        await asyncio.wait_for(arrived.wait(), seconds)
        return os.read(descriptor, 1)
    except TimeoutError:
        return b""
    finally:
        loop.remove_reader(descriptor)


async def _gone(pid: int, seconds: float) -> None:
    import psutil

    try:
        process = psutil.Process(pid)
        await asyncio.to_thread(process.wait, seconds)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return
