"""Who sees the console: whoever may use the literal `dev-token`, from this machine's own pages, and nobody else."""

from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.types import Scope

from salambot.problems import Problem

OWN_HEADER = "X-SalamBot-Console"
"""A page of another origin cannot send it without asking first (CORS), and we never agree."""
_OWN_SITES = frozenset({None, "same-origin", "none"})


class Nearness(Protocol):
    """Tells whether a request comes from this machine itself: its address, its Host, no sign of a proxy."""

    def is_near(self, scope: Scope) -> bool:
        """Tell whether this request does."""


@dataclass(frozen=True)
class Guard:
    """Keeps the console to this machine."""

    peers: Nearness

    def admit(self, request: Request) -> None:
        """Raise Problem 404 for whoever is not near, or comes from a page of another site."""
        if not self.peers.is_near(request.scope) or request.headers.get("sec-fetch-site") not in _OWN_SITES:
            raise Problem(404, "not_found", "Not Found.")

    def admit_change(self, request: Request) -> None:
        """Raise Problem 403, too, where the request was not sent by the console's own script."""
        self.admit(request)
        if request.headers.get(OWN_HEADER) != "1":
            raise Problem(403, "console_only", f"The header {OWN_HEADER} is missing.")
