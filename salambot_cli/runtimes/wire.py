"""How the command and the supervisor talk: one JSON object a line, over a socket that only this user can open."""

import asyncio
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import cast

from salambot_cli.model.unit import Readiness, Unit

AMBIENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
"""Variables that every unit takes over from whoever starts it. With others of them it would do the same."""
_SUN_PATH = 100  # bytes that fit a socket address on every system


def socket_path(state: Path) -> Path:
    """Return where the supervisor of this environment listens; long paths move to the temporary folder."""
    path = state / "run" / "control.sock"
    if len(os.fsencode(path)) <= _SUN_PATH:
        return path
    return Path(gettempdir()) / f"salambot-{hashlib.sha256(os.fsencode(state)).hexdigest()[:16]}.sock"


def fingerprint(unit: Unit) -> str:
    """Return a digest of all that decides how a unit runs, but not of the terminal from which it was asked for."""
    environ = {name: value for name, value in unit.environ.items() if name not in AMBIENT}
    decisive = {**asdict(unit), "environ": environ}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def unit_from_wire(value: object) -> Unit:
    """Build a unit from its JSON form (`dataclasses.asdict`)."""
    fields = dict(cast("dict[str, object]", value))
    readiness = Readiness(**cast("dict[str, str]", fields.pop("readiness")))  # type: ignore[arg-type] # asdict's own output
    for name in ("argv", "needs", "listen", "parts"):
        fields[name] = tuple(cast("list[object]", fields[name]))
    return Unit(readiness=readiness, **fields)  # type: ignore[arg-type] # asdict's own output


async def read_message(reader: asyncio.StreamReader) -> dict[str, object] | None:
    """Read one object; None at the end of the stream."""
    line = await reader.readline()
    return cast("dict[str, object]", json.loads(line)) if line else None


async def write_message(writer: asyncio.StreamWriter, message: dict[str, object]) -> None:
    """Write one object."""
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()
