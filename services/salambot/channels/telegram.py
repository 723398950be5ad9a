"""Telegram: one bot, the private chats of its users, and the Bot API."""

import hmac
from collections.abc import Mapping
from datetime import datetime

from salambot.channels.base import (
    SOLE_ACCOUNT,
    Incoming,
    Parsed,
    SignatureRefusedError,
    id_of,
    member,
    moment_of_number,
    plain_text,
    read_json,
    text_of,
)
from salambot.delivery.sending import Answer, Api, Envelope, Json, SendError, TokenRefusedError, by_token, post, seconds
from salambot.delivery.settings import WebhookSettings
from salambot.messages import Channel as ReplyChannel

_MEDIA = frozenset(
    {
        "animation", "audio", "contact", "dice", "document", "location", "photo", "poll", "sticker", "story", "venue",
        "video", "video_note", "voice",
    }
)  # fmt: skip
_TOPIC = "/"
"""Stands between a chat and the topic in it that a reply belongs to."""


class Telegram:
    """https://core.telegram.org/bots/api: updates by webhook, with the secret that `setWebhook` was given."""

    name = "telegram"
    shakes_hands = False
    names_tenants = False
    max_age_s = 86_400
    """The secret covers no time, and Telegram keeps what it could not deliver for 24 hours."""
    speaks_as: ReplyChannel = "api"
    longest_text = 4_096
    window_s = None
    sends = True

    def secrets(self, settings: WebhookSettings) -> tuple[str, ...]:
        """Return the active values of TELEGRAM_WEBHOOK_SECRET."""
        return settings.active("TELEGRAM_WEBHOOK_SECRET")

    def check_headers(self, secrets: tuple[str, ...], headers: Mapping[str, str]) -> None:
        """Compare the secret that comes with every update, in constant time; it signs neither body nor time."""
        given = headers.get("x-telegram-bot-api-secret-token")
        if given is None:
            detail = "X-Telegram-Bot-Api-Secret-Token is needed."
            raise SignatureRefusedError("missing_signature", detail, "missing")
        if not sum(hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace")) for secret in secrets):
            detail = "X-Telegram-Bot-Api-Secret-Token is not the secret of this bot."
            raise SignatureRefusedError("invalid_signature", detail, "wrong_secret")

    def verify(self, secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Compare the secret: there is no more to verify."""
        del body, now
        self.check_headers(secrets, headers)

    def parse(self, headers: Mapping[str, str], body: bytes) -> Parsed:
        """Read the one update: new messages of people in private chats count; edits, groups, callbacks do not."""
        del headers
        update = read_json(body)
        message = _message(id_of(update, "update_id"), member(update, "message"))
        return Parsed([message]) if message is not None else Parsed(ignored=1)

    def can_send(self, api: Api) -> bool:
        """Tell whether TELEGRAM_BOT_TOKEN is set."""
        return bool(api.settings.active("TELEGRAM_BOT_TOKEN"))

    async def greet(self, api: Api, envelope: Envelope) -> None:
        """Type; bots cannot mark as read."""
        await _call(api, "sendChatAction", {**_to(envelope), "action": "typing"})

    async def send(self, api: Api, envelope: Envelope, text: str, tag: str) -> str:
        """Send a text as it is, without markup and without a preview of its links."""
        del tag
        plain = {**_to(envelope), "text": text, "link_preview_options": {"is_disabled": True}}
        return id_of(await _call(api, "sendMessage", plain), "result", "message_id")


def _message(update_id: str, message: object) -> Incoming | None:
    """Return the message of an update: it keeps its id when it is delivered again, and its chat is replied to."""
    user, chat = id_of(message, "from", "id"), id_of(message, "chat", "id")
    is_private = member(message, "chat", "type") == "private" and member(message, "from", "is_bot") is not True
    sent_at = moment_of_number(message, "date")
    if not (update_id and user and chat and is_private and isinstance(message, dict)) or sent_at is None:
        return None
    locale, text = _language(message), text_of(message, "text") or text_of(message, "caption")
    topic = id_of(message, "message_thread_id") if member(message, "is_topic_message") is True else ""
    recipient = f"{chat}{_TOPIC}{topic}" if topic else chat
    if text.strip():
        return Incoming(SOLE_ACCOUNT, user, recipient, update_id, sent_at, "text", plain_text(text, locale), locale)
    if _MEDIA & message.keys():
        return Incoming(SOLE_ACCOUNT, user, recipient, update_id, sent_at, "unsupported", "", locale)
    return None


def _to(envelope: Envelope) -> Json:
    """Return the chat of a recipient, and the topic in it where the customer wrote in one."""
    chat, _, topic = envelope.recipient.partition(_TOPIC)
    return {"chat_id": chat, "message_thread_id": int(topic)} if topic.isdigit() else {"chat_id": chat}


def _language(message: object) -> str | None:
    """Return the language of the user's app, such as `fr` of `fr-ma`."""
    code = text_of(message, "from", "language_code").partition("-")[0]
    return code.lower() if 2 <= len(code) <= 8 and code.isascii() and code.isalpha() else None


async def _call(api: Api, method: str, message: Json) -> Json:
    """Call a method of the Bot API; the token is in the path, so no URL is ever shown. Raises SendError."""
    base = next(iter(api.settings.active("TELEGRAM_BASE_URL")), "https://api.telegram.org").rstrip("/")

    async def send(token: str) -> Json:
        answer = await post(api, f"{base}/bot{token}/{method}", message, peer="telegram")
        if answer.status == 200 and answer.document.get("ok") is True:
            return answer.document
        raise _refused(answer)

    return await by_token(api.settings.active("TELEGRAM_BOT_TOKEN"), send)


def _refused(answer: Answer) -> SendError:
    if answer.status == 429:
        asked = seconds(member(answer.document, "parameters", "retry_after"))
        return SendError("telegram_busy", "later", asked or answer.retry_after_s)
    if answer.status in {401, 404}:  # as it answers to a token that is no bot's
        return TokenRefusedError("telegram_token")
    if answer.status >= 500 or answer.status == 200:
        return SendError("telegram_failed", "again", answer.retry_after_s)
    return SendError(f"telegram_refused_{answer.status}", "never")  # 403: the user has blocked the bot


CHANNEL = Telegram()
