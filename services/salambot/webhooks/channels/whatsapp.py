"""WhatsApp: the phone numbers of a business, their users, and the Cloud API."""

from collections.abc import Mapping

from salambot.core.schemas import Channel as ReplyChannel
from salambot.webhooks.channel_client import ChannelContext, Envelope, Json, active_tokens
from salambot.webhooks.channels import meta_errors
from salambot.webhooks.channels.base import ParsedWebhook, clean_id, dict_items, get_path, read_json
from salambot.webhooks.channels.meta import MetaChannel
from salambot.webhooks.channels.whatsapp_messages import SCOPED, read_message
from salambot.webhooks.settings import SendSettings

_PRODUCT: Json = {"messaging_product": "whatsapp"}


class WhatsApp(MetaChannel):
    """https://developers.facebook.com/docs/whatsapp/cloud-api, webhooks of business accounts."""

    name = "whatsapp"
    speaks_as: ReplyChannel = "whatsapp"
    longest_text = 4_096

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedWebhook:
        """Read every entry, change and item: messages of users count; statuses, reactions and the like do not."""
        del headers
        parsed = ParsedWebhook()
        document = read_json(body)
        is_business = get_path(document, "object") == "whatsapp_business_account"
        for change in (change for entry in dict_items(document, "entry") for change in dict_items(entry, "changes")):
            value = get_path(change, "value")
            messages = dict_items(value, "messages") if is_business and change.get("field") == "messages" else []
            for item in messages:
                read_message(value, item, parsed)
            for report in (value, *dict_items(value, "statuses")) if is_business else ():
                parsed.failures.update(map(meta_errors.in_words, dict_items(report, "errors")))
            parsed.ignored += len(dict_items(value, "statuses")) + (not messages)
        return parsed

    async def show_typing(self, api: ChannelContext, envelope: Envelope) -> None:
        """Mark as read and show the typing indicator, in one call."""
        mark: Json = {
            **_PRODUCT,
            "status": "read",
            "message_id": envelope.message_id,
            "typing_indicator": {"type": "text"},
        }
        await self._post(api, envelope, mark)

    async def send(self, api: ChannelContext, envelope: Envelope, text: str, tag: str) -> str:
        """Send a text; the statuses that Meta reports carry `tag`."""
        to, recipient = envelope.recipient, envelope.recipient.removeprefix(SCOPED)
        whom = {"to": to} if to == recipient else {"recipient": recipient}
        content = {"type": "text", "text": {"preview_url": False, "body": text}, "biz_opaque_callback_data": tag}
        answer = await self._post(api, envelope, {**_PRODUCT, "recipient_type": "individual", **whom, **content})
        return next((clean_id(message, "id") for message in dict_items(answer, "messages")), "")

    def _tokens(self, settings: SendSettings) -> tuple[str, ...]:
        return active_tokens(settings.whatsapp_token)


CHANNEL = WhatsApp()
