"""A plain HTTP client for the services behind the gateway, separate from the reply path."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from pydantic import SecretStr

from salambot.core.problems import Problem
from salambot.core.signatures import active_values
from salambot.http.middleware import INTERNAL_HEADER

_SECONDS = 5


class InternalClient:
    """Client of one service. It connects on first use."""

    def __init__(self, name: str, url: str, token: SecretStr) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._token = token
        self._opened: aiohttp.ClientSession | None = None

    async def readiness(self) -> dict[str, Any]:
        """Return the service's readiness document, also when it is not ready. Raises Problem 502 or 503."""
        return (await self._ask("/health/ready", None, None))[1]

    async def ask(
        self, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        """GET, or POST where there is a body; return the JSON object that comes back. Raises Problem 502, 503."""
        status, found = await self._ask(path, query, body)
        if status >= 400:
            raise Problem(502, "upstream_failed", f"{self.name} answered {status}.")
        return found

    async def _ask(
        self, path: str, query: Mapping[str, str] | None, body: Mapping[str, object] | None
    ) -> tuple[int, dict[str, Any]]:
        method, data = ("GET", None) if body is None else ("POST", orjson.dumps(body))
        try:
            async with self._session().request(method, self._url + path, params=query, data=data) as response:
                found = orjson.loads(await response.read())
        except (OSError, aiohttp.ClientError) as error:
            raise Problem(503, "upstream_unavailable", f"{self.name} does not answer.") from error
        except orjson.JSONDecodeError as error:
            raise Problem(502, "upstream_invalid", f"{self.name} answered with something else than JSON.") from error
        return response.status, found if isinstance(found, dict) else {}

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            headers = {
                INTERNAL_HEADER: active_values(self._token.get_secret_value())[0],
                "Content-Type": "application/json",
            }
            jar, limits = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(_SECONDS)
            self._opened = aiohttp.ClientSession(headers=headers, cookie_jar=jar, timeout=limits)
        return self._opened

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()
