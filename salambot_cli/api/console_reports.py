"""Reports to the gateway's console: one quick request, best effort."""

from salambot_cli.api.service_client import service_client
from salambot_cli.model.secret import Secret

_SECONDS = 1.0


def send_report(url: str, token: Secret, topic: str, report: dict[str, object]) -> bool:
    """Send one report (`doctor` or `seed`) to the gateway; return whether it was accepted."""
    import httpx

    headers = {"X-SalamBot-Internal": token.reveal()}
    try:
        with httpx.Client(timeout=_SECONDS, trust_env=False, headers=headers) as client:
            return client.post(f"{url}/internal/console/{topic}", json=report).status_code == 204
    except httpx.HTTPError:
        return False


async def page_status(url: str) -> int:
    """Return the HTTP status of a page, 0 where nothing answers."""
    import httpx

    try:
        async with service_client(url, seconds=10 * _SECONDS) as client:
            return (await client.get(url)).status_code
    except httpx.HTTPError:
        return 0
