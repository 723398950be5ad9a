"""Access rules of the console: the same callers as `dev-token`, from this machine's own pages only."""

from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.types import Scope

from salambot.core.problems import Problem

OWN_HEADER = "X-SalamBot-Console"
"""A cross-origin page cannot send this header without a CORS preflight, which is never granted."""
_OWN_SITES = frozenset({None, "same-origin", "none"})


class LocalCheck(Protocol):
    """Decides whether a request comes from this machine itself: its address, its Host, no sign of a proxy."""

    def is_local(self, scope: Scope) -> bool:
        """Return whether this request does."""


@dataclass(frozen=True)
class LocalGuard:
    """Keeps the console to this machine."""

    peers: LocalCheck

    def admit(self, request: Request) -> None:
        """Raise Problem 404 for remote callers and for requests from another origin."""
        if not self.peers.is_local(request.scope) or request.headers.get("sec-fetch-site") not in _OWN_SITES:
            raise Problem(404, "not_found", "Not Found.")

    def require_script(self, request: Request) -> None:
        """Also raise Problem 403 when the request was not sent by the console's own script (CSRF check)."""
        self.admit(request)
        if request.headers.get(OWN_HEADER) != "1":
            raise Problem(403, "console_only", f"The header {OWN_HEADER} is missing.")
