"""Messenger: pages, their users, and the Send API."""

import re
from collections.abc import Mapping
from dataclasses import replace

from salambot.channels.base import (
    Incoming,
    Parsed,
    greeting,
    id_of,
    items,
    member,
    moment_of_number,
    plain_text,
    read_json,
    text_of,
)
from salambot.channels.meta import MetaChannel
from salambot.delivery.sending import Api, Envelope, Json, tokens
from salambot.delivery.settings import SendSettings
from salambot.messages import Channel as ReplyChannel

_GET_STARTED = re.compile(r"^\s*(?:get[ _]?started|d[ée]marrer|commencer|ابدأ|البدء)\b", re.IGNORECASE)
_THUMBS = frozenset({"369239263222822", "369239343222814", "369239383222810"})
"""Stickers of the thumb, small, middle and large: what the app sends for a tap on it."""


class Messenger(MetaChannel):
    """https://developers.facebook.com/docs/messenger-platform, webhooks of pages."""

    name = "messenger"
    speaks_as: ReplyChannel = "messenger"
    longest_text = 1_999

    def parse(self, headers: Mapping[str, str], body: bytes) -> Parsed:
        """Read every entry and item: messages of users count; echoes, deliveries, reads, reactions, standby do not."""
        del headers
        parsed = Parsed()
        document = read_json(body)
        is_page = member(document, "object") == "page"
        for entry in items(document, "entry"):
            parsed.ignored += len(items(entry, "standby")) + len(items(entry, "changes"))
            for item in items(entry, "messaging"):
                message = _message(id_of(entry, "id"), item) if is_page else None
                if message is None:
                    parsed.ignored += 1
                else:
                    parsed.messages.append(message)
        return parsed

    async def greet(self, api: Api, envelope: Envelope) -> None:
        """Mark as read, then type."""
        for action in ("mark_seen", "typing_on"):
            await self._post(api, envelope, {**_to(envelope), "sender_action": action})

    async def send(self, api: Api, envelope: Envelope, text: str, tag: str) -> str:
        """Send a response; the echo that Meta reports carries `tag`."""
        response = {"messaging_type": "RESPONSE", "message": {"text": text, "metadata": tag}}
        return id_of(await self._post(api, envelope, {**_to(envelope), **response}), "message_id")

    def _tokens(self, settings: SendSettings) -> tuple[str, ...]:
        return tokens(settings.meta_page_token)


def _to(envelope: Envelope) -> Json:
    return {"recipient": {"id": envelope.recipient}}


def _message(page: str, item: dict[str, object]) -> Incoming | None:
    """Return what a customer wrote or chose; None for all else."""
    sender, sent_at = id_of(item, "sender", "id"), moment_of_number(item, "timestamp", per_second=1000)
    if not (page and sender) or sender == page or sent_at is None or member(item, "message", "is_echo") is True:
        return None
    base = Incoming(page, sender, sender, id_of(item, "message", "mid"), sent_at)
    if isinstance(item.get("postback"), dict):
        return _choice(base, item)
    if isinstance(item.get("message_edit"), dict):
        return _edit(base, item)
    text = text_of(item, "message", "text")
    if text.strip() and base.message_id:
        return replace(base, text=plain_text(text))
    attachments = items(item.get("message"), "attachments")
    if not attachments or not base.message_id:
        return None
    if _THUMBS & {id_of(one, "payload", "sticker_id") for one in attachments}:
        return replace(base, text="👍")
    return replace(base, kind="unsupported")


def _choice(base: Incoming, item: dict[str, object]) -> Incoming | None:
    """Return what a button, an ice-breaker or an item of the menu says; of Get started a greeting."""
    title, payload = text_of(item, "postback", "title"), text_of(item, "postback", "payload")
    mid = id_of(item, "postback", "mid") or f"postback.{base.user}.{base.sent_at.timestamp():.3f}"
    if _GET_STARTED.search(payload) or _GET_STARTED.search(title):
        return replace(base, message_id=mid, text=greeting())
    text = title if title.strip() else payload
    return replace(base, message_id=mid, text=plain_text(text)) if text.strip() else None


def _edit(base: Incoming, item: dict[str, object]) -> Incoming | None:
    original, text = id_of(item, "message_edit", "mid"), text_of(item, "message_edit", "text")
    edits = id_of(item, "message_edit", "num_edit") or "1"
    if not (original and text.strip()):
        return None
    return replace(base, message_id=f"{original}#{edits}"[:512], replaces=original, text=plain_text(text))


CHANNEL = Messenger()
