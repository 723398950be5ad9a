"""Shared parts of Messenger and WhatsApp: webhook signatures and the Graph API."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from salambot.core.signatures import is_meta_signature, verify_meta, was_rewritten
from salambot.webhooks.channel_client import (
    ChannelContext,
    ChannelResponse,
    Envelope,
    Json,
    SendError,
    TokenRefusedError,
    active_tokens,
    post_json,
    with_token_fallback,
)
from salambot.webhooks.channels.base import Cause, InvalidSignatureError
from salambot.webhooks.settings import SendSettings, WebhookSettings

_BUSY = frozenset({4, 17, 32, 613, 80007, 130429, 131048})
"""Codes of rate limits: of the app, the user, the page, and the phone number."""
_BUSY_PAIR = 131056
"""Too many messages to this one user: the other conversations of the phone number go on."""
_PAIR_WAIT_SECONDS = 6.0
"""WhatsApp lets one message of a pair through in six seconds."""
_NOT_SIGNED = "X-Hub-Signature-256 is not a signature of this body."
_PASSING = frozenset({1, 2, 131000, 131016, 133004})
_WINDOW_CLOSED = frozenset({(10, 2018278), (131047, None)})
"""More than 24 hours since the user wrote (code, subcode)."""


class MetaChannel(ABC):
    """A channel of Meta's: one app secret and one way to send, whatever is in the messages."""

    shakes_hands = True
    names_tenants = False
    max_age_s = 86_400
    """Meta's signature carries no time, and Meta retries for days."""
    window_s: int | None = 86_400
    """A business may answer freely for 24 hours after a user's message."""
    sends = True

    def secrets(self, settings: WebhookSettings) -> tuple[str, ...]:
        """Return the app secrets."""
        return active_tokens(settings.meta_app_secret)

    def check_headers(self, secrets: tuple[str, ...], headers: Mapping[str, str]) -> None:
        """Look for a signature of Meta's form."""
        del secrets
        given = headers.get("x-hub-signature-256")
        if given is None:
            raise InvalidSignatureError("missing_signature", "X-Hub-Signature-256 is needed.", "missing")
        if not is_meta_signature(given):
            raise InvalidSignatureError("invalid_signature", _NOT_SIGNED, "malformed")

    def verify(self, secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Check `X-Hub-Signature-256` over the raw bytes; it carries no time."""
        del now
        self.check_headers(secrets, headers)
        given = headers["x-hub-signature-256"]
        if verify_meta(secrets, given, body):
            return
        rewritten = was_rewritten(body, lambda other: verify_meta(secrets, given, other))
        cause: Cause = "rewritten" if rewritten else "wrong_secret"
        raise InvalidSignatureError("invalid_signature", _NOT_SIGNED, cause)

    def can_send(self, api: ChannelContext) -> bool:
        """Return whether the token of this channel is set."""
        return bool(self._tokens(api.settings))

    @abstractmethod
    def _tokens(self, settings: SendSettings) -> tuple[str, ...]:
        """Return the tokens to send with, the newest first."""

    async def _post(self, api: ChannelContext, envelope: Envelope, message: Json) -> Json:
        """Post to `/{account}/messages`. Raises SendError."""
        base, version = api.settings.graph_base_url.rstrip("/"), api.settings.graph_version
        url = f"{base}/{version}/{_path_segment(envelope.account)}/messages"

        async def send(token: str) -> Json:
            answer = await post_json(api, url, message, peer="graph", headers={"Authorization": f"Bearer {token}"})
            if answer.status == 200:
                return answer.document
            raise _refused(answer)

        return await with_token_fallback(self._tokens(api.settings), send)


def _path_segment(account: str) -> str:
    """Return an id as one segment of a path. Raises SendError for the two names that lead out of it in any writing."""
    if account in {".", ".."}:
        raise SendError("bad_account", "never")
    return quote(account, safe="")


def _refused(answer: ChannelResponse) -> SendError:
    error = answer.document.get("error")
    found = error if isinstance(error, dict) else {}
    code, subcode = found.get("code"), found.get("error_subcode")
    if code == _BUSY_PAIR:
        return SendError("graph_busy_pair", "again", answer.retry_after_s or _PAIR_WAIT_SECONDS)
    if answer.status == 429 or code in _BUSY:
        return SendError("graph_busy", "later", answer.retry_after_s)
    if (code, subcode) in _WINDOW_CLOSED or (code, None) in _WINDOW_CLOSED:
        return SendError("window_closed", "never")
    if answer.status == 401 or code == 190:
        return TokenRefusedError("graph_token")
    if answer.status >= 500 or code in _PASSING or found.get("is_transient") is True:
        return SendError("graph_failed", "again", answer.retry_after_s)
    return SendError(f"graph_refused_{code if isinstance(code, int) else answer.status}", "never")
