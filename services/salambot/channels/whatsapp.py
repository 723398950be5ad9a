"""WhatsApp: the phone numbers of a business, their users, and the Cloud API."""

from collections.abc import Mapping

from salambot.channels import meta_errors
from salambot.channels.base import Parsed, id_of, items, member, read_json
from salambot.channels.meta import MetaChannel
from salambot.channels.whatsapp_messages import SCOPED, read_message
from salambot.delivery.sending import Api, Envelope, Json, tokens
from salambot.delivery.settings import SendSettings
from salambot.messages import Channel as ReplyChannel

_PRODUCT: Json = {"messaging_product": "whatsapp"}


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
            for item in messages:
                read_message(value, item, parsed)
            for report in (value, *items(value, "statuses")) if is_business else ():
                parsed.failures.update(map(meta_errors.in_words, items(report, "errors")))
            parsed.ignored += len(items(value, "statuses")) + (not messages)
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
        to, recipient = envelope.recipient, envelope.recipient.removeprefix(SCOPED)
        whom = {"to": to} if to == recipient else {"recipient": recipient}
        content = {"type": "text", "text": {"preview_url": False, "body": text}, "biz_opaque_callback_data": tag}
        answer = await self._post(api, envelope, {**_PRODUCT, "recipient_type": "individual", **whom, **content})
        return next((id_of(message, "id") for message in items(answer, "messages")), "")

    def _tokens(self, settings: SendSettings) -> tuple[str, ...]:
        return tokens(settings.whatsapp_token)


CHANNEL = WhatsApp()
