"""The greeting of a server: its clock, and the place where it sends people."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from salambot_cli.host.probe_http import Answer, request

_PAGE = "a web page"


@dataclass(frozen=True, slots=True)
class Greeting:
    """The answer to a request without a key."""

    skew: float | None = None
    """The server's time minus ours in seconds, precise to about a second; None without a `Date`."""
    leads_to: str | None = None
    """The host of a redirect, or that it is a web page; None for what an API answers."""


async def greet(url: str) -> Greeting:
    """Ask a server for nothing.

    The certificate is not verified: a wrong clock makes every certificate look expired, and nothing is sent.
    """
    before = datetime.now(UTC)
    answer = await request("HEAD", url, verify=False, seconds=3)
    middle = before + (datetime.now(UTC) - before) / 2
    return Greeting(_skew(answer, middle), _leads_to(answer))


def _skew(answer: Answer, now: datetime) -> float | None:
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return None if theirs.tzinfo is None else (theirs - now).total_seconds()


def _leads_to(answer: Answer) -> str | None:
    if 300 <= answer.status < 400:
        try:
            return urlsplit(answer.headers.get("location", "")).hostname
        except ValueError:
            return None
    is_page = answer.status in {200, 401, 403, 511} and "html" in answer.headers.get("content-type", "")
    return _PAGE if is_page else None
