"""Messenger: pages, their users, and the Send API."""

from collections.abc import Mapping
from datetime import datetime

from salambot import meta
from salambot.channels.base import Incoming, Kind, Parsed, id_of, items, member, moment, read_json, text_of
from salambot.delivery.sending import Api, Envelope, tokens
from salambot.delivery.settings import WebhookSettings
from salambot.messages import Channel as ReplyChannel


class Messenger:
    """https://developers.facebook.com/docs/messenger-platform, webhooks of pages."""

    name = "messenger"
    shakes_hands = True
    names_tenants = False
    max_age_s = meta.MAX_AGE_S
    speaks_as: ReplyChannel = "messenger"
    longest_text = 1_999
    window_s = meta.WINDOW_S
    sends = True

    def secrets(self, settings: WebhookSettings) -> tuple[str, ...]:
        """Return the app secrets."""
        return meta.app_secrets(settings)

    def verify(self, secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Check Meta's signature, which carries no time."""
        del now
        meta.verify(secrets, headers, body)

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

    def can_send(self, api: Api) -> bool:
        """Tell whether META_PAGE_TOKEN is set."""
        return bool(tokens(api.settings.meta_page_token))

    async def greet(self, api: Api, envelope: Envelope) -> None:
        """Mark as read, then type."""
        for action in ("mark_seen", "typing_on"):
            await self._post(api, envelope, {"sender_action": action})

    async def send(self, api: Api, envelope: Envelope, text: str, tag: str) -> str:
        """Send a response; the echo that Meta reports carries `tag`."""
        body = {"messaging_type": "RESPONSE", "message": {"text": text, "metadata": tag}}
        return id_of(await self._post(api, envelope, body), "message_id")

    async def _post(self, api: Api, envelope: Envelope, body: meta.Json) -> meta.Json:
        message = {"recipient": {"id": envelope.recipient}, **body}
        return await meta.post(api, envelope.account, tokens(api.settings.meta_page_token), message)


def _message(page: str, item: dict[str, object]) -> Incoming | None:
    sender, mid, time = id_of(item, "sender", "id"), id_of(item, "message", "mid"), item.get("timestamp")
    if not (page and sender and mid) or sender == page or member(item, "message", "is_echo") is True:
        return None
    sent_at = moment(time / 1000) if isinstance(time, int) and not isinstance(time, bool) else None
    text = text_of(item, "message", "text")
    kind: Kind = "text" if text.strip() else "unsupported"
    if sent_at is None or (kind == "unsupported" and not items(item["message"], "attachments")):
        return None
    return Incoming(page, sender, sender, mid, sent_at, kind, text)


CHANNEL = Messenger()
