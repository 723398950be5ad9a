"""Shared by the checks of HTTPS services: one more try where a refusal may pass, and answers that are not theirs."""

import asyncio
import re
from collections.abc import Mapping

from salambot_cli.host.probe_http import Answer, request

_PASSING = frozenset({429, 500, 502, 503, 504})
_MAX_WAIT_SECONDS = 2.0
_WAIT_SECONDS = 0.4
_TITLE = re.compile(r"<title[^>]*>([^<]{1,120})", re.IGNORECASE)
MOVED = frozenset({301, 302, 303, 307, 308})


async def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    seconds: float = 4.0,
) -> Answer:
    """Ask, and once more where the refusal may pass by itself: the services try several times too."""
    answer = await request(method, url, headers=headers, content=content, seconds=seconds)
    if answer.status not in _PASSING:
        return answer
    await asyncio.sleep(min(retry_seconds(answer) or _WAIT_SECONDS, _MAX_WAIT_SECONDS))
    return await request(method, url, headers=headers, content=content, seconds=seconds)


def retry_seconds(answer: Answer) -> float | None:
    """Return how long the server asks to wait."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None


def web_page(answer: Answer) -> str | None:
    """Describe a web page that stands in place of an API's answer: a sign-in page, a portal, a firewall's block."""
    kind = answer.headers.get("content-type", "")
    start = answer.body[:512].lstrip().lower()
    if "html" not in kind and not start.startswith((b"<!doctype html", b"<html")):
        return None
    found = _TITLE.search(answer.text)
    return f"a web page ({found[1].strip()})" if found else "a web page"


def not_json(answer: Answer) -> str | None:
    """Describe an answer that is no JSON object; None for one that is."""
    if isinstance(answer.json(), dict):
        return None
    return web_page(answer) or ("an empty body" if not answer.body.strip() else "something that is no JSON object")
