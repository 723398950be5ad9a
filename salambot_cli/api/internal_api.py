"""Client of the services' internal APIs, with timeouts and the environment's token."""

from collections.abc import Mapping
from typing import cast

from salambot_cli.api.gateway import Document
from salambot_cli.api.service_client import service_client
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.secret import Secret
from salambot_cli.model.untrusted import untrusted

_SECONDS = 20.0


async def request(
    url: str,
    token: Secret,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Document | None = None,
    service: str = "orchestrateur",
) -> Document:
    """GET, or POST with a body; return the document. Raises SalamBotError."""
    import httpx

    headers = {"X-SalamBot-Internal": token.reveal().partition(",")[0]}
    try:
        async with service_client(url, headers=headers, seconds=_SECONDS) as client:
            request = client.get(path, params=query) if body is None else client.post(path, json=body)
            response = await request
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise SalamBotError(f"{service} at {url} does not answer", why, "salambot up") from error
    if response.status_code != 200:
        why = f"{response.status_code} {response.text[:200]}"
        raise SalamBotError(f"{service} at {url} refuses", why, "salambot doctor")
    return untrusted(cast("Document", response.json()))
