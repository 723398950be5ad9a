"""How the command and the supervisor talk: one JSON object a line, over a socket that only this user can open."""

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import cast

from salambot_cli.host.files import private_folder
from salambot_cli.model.unit import Readiness, Unit

PROTOCOL = 2
"""The version of the requests and of the shape of a unit. Another one of them is another version: a test holds it."""
UNDERSTOOD_BY_ALL = frozenset({"status", "stop", "shutdown"})
"""Requests that every version answers, so that any release can look at a stack, and end it."""
AMBIENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
"""Variables that every unit takes over from whoever starts it. With others of them it would do the same."""
_TOLD = ("CONSOLE_PLACEMENTS", "INGRESS_PORT")
_SUN_PATH = 100  # bytes that fit a socket address on every system


def socket_path(state: Path) -> Path:
    """Return where the supervisor of this environment listens: where it says so, else where the next one would."""
    try:
        noted = json.loads((state / "run" / "supervisor.lock").read_text()).get("socket")
    except (OSError, ValueError, AttributeError):
        noted = None
    return Path(noted) if isinstance(noted, str) else _earlier_socket(state) or new_socket_path(state)


def new_socket_path(state: Path) -> Path:
    """Return where a supervisor of this environment would listen; a long path moves to a private temporary folder."""
    path = state / "run" / "control.sock"
    if len(os.fsencode(path)) <= _SUN_PATH:
        return path
    folder = Path(gettempdir()) / f"salambot-{os.geteuid()}-run"
    return folder / f"{_digest(os.fsencode(state))}.sock"


def _earlier_socket(state: Path) -> Path | None:
    """Return where releases before protocol 2 listened for a long path, if that is there and ours."""
    path = Path(gettempdir()) / f"salambot-{_digest(os.fsencode(state))}.sock"
    try:
        return path if path.lstat().st_uid == os.geteuid() else None
    except OSError:
        return None


def prepare_socket_folder(path: Path) -> None:
    """Make sure that nobody else can put a socket where we look for ours. Raises PrerequisiteError."""
    private_folder(path.parent)


def marks(unit: Unit) -> dict[str, str]:
    """Return a digest of each thing that decides how a unit runs, but not of the terminal it was asked for from."""
    rest = asdict(unit)
    environ = cast("dict[str, str]", rest.pop("environ"))
    ports = {str(port) for port in unit.listen}
    items: dict[str, object] = {
        "program": [[word for word in rest.pop("argv") if word not in ports], rest.pop("build"), rest.pop("cwd")],
        "port": [rest.pop("listen"), rest["readiness"].pop("target")],
        "supervision": rest,
    }
    items |= {f"variable {name}": value for name, value in environ.items() if name not in AMBIENT}
    return {name: _digest(json.dumps(item, sort_keys=True).encode()) for name, item in items.items()}


def fingerprint(unit: Unit) -> str:
    """Return one digest of all marks of a unit."""
    return _digest(json.dumps(marks(unit), sort_keys=True).encode())


def told_variables(unit: Unit) -> dict[str, str]:
    """Return the variables of a unit that `status` shows; none of them is a secret."""
    return {name: unit.environ[name] for name in _TOLD if name in unit.environ}


def unit_to_wire(unit: Unit) -> dict[str, object]:
    """Return the JSON form of a unit."""
    return asdict(unit)


def unit_from_wire(value: object) -> Unit:
    """Build a unit from its JSON form."""
    fields = dict(cast("dict[str, object]", value))
    readiness = Readiness(**cast("dict[str, str]", fields.pop("readiness")))  # type: ignore[arg-type] # asdict's own output
    for name in ("argv", "needs", "listen", "parts"):
        fields[name] = tuple(cast("list[object]", fields[name]))
    return Unit(readiness=readiness, **fields)  # type: ignore[arg-type] # asdict's own output


async def read_message(reader: asyncio.StreamReader) -> dict[str, object] | None:
    """Read one object; None at the end of the stream."""
    line = await reader.readline()
    return cast("dict[str, object]", json.loads(line)) if line else None


async def write_message(writer: asyncio.StreamWriter, message: Mapping[str, object]) -> None:
    """Write one object."""
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
