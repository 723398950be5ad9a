"""Messenger: pages, their users, and the Send API."""

from collections.abc import Mapping

from salambot.channels.base import Incoming, Kind, Parsed, id_of, items, member, moment_of_number, read_json, text_of
from salambot.channels.meta import MetaChannel
from salambot.delivery.sending import Api, Envelope, Json, tokens
from salambot.delivery.settings import SendSettings
from salambot.messages import Channel as ReplyChannel


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
    sender, mid = id_of(item, "sender", "id"), id_of(item, "message", "mid")
    if not (page and sender and mid) or sender == page or member(item, "message", "is_echo") is True:
        return None
    sent_at = moment_of_number(item, "timestamp", per_second=1000)
    text = text_of(item, "message", "text")
    kind: Kind = "text" if text.strip() else "unsupported"
    if sent_at is None or (kind == "unsupported" and not items(item["message"], "attachments")):
        return None
    return Incoming(page, sender, sender, mid, sent_at, kind, text)


CHANNEL = Messenger()
