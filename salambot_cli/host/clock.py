"""Compare this machine's clock with the `Date` header of servers."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from salambot_cli.host.probe_http import request


async def clock_skew(url: str) -> float | None:
    """Return the server's time minus ours in seconds (precise to about a second); None without a `Date`.

    The certificate is not verified: a wrong clock makes every certificate look expired, and nothing is sent.
    """
    before = datetime.now(UTC)
    answer = await request("HEAD", url, verify=False, seconds=3)
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    if theirs.tzinfo is None:
        return None
    middle = before + (datetime.now(UTC) - before) / 2
    return (theirs - middle).total_seconds()
