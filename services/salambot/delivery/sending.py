"""What a channel sends with: one pool of connections, the tokens, and the ways in which sending fails."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
import orjson
from pydantic import SecretStr

from salambot.delivery.settings import SendSettings
from salambot.signatures import active

Json = Mapping[str, object]
Retry = Literal["again", "later", "never"]
"""`again`: a passing trouble; `later`: the channel asks for patience; `never`: no retry can help."""

_ANSWER_BYTES = 64 * 1024
_CONNECT_S = 3
_LONGEST_WAIT_S = 300.0


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
class Api:
    """The connections and settings that every channel sends with."""

    http: aiohttp.ClientSession
    settings: SendSettings


def tokens(secret: SecretStr | None) -> tuple[str, ...]:
    """Return the tokens of a variable, the newest first."""
    return active(secret.get_secret_value()) if secret is not None else ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a channel's API said; `document` is empty where that is no JSON object."""

    status: int
    document: Json = field(repr=False)
    retry_after_s: float


async def post(api: Api, url: str, message: Json, *, peer: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Post JSON to the API of a channel, once. `peer` names it in the codes of errors. Raises SendError."""
    limits = aiohttp.ClientTimeout(api.settings.send_timeout_s, connect=_CONNECT_S)
    headers = {"Content-Type": "application/json", **(headers or {})}
    try:
        async with api.http.post(
            url, data=orjson.dumps(message), headers=headers, timeout=limits, allow_redirects=False
        ) as response:
            document = _object(await response.content.read(_ANSWER_BYTES))
            return Answer(response.status, document, seconds(response.headers.get("Retry-After")))
    except (TimeoutError, asyncio.IncompleteReadError) as error:
        raise SendError(f"{peer}_timeout", "again") from error
    except aiohttp.ClientError as error:
        raise SendError(f"{peer}_unreachable", "again") from error


async def by_token(tokens: tuple[str, ...], send: Callable[[str], Awaitable[Json]]) -> Json:
    """Send with the newest token, and with the next one where it is refused. Raises SendError."""
    for position, token in enumerate(tokens, 1):
        try:
            return await send(token)
        except TokenRefusedError:
            if position == len(tokens):
                raise
    raise SendError("no_token", "never")


def seconds(wait: object) -> float:
    """Read for how long a channel asks to wait, as a number or its text; five minutes at the most."""
    return min(float(text), _LONGEST_WAIT_S) if (text := str(wait)).isascii() and text.isdigit() else 0.0


def _object(content: bytes) -> Json:
    with suppress(orjson.JSONDecodeError):
        answer = orjson.loads(content)
        if isinstance(answer, dict):
            return answer
    return {}
