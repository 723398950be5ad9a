"""What Messenger and WhatsApp share: the signature of Meta's webhooks, and the Graph API."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import aiohttp
import orjson

from salambot.channels.base import Cause, SignatureRefusedError
from salambot.delivery.sending import Api, SendError
from salambot.delivery.settings import WebhookSettings
from salambot.signatures import active, is_meta_signature, verify_meta, was_rewritten

MAX_AGE_S = 86_400
"""Meta's signature carries no time, and Meta retries for days."""
WINDOW_S = 86_400
"""A business may answer freely for 24 hours after a user's message."""
Json = Mapping[str, object]

_BUSY = frozenset({4, 17, 32, 613, 80007, 130429, 131048, 131056})
"""Codes of rate limits: of the app, the user, the page, the phone number, and of one pair of numbers."""
_PASSING = frozenset({1, 2, 131000, 131016, 133004})
_WINDOW_CLOSED = frozenset({(10, 2018278), (131047, None)})
"""More than 24 hours since the user wrote (code, subcode)."""
_LONGEST_WAIT_S = 300.0


def app_secrets(settings: WebhookSettings) -> tuple[str, ...]:
    """Return the active app secrets."""
    return active(settings.meta_app_secret.get_secret_value()) if settings.meta_app_secret else ()


def verify(secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes) -> None:
    """Check `X-Hub-Signature-256` over the raw bytes. Raises SignatureRefusedError."""
    given = headers.get("x-hub-signature-256")
    if given is None:
        raise SignatureRefusedError("missing_signature", "X-Hub-Signature-256 is needed.", "missing")
    if verify_meta(secrets, given, body):
        return
    detail = "X-Hub-Signature-256 is not a signature of this body."
    if not is_meta_signature(given):
        raise SignatureRefusedError("invalid_signature", detail, "malformed")
    cause: Cause = "rewritten" if was_rewritten(secrets, given, body) else "wrong_secret"
    raise SignatureRefusedError("invalid_signature", detail, cause)


async def post(api: Api, account: str, tokens: tuple[str, ...], message: Json) -> Json:
    """Post to `/{account}/messages`, with the next token when one is not valid. Raises SendError."""
    url = f"{api.settings.graph_base_url.rstrip('/')}/{api.settings.graph_version}/{account}/messages"
    for position, token in enumerate(tokens, 1):
        try:
            return await _post(api, url, token, message)
        except SendError as error:
            if error.code != "graph_token" or position == len(tokens):
                raise
    raise SendError("no_token", "never")


async def _post(api: Api, url: str, token: str, message: Json) -> Json:
    limits = aiohttp.ClientTimeout(api.settings.send_timeout_s, connect=3)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        async with api.http.post(
            url, data=orjson.dumps(message), headers=headers, timeout=limits, allow_redirects=False
        ) as response:
            answer = _object(await response.content.read(64 * 1024))
            if response.status == 200:
                return answer
            raise _refused(response.status, answer, response.headers.get("Retry-After"))
    except (TimeoutError, asyncio.IncompleteReadError) as error:
        raise SendError("graph_timeout", "again") from error
    except aiohttp.ClientError as error:
        raise SendError("graph_unreachable", "again") from error


def _object(content: bytes) -> Json:
    with suppress(orjson.JSONDecodeError):
        answer = orjson.loads(content)
        if isinstance(answer, dict):
            return answer
    return {}


def _refused(status: int, answer: Json, retry_after: str | None) -> SendError:
    error = answer.get("error")
    found = error if isinstance(error, dict) else {}
    code, subcode = found.get("code"), found.get("error_subcode")
    if status == 429 or code in _BUSY:
        return SendError("graph_busy", "later", _seconds(retry_after))
    if (code, subcode) in _WINDOW_CLOSED or (code, None) in _WINDOW_CLOSED:
        return SendError("window_closed", "never")
    if status == 401 or code == 190:
        return SendError("graph_token", "again")
    if status >= 500 or code in _PASSING or found.get("is_transient") is True:
        return SendError("graph_failed", "again", _seconds(retry_after))
    return SendError(f"graph_refused_{code}" if isinstance(code, int) else f"graph_refused_{status}", "never")


def _seconds(retry_after: str | None) -> float:
    return min(float(retry_after), _LONGEST_WAIT_S) if retry_after and retry_after.isdigit() else 0.0
