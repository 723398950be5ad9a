"""This machine's clock against others: the `Date` of servers that answer anyway."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from salambot_cli.outside.http import request


async def skew_against(url: str) -> float | None:
    """Return the server's time minus ours in seconds (to about a second); None where it does not say.

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
