"""Messenger: pages, their users, and the Send API."""

import re
from collections.abc import Mapping
from dataclasses import replace

from salambot.core.schemas import Channel as ReplyChannel
from salambot.webhooks.channel_client import ChannelContext, Envelope, Json, active_tokens
from salambot.webhooks.channels.base import (
    InboundMessage,
    ParsedWebhook,
    clean_id,
    clean_text,
    dict_items,
    get_path,
    greeting,
    moment,
    plain_text,
    read_json,
)
from salambot.webhooks.channels.meta import MetaChannel
from salambot.webhooks.settings import SendSettings

_GET_STARTED = re.compile(r"^\s*(?:get[ _]?started|d[ée]marrer|commencer|ابدأ|البدء)\b", re.IGNORECASE)
_THUMBS = frozenset({"369239263222822", "369239343222814", "369239383222810"})
"""Stickers of the thumb, small, middle and large: what the app sends for a tap on it."""


class Messenger(MetaChannel):
    """https://developers.facebook.com/docs/messenger-platform, webhooks of pages."""

    name = "messenger"
    speaks_as: ReplyChannel = "messenger"
    longest_text = 1_999

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedWebhook:
        """Read every entry and item: messages of users count; echoes, deliveries, reads, reactions, standby do not."""
        del headers
        parsed = ParsedWebhook()
        document = read_json(body)
        is_page = get_path(document, "object") == "page"
        for entry in dict_items(document, "entry"):
            parsed.ignored += len(dict_items(entry, "standby")) + len(dict_items(entry, "changes"))
            for item in dict_items(entry, "messaging"):
                message = _message(clean_id(entry, "id"), item) if is_page else None
                if message is None:
                    parsed.ignored += 1
                else:
                    parsed.messages.append(message)
        return parsed

    async def show_typing(self, api: ChannelContext, envelope: Envelope) -> None:
        """Mark as read, then type."""
        for action in ("mark_seen", "typing_on"):
            await self._post(api, envelope, {**_to(envelope), "sender_action": action})

    async def send(self, api: ChannelContext, envelope: Envelope, text: str, tag: str) -> str:
        """Send a response; the echo that Meta reports carries `tag`."""
        response = {"messaging_type": "RESPONSE", "message": {"text": text, "metadata": tag}}
        return clean_id(await self._post(api, envelope, {**_to(envelope), **response}), "message_id")

    def _tokens(self, settings: SendSettings) -> tuple[str, ...]:
        return active_tokens(settings.meta_page_token)


def _to(envelope: Envelope) -> Json:
    return {"recipient": {"id": envelope.recipient}}


def _message(page: str, item: dict[str, object]) -> InboundMessage | None:
    """Return what a customer wrote or chose; None for all else."""
    sender, sent_at = clean_id(item, "sender", "id"), moment(item, "timestamp", per_second=1000)
    if not (page and sender) or sender == page or sent_at is None or get_path(item, "message", "is_echo") is True:
        return None
    base = InboundMessage(page, sender, sender, clean_id(item, "message", "mid"), sent_at)
    if isinstance(item.get("postback"), dict):
        return _choice(base, item)
    if isinstance(item.get("message_edit"), dict):
        return _edit(base, item)
    text = clean_text(item, "message", "text") or clean_text(item, "message", "quick_reply", "payload")
    if text.strip() and base.message_id:
        return replace(base, text=plain_text(text))
    attachments = dict_items(item.get("message"), "attachments")
    is_nothing = isinstance(get_path(item, "message", "text"), str) or get_path(item, "message", "is_deleted") is True
    if not base.message_id or (is_nothing and not attachments):
        return None
    if _THUMBS & {clean_id(one, "payload", "sticker_id") for one in attachments}:
        return replace(base, text="👍")
    return replace(base, kind="unsupported")


def _choice(base: InboundMessage, item: dict[str, object]) -> InboundMessage | None:
    """Return what a button, an ice-breaker or an item of the menu says; of Get started a greeting."""
    title, payload = clean_text(item, "postback", "title"), clean_text(item, "postback", "payload")
    mid = clean_id(item, "postback", "mid") or f"postback.{base.user}.{base.sent_at.timestamp():.3f}"
    if _GET_STARTED.search(payload) or _GET_STARTED.search(title):
        return replace(base, message_id=mid, text=greeting())
    text = title if title.strip() else payload
    return replace(base, message_id=mid, text=plain_text(text)) if text.strip() else None


def _edit(base: InboundMessage, item: dict[str, object]) -> InboundMessage | None:
    original, text = clean_id(item, "message_edit", "mid"), clean_text(item, "message_edit", "text")
    edits = clean_id(item, "message_edit", "num_edit") or "1"
    if not (original and text.strip()):
        return None
    return replace(base, message_id=f"{original}#{edits}"[:512], replaces=original, text=plain_text(text))


CHANNEL = Messenger()
