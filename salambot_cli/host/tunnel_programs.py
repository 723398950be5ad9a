"""The programs that open a tunnel: where they are found, how they are started, what they say of themselves."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from salambot_cli.host.probe_http import request
from salambot_cli.model.errors import PrerequisiteError, SalamBotError

TunnelKind = Literal["cloudflared", "ngrok"]
_NAMED = "CLOUDFLARED_PATH"
_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
OWN_CONFIG = "no-autoupdate: true\n"


@dataclass(frozen=True, slots=True)
class TunnelState:
    """True if the edge is connected, and the public URL where the tunnel chose it itself."""

    ready: bool
    url: str | None


def require_ngrok() -> None:
    """Make sure that ngrok's SDK is installed: the tunnel is a part of our own process.

    Raises:
        PrerequisiteError: it is not.
    """
    if find_spec("ngrok") is None:
        raise PrerequisiteError("ngrok is not installed", "its SDK is an extra", "uv pip install -e '.[ngrok]'")


def find_cloudflared() -> Path:
    """Return the program: CLOUDFLARED_PATH first, then PATH, then what was downloaded on request.

    Raises:
        PrerequisiteError: there is none.
    """
    if named := os.environ.get(_NAMED):
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named).resolve()
        raise PrerequisiteError(f"{_NAMED} names no program", f"{named} cannot be run", f"unset {_NAMED}")
    if found := shutil.which("cloudflared"):
        return Path(found).resolve()
    if (downloaded := _downloaded()).is_file():
        return downloaded
    why = f"neither on PATH nor named by {_NAMED}"
    raise PrerequisiteError("cloudflared is not installed", why, "salambot tunnel --download")


def download_cloudflared() -> tuple[Path, str]:
    """Fetch cloudflared from its makers; return where it is, and the SHA-256 of it to compare with theirs.

    Raises:
        SalamBotError: they cannot be reached, have none for this system, or it cannot be written.
    """
    import httpx

    try:
        path = _fetch()
    except (OSError, httpx.HTTPError, RuntimeError) as error:
        fix = f"install it by your system's packages, or name it by {_NAMED}"
        raise SalamBotError("cloudflared cannot be downloaded", str(error), fix) from error
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def _fetch() -> Path:
    """Fetch it whole before it gets its name: pycloudflared's own way takes a part for the whole."""
    import httpx
    from pycloudflared.util import get_info

    made = get_info()
    place = Path(made.executable)
    with TemporaryDirectory(dir=place.parent) as folder:
        file = Path(folder) / Path(made.url).name
        with (
            httpx.stream("GET", made.url, follow_redirects=True, timeout=_PATIENCE_SECONDS) as answer,
            file.open("wb") as out,
        ):
            for piece in answer.raise_for_status().iter_raw():
                out.write(piece)
        if file.suffix == ".tgz":
            shutil.unpack_archive(file, folder, filter="data")
            file = file.with_name(place.name)
        file.chmod(0o755)
        file.replace(place)
    return place


def _downloaded() -> Path:
    from pycloudflared.util import get_info

    try:
        return Path(get_info().executable)
    except RuntimeError:  # no binary for this system
        return Path("/nonexistent")


def cloudflared_command(program: str, origin_port: int, metrics_port: int, config: Path, *, named: bool) -> list[str]:
    """Return the command that leads the public to a port of this machine; no secret is in it.

    `config` holds OWN_CONFIG: without one cloudflared obeys the ingress rules of ~/.cloudflared/config.yml.
    """
    origin = f"http://127.0.0.1:{origin_port}"
    words = [program, "tunnel", "--config", str(config), "--no-autoupdate", "--output", "json"]
    words += ["--metrics", f"127.0.0.1:{metrics_port}"]
    return [*words, "run", "--url", origin] if named else [*words, "--url", origin]


async def read_tunnel_state(metrics_port: int) -> TunnelState:
    """Ask a tunnel for its state, as cloudflared tells it; not ready while it does not answer."""
    base = f"http://127.0.0.1:{metrics_port}"
    ready = await request("GET", f"{base}/ready", proxies=False, seconds=_SECONDS)
    quick = (await request("GET", f"{base}/quicktunnel", proxies=False, seconds=_SECONDS)).json()
    host = quick.get("hostname") if isinstance(quick, dict) else None
    return TunnelState(ready.status == 200, f"https://{host}" if host and "://" not in str(host) else host or None)
