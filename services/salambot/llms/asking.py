"""One question to a model's API by aiohttp alone, with the address, headers and key that the SDK was given.

For a whole reply the SDK's `create` takes 1.3 ms of processor, its `post` 0.5 and this 0.1, where all services together
take 2.2 for one. Streams stay with the SDK, which reads their events.
"""

from collections.abc import Mapping, Sequence
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import openai
import orjson

_MOST_BYTES = 8 * 1024 * 1024
_KEPT_S = 60.0
"""How long a connection stays open without a question: a handshake with a distant host takes longer than a search."""


class BrokenError(Exception):
    """The host cannot be reached, or broke off."""


class RefusedError(Exception):
    """The host answered with an error of its own. `codes` are what it calls it."""

    def __init__(self, status: int, codes: Sequence[str | None], retry_after: str) -> None:
        super().__init__(status)
        self.status = status
        self.codes = codes
        self.retry_after = retry_after

    @classmethod
    def by_sdk(cls, error: openai.APIStatusError) -> Self:
        """Return what the SDK found."""
        return cls(error.status_code, (error.code, error.type), error.response.headers.get("Retry-After", ""))


class Asking:
    """Connections to the API of one client of the SDK, opened by the first question."""

    def __init__(self, client: openai.AsyncOpenAI, connect_s: float) -> None:
        self._base = str(client.base_url).rstrip("/")
        given = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in given.items() if isinstance(value, str)}
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: Mapping[str, object]) -> bytes:
        """Ask, and return the answer; the caller limits the time. Raises BrokenError, RefusedError, TimeoutError."""
        try:
            async with self._opened().post(f"{self._base}{path}", data=orjson.dumps(body)) as response:
                content = await _read(response)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenError from error
        if response.status >= 400:
            raise RefusedError(response.status, _codes(content), response.headers.get("Retry-After", ""))
        return content

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_S),
                headers=self._headers,
                timeout=self._timeout,
                # Once: `trust_env` looks into ~/.netrc too, in a thread, for each question.
                proxy=_proxy_to(self._base),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _proxy_to(url: str) -> str | None:
    """Return the proxy of the environment (HTTPS_PROXY, NO_PROXY, …) that leads to a URL, as the SDK finds it."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > _MOST_BYTES:
            raise BrokenError("an answer without an end")
    return bytes(content)


def _codes(content: bytes) -> tuple[str | None, ...]:
    """Return `code` and `type` of OpenAI's error envelope, where it is one."""
    try:
        error = orjson.loads(content)["error"]
        return error.get("code"), error.get("type")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ()
