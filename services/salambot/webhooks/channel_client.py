"""The HTTP client of channels: one connection pool, tokens, and send errors."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
import orjson
from pydantic import SecretStr

from salambot.core.signatures import active_values
from salambot.webhooks.settings import SendSettings

Json = Mapping[str, object]
Retry = Literal["again", "later", "never"]
"""`again`: a passing trouble; `later`: the channel asks for patience; `never`: no retry can help."""

_ANSWER_BYTES = 64 * 1024
_CONNECT_SECONDS = 3
_MAX_WAIT_SECONDS = 300.0


class SendError(Exception):
    """A message was not sent, or nobody can tell. `code` is bounded, and holds nothing of a customer."""

    def __init__(self, code: str, retry: Retry, after_s: float = 0.0) -> None:
        super().__init__(code)
        self.code = code
        self.retry: Retry = retry
        self.after_s = after_s


class TokenRefusedError(SendError):
    """The channel does not know this token: another one may do, or a later attempt."""

    def __init__(self, code: str) -> None:
        super().__init__(code, "again")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Between whom: the account that speaks, whom it speaks to, and the message that is answered."""

    account: str
    recipient: str = field(repr=False)
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """The connections and settings that every channel sends with."""

    http: aiohttp.ClientSession
    settings: SendSettings


def active_tokens(secret: SecretStr | None) -> tuple[str, ...]:
    """Return the tokens of a variable, the newest first."""
    return active_values(secret.get_secret_value()) if secret is not None else ()


@dataclass(frozen=True, slots=True)
class ChannelResponse:
    """The response of a channel's API; `document` is empty unless it is a JSON object."""

    status: int
    document: Json = field(repr=False)
    retry_after_s: float


async def post_json(
    api: ChannelContext, url: str, message: Json, *, peer: str, headers: Mapping[str, str] | None = None
) -> ChannelResponse:
    """Post JSON to the API of a channel, once. `peer` names it in the codes of errors. Raises SendError."""
    limits = aiohttp.ClientTimeout(api.settings.send_timeout_s, connect=_CONNECT_SECONDS)
    headers = {"Content-Type": "application/json", **(headers or {})}
    try:
        async with api.http.post(
            url, data=orjson.dumps(message), headers=headers, timeout=limits, allow_redirects=False
        ) as response:
            document = _object(await response.content.read(_ANSWER_BYTES))
            return ChannelResponse(response.status, document, parse_retry_after(response.headers.get("Retry-After")))
    except (TimeoutError, asyncio.IncompleteReadError) as error:
        raise SendError(f"{peer}_timeout", "again") from error
    except aiohttp.ClientError as error:
        raise SendError(f"{peer}_unreachable", "again") from error


async def with_token_fallback(tokens: tuple[str, ...], send: Callable[[str], Awaitable[Json]]) -> Json:
    """Send with the newest token, and with the next one where it is refused. Raises SendError."""
    for position, token in enumerate(tokens, 1):
        try:
            return await send(token)
        except TokenRefusedError:
            if position == len(tokens):
                raise
    raise SendError("no_token", "never")


def parse_retry_after(wait: object) -> float:
    """Read for how long a channel asks to wait, as a number or its text; five minutes at the most."""
    return min(float(text), _MAX_WAIT_SECONDS) if (text := str(wait)).isascii() and text.isdigit() else 0.0


def _object(content: bytes) -> Json:
    with suppress(orjson.JSONDecodeError):
        answer = orjson.loads(content)
        if isinstance(answer, dict):
            return answer
    return {}
