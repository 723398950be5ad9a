"""The HTTP client for our own services: no proxy, always a time limit, root certificates only where TLS needs them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from salambot_cli.host.probe_http import no_roots

if TYPE_CHECKING:
    import httpx


def service_client(base_url: str, *, seconds: float, headers: Mapping[str, str] | None = None) -> "httpx.AsyncClient":
    """Return a client of one service; `seconds` bound each step of a call: connect, write, read."""
    import httpx

    verify = True if base_url.startswith("https:") else no_roots()  # loading the roots takes longer than a call
    return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=seconds, trust_env=False, verify=verify)
