"""One question to a model's API by aiohttp alone, with the address, headers and key that the SDK was given.

For a whole reply the SDK's `create` takes 1.3 ms of processor, its `post` 0.5 and this 0.1, where all services together
take 2.2 for one. A stream is read here too: the SDK hides its `[DONE]`, without which a stream that has no finish
reason cannot be told from one that broke off.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import openai
import orjson

DONE = b"[DONE]"
MAX_MESSAGE_CHARS = 2_000
_AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_MAX_BYTES = 8 * 1024 * 1024
_KEPT_SECONDS = 60.0
"""How long a connection stays open without a question: a handshake with a distant host takes longer than a search."""


class ConnectionFailedError(Exception):
    """The host cannot be reached, or broke off."""


class ApiError(Exception):
    """The host answered with an error of its own. `codes` are what it calls it.

    `message` may quote a customer: it is looked at, and neither logged nor shown.
    """

    def __init__(
        self, status: int, codes: Sequence[str | None], retry_after: str, message: str = "", param: str = ""
    ) -> None:
        super().__init__(status)
        self.status = status
        self.codes = codes
        self.retry_after = retry_after
        self.message = message
        self.param = param

    @classmethod
    def from_body(cls, status: int, content: object, retry_after: str = "") -> Self:
        """Read OpenAI's error envelope, and the others in use: a bare `message` or `detail`, a list of FastAPI's."""
        body = content if isinstance(content, dict) else {}
        error = body.get("error", body)
        told = error if isinstance(error, dict) else {"message": error}
        message = told.get("message") or told.get("detail") or body.get("detail") or ""
        codes = tuple(str(code) for code in (told.get("code"), told.get("type")) if code is not None)
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
        return cls(status, codes, retry_after, text[:MAX_MESSAGE_CHARS], str(told.get("param") or ""))

    @classmethod
    def in_answer(cls, content: object) -> Self | None:
        """Return the error that stands in an answer of status 200, as routers of several models send it."""
        if not isinstance(content, dict) or not content.get("error") or content.get("choices") or content.get("output"):
            return None
        told = content["error"]
        code = told.get("code") if isinstance(told, dict) else None
        status = int(code) if str(code).isdigit() and 400 <= int(code) < 600 else 502  # type: ignore[arg-type]
        return cls.from_body(status, content)


class OpenAiHttp:
    """Connections to the API of one client of the SDK, opened by the first question."""

    def __init__(self, client: openai.AsyncOpenAI, connect_s: float) -> None:
        self._base = str(client.base_url).rstrip("/")
        given = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in given.items() if isinstance(value, str)}
        if client.base_url.host.endswith(_AZURE):
            self._headers["api-key"] = client.api_key
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: Mapping[str, object]) -> bytes:
        """Post a request; the caller limits the time. Raises ConnectionFailedError, ApiError, TimeoutError."""
        try:
            async with self._opened().post(f"{self._base}{path}", data=orjson.dumps(body)) as response:
                content = await _read(response)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionFailedError from error
        if response.status >= 400:
            raise _refusal(response, content)
        return content

    async def events(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[bytes, None]:
        """Ask for a stream, and yield the data of its events, DONE the last where the host says that it is.

        Raises as `post` does. Closing the generator closes the connection.
        """
        try:
            async with self._opened().post(f"{self._base}{path}", data=orjson.dumps(body)) as response:
                if response.status >= 400:
                    raise _refusal(response, await _read(response))
                if "json" in response.content_type:  # asked for a stream, and answered whole
                    yield await _read(response)
                    return
                async for event in _event_data(response):
                    yield event
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a line longer than the buffer
            raise ConnectionFailedError from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS),
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
        if len(content) > _MAX_BYTES:
            raise ConnectionFailedError("an answer without an end")
    return bytes(content)


async def _event_data(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield the data of server-sent events (WHATWG HTML 9.2); their names stand in the data too."""
    data: list[bytes] = []
    size = 0
    async for line in response.content:
        size += len(line)
        if size > _MAX_BYTES:
            raise ConnectionFailedError("a stream without an end")
        stripped = line.rstrip(b"\r\n")
        if stripped.startswith(b"data:"):
            data.append(stripped[5:].removeprefix(b" "))
        elif not stripped and data:
            yield b"\n".join(data)
            data = []
    if data:
        yield b"\n".join(data)


def _refusal(response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    try:
        body: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    return ApiError.from_body(response.status, body, response.headers.get("Retry-After", ""))
