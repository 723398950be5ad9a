"""Any system that signs by Standard Webhooks 1.0. Replies are kept for it: nothing is sent back."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from salambot.channels.base import (
    BodyRefusedError,
    Cause,
    Incoming,
    Parsed,
    SignatureRefusedError,
    moment_of_digits,
    read_json,
)
from salambot.delivery.sending import Api, Envelope
from salambot.delivery.settings import WebhookSettings
from salambot.messages import Channel as ReplyChannel
from salambot.messages import Identifier, Locale, Message, TenantName, WrittenText
from salambot.signatures import active, verify_standard, was_rewritten

TOLERANCE_S = 300
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
    max_age_s = TOLERANCE_S
    speaks_as: ReplyChannel = "api"
    longest_text = 32_000
    window_s = None
    sends = False

    def secrets(self, settings: WebhookSettings) -> tuple[str, ...]:
        """Return the webhook secrets."""
        return active(settings.webhook_secret.get_secret_value()) if settings.webhook_secret else ()

    def check_headers(self, secrets: tuple[str, ...], headers: Mapping[str, str]) -> None:
        """Look for the three headers of a signature, and for seconds in its timestamp."""
        del secrets
        if any(f"webhook-{name}" not in headers for name in ("id", "timestamp", "signature")):
            detail = "webhook-id, webhook-timestamp and webhook-signature are needed."
            raise SignatureRefusedError("missing_signature", detail, "missing")
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
            raise SignatureRefusedError("invalid_signature", detail, cause)
        if abs((now - sent_at).total_seconds()) > TOLERANCE_S:
            detail = f"webhook-timestamp is more than {TOLERANCE_S} s away from our clock."
            raise SignatureRefusedError("timestamp_out_of_tolerance", detail, "drift")

    def parse(self, headers: Mapping[str, str], body: bytes) -> Parsed:
        """Read the one message of the body."""
        try:
            event = GenericEvent.model_validate(read_json(body))
        except ValidationError as error:
            detail = "The body has to be {tenant, user_id, message_id, text, locale}."
            raise BodyRefusedError(422, "invalid_request", detail) from error
        sent_at = moment_of_digits(headers.get("webhook-timestamp", ""))
        if sent_at is None:
            raise BodyRefusedError(422, "invalid_request", "webhook-timestamp holds no seconds.")
        user, text = event.user_id, event.text
        return Parsed([Incoming(event.tenant, user, user, event.message_id, sent_at, "text", text, event.locale)])

    def can_send(self, api: Api) -> bool:
        """Tell that nothing is ever sent."""
        del api
        return False

    async def greet(self, api: Api, envelope: Envelope) -> None:
        """Do nothing: there is nobody to show it to."""

    async def send(self, api: Api, envelope: Envelope, text: str, tag: str) -> str:
        """Do nothing: `can_send` said so."""
        del api, envelope, text, tag
        return ""


def _sent_at(headers: Mapping[str, str]) -> datetime:
    sent_at = moment_of_digits(headers["webhook-timestamp"])
    if sent_at is None:
        raise SignatureRefusedError("invalid_signature", "webhook-timestamp holds no seconds.", "malformed")
    return sent_at


CHANNEL = Generic()
