"""The programs that open a tunnel: where they are found, how they are started, what they say of themselves."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from salambot_cli.model.errors import PrerequisiteError
from salambot_cli.outside.http import request

TunnelKind = Literal["cloudflared", "ngrok"]
_NGROK_API = "http://127.0.0.1:4040/api/tunnels"
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class TunnelState:
    """Whether the edge is connected, and the public URL where the tunnel chose it itself."""

    ready: bool
    url: str | None


def find_program(kind: TunnelKind) -> Path:
    """Return the program: CLOUDFLARED_PATH or NGROK_PATH first, then PATH, then what was downloaded on request.

    Raises:
        PrerequisiteError: there is none.
    """
    variable = f"{kind.upper()}_PATH"
    if named := os.environ.get(variable):
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named).resolve()
        raise PrerequisiteError(f"{variable} names no program", f"{named} cannot be run", f"unset {variable}")
    if found := shutil.which(kind):
        return Path(found).resolve()
    if kind == "cloudflared" and (downloaded := _downloaded()).is_file():
        return downloaded
    fix = "salambot tunnel --download" if kind == "cloudflared" else "https://ngrok.com/download"
    raise PrerequisiteError(f"{kind} is not installed", f"neither on PATH nor named by {variable}", fix)


def download_cloudflared() -> tuple[Path, str]:
    """Fetch cloudflared from its makers; return where it is, and the SHA-256 of it to compare with theirs."""
    from pycloudflared.util import download

    path = Path(download())
    path.chmod(0o755)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def _downloaded() -> Path:
    from pycloudflared.util import get_info

    try:
        return Path(get_info().executable)
    except RuntimeError:  # no binary for this system
        return Path("/nonexistent")


def command_line(kind: TunnelKind, program: Path, origin_port: int, metrics_port: int, *, named: bool) -> list[str]:
    """Return the command that leads the public to a port of this machine; no secret is in it."""
    origin = f"http://127.0.0.1:{origin_port}"
    if kind == "ngrok":
        return [str(program), "http", origin, "--log=stdout", "--log-format=json"]
    words = [str(program), "tunnel", "--no-autoupdate", "--metrics", f"127.0.0.1:{metrics_port}", "--output", "json"]
    return [*words, "run", "--url", origin] if named else [*words, "--url", origin]


async def look(kind: TunnelKind, metrics_port: int) -> TunnelState:
    """Ask the program for its state; not ready while it does not answer."""
    if kind == "ngrok":
        answer = (await request("GET", _NGROK_API, proxies=False, seconds=_SECONDS)).json()
        return _ngrok_state(answer)
    base = f"http://127.0.0.1:{metrics_port}"
    ready = await request("GET", f"{base}/ready", proxies=False, seconds=_SECONDS)
    quick = (await request("GET", f"{base}/quicktunnel", proxies=False, seconds=_SECONDS)).json()
    host = quick.get("hostname") if isinstance(quick, dict) else None
    return TunnelState(ready.status == 200, f"https://{host}" if host and "://" not in str(host) else host or None)


def _ngrok_state(answer: object) -> TunnelState:
    tunnels = cast("Mapping[str, object]", answer).get("tunnels") if isinstance(answer, dict) else None
    found = [one for one in tunnels if isinstance(one, dict)] if isinstance(tunnels, list) else []
    return TunnelState(bool(found), next((str(one["public_url"]) for one in found if one.get("public_url")), None))
