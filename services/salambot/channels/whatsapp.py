"""WhatsApp: the phone numbers of a business, their users, and the Cloud API."""

from collections.abc import Mapping

from salambot.channels.base import Incoming, Parsed, id_of, items, member, moment_of_digits, read_json, text_of
from salambot.channels.meta import MetaChannel
from salambot.delivery.sending import Api, Envelope, Json, tokens
from salambot.delivery.settings import SendSettings
from salambot.messages import Channel as ReplyChannel

_SILENT = frozenset({"reaction", "system", "ephemeral", "request_welcome", "errors"})
"""Types of messages that nobody expects an answer to."""
_PRODUCT: Json = {"messaging_product": "whatsapp"}
_SCOPED = "user:"
"""Marks a recipient that is a business-scoped user id: there may be no phone number."""


class WhatsApp(MetaChannel):
    """https://developers.facebook.com/docs/whatsapp/cloud-api, webhooks of business accounts."""

    name = "whatsapp"
    speaks_as: ReplyChannel = "whatsapp"
    longest_text = 4_096

    def parse(self, headers: Mapping[str, str], body: bytes) -> Parsed:
        """Read every entry, change and item: messages of users count; statuses, reactions and the like do not."""
        del headers
        parsed = Parsed()
        document = read_json(body)
        is_business = member(document, "object") == "whatsapp_business_account"
        for change in (change for entry in items(document, "entry") for change in items(entry, "changes")):
            value = member(change, "value")
            messages = items(value, "messages") if is_business and change.get("field") == "messages" else []
            found = [_message(id_of(value, "metadata", "phone_number_id"), item) for item in messages]
            parsed.messages += [message for message in found if message is not None]
            parsed.ignored += found.count(None) + len(items(value, "statuses")) + (not messages)
        return parsed

    async def greet(self, api: Api, envelope: Envelope) -> None:
        """Mark as read and type, which is one call here."""
        mark: Json = {
            **_PRODUCT,
            "status": "read",
            "message_id": envelope.message_id,
            "typing_indicator": {"type": "text"},
        }
        await self._post(api, envelope, mark)

    async def send(self, api: Api, envelope: Envelope, text: str, tag: str) -> str:
        """Send a text; the statuses that Meta reports carry `tag`."""
        to, recipient = envelope.recipient, envelope.recipient.removeprefix(_SCOPED)
        whom = {"to": to} if to == recipient else {"recipient": recipient}
        content = {"type": "text", "text": {"preview_url": False, "body": text}, "biz_opaque_callback_data": tag}
        answer = await self._post(api, envelope, {**_PRODUCT, "recipient_type": "individual", **whom, **content})
        return next((id_of(message, "id") for message in items(answer, "messages")), "")

    def _tokens(self, settings: SendSettings) -> tuple[str, ...]:
        return tokens(settings.whatsapp_token)


def _message(phone_number: str, item: dict[str, object]) -> Incoming | None:
    sender, scoped, identifier = id_of(item, "from"), id_of(item, "from_user_id"), id_of(item, "id")
    sent_at, kind = moment_of_digits(item.get("timestamp")), text_of(item, "type")
    if not (phone_number and identifier and (sender or scoped)) or kind in _SILENT:
        return None
    if sent_at is None:
        return None
    text = text_of(item, "text", "body") if kind == "text" else ""
    is_text = bool(text.strip())
    if kind == "text" and not is_text:
        return None
    recipient = sender or f"{_SCOPED}{scoped}"
    return Incoming(
        phone_number, scoped or sender, recipient, identifier, sent_at, "text" if is_text else "unsupported", text
    )


CHANNEL = WhatsApp()
