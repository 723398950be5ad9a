"""Any system that signs by Standard Webhooks 1.0. Replies are kept for it: nothing is sent back."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from salambot.core.schemas import Channel as ReplyChannel
from salambot.core.schemas import Identifier, Locale, Message, TenantName, WrittenText
from salambot.core.signatures import active_values, verify_standard, was_rewritten
from salambot.webhooks.channel_client import ChannelContext, Envelope
from salambot.webhooks.channels.base import (
    Cause,
    InboundMessage,
    InvalidBodyError,
    InvalidSignatureError,
    ParsedWebhook,
    moment,
    read_json,
)
from salambot.webhooks.settings import WebhookSettings

TOLERANCE_SECONDS = 300
"""How far the sender's clock may be from ours (Standard Webhooks 1.0)."""


class GenericEvent(Message):
    """The body of `POST /v1/webhooks/generic`."""

    tenant: TenantName
    user_id: Identifier
    message_id: Identifier
    text: WrittenText
    locale: Locale | None = None


class Generic:
    """https://www.standardwebhooks.com."""

    name = "generic"
    shakes_hands = False
    names_tenants = True
    max_age_s = TOLERANCE_SECONDS
    speaks_as: ReplyChannel = "api"
    longest_text = 32_000
    window_s = None
    sends = False

    def secrets(self, settings: WebhookSettings) -> tuple[str, ...]:
        """Return the webhook secrets."""
        return active_values(settings.webhook_secret.get_secret_value()) if settings.webhook_secret else ()

    def check_headers(self, secrets: tuple[str, ...], headers: Mapping[str, str]) -> None:
        """Look for the three headers of a signature, and for seconds in its timestamp."""
        del secrets
        if any(f"webhook-{name}" not in headers for name in ("id", "timestamp", "signature")):
            detail = "webhook-id, webhook-timestamp and webhook-signature are needed."
            raise InvalidSignatureError("missing_signature", detail, "missing")
        _sent_at(headers)

    def verify(self, secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Check the signature, then the time that it covers."""
        self.check_headers(secrets, headers)
        identifier, timestamp, given = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        sent_at = _sent_at(headers)
        if not verify_standard(secrets, identifier, timestamp, given, body):
            detail = "webhook-signature is not a signature of this request."
            rewritten = was_rewritten(body, lambda other: verify_standard(secrets, identifier, timestamp, given, other))
            cause: Cause = "rewritten" if rewritten else "wrong_secret"
            raise InvalidSignatureError("invalid_signature", detail, cause)
        if abs((now - sent_at).total_seconds()) > TOLERANCE_SECONDS:
            detail = f"webhook-timestamp is more than {TOLERANCE_SECONDS} s away from our clock."
            raise InvalidSignatureError("timestamp_out_of_tolerance", detail, "drift")

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedWebhook:
        """Read the one message of the body."""
        try:
            event = GenericEvent.model_validate(read_json(body))
        except ValidationError as error:
            detail = "The body has to be {tenant, user_id, message_id, text, locale}."
            raise InvalidBodyError(422, "invalid_request", detail) from error
        sent_at = moment(headers.get("webhook-timestamp", ""))
        if sent_at is None:
            raise InvalidBodyError(422, "invalid_request", "webhook-timestamp holds no seconds.")
        user, text = event.user_id, event.text
        return ParsedWebhook(
            [InboundMessage(event.tenant, user, user, event.message_id, sent_at, "text", text, event.locale)]
        )

    def can_send(self, api: ChannelContext) -> bool:
        """Report that nothing is ever sent."""
        del api
        return False

    async def show_typing(self, api: ChannelContext, envelope: Envelope) -> None:
        """Do nothing: there is nobody to show it to."""

    async def send(self, api: ChannelContext, envelope: Envelope, text: str, tag: str) -> str:
        """Do nothing: `can_send` said so."""
        del api, envelope, text, tag
        return ""


def _sent_at(headers: Mapping[str, str]) -> datetime:
    sent_at = moment(headers["webhook-timestamp"])
    if sent_at is None:
        raise InvalidSignatureError("invalid_signature", "webhook-timestamp holds no seconds.", "malformed")
    return sent_at


CHANNEL = Generic()
