"""Telegram: one bot, the private chats of its users, and the Bot API."""

import hmac
from collections.abc import Mapping
from datetime import datetime

from salambot.core.schemas import Channel as ReplyChannel
from salambot.webhooks.channel_client import (
    ChannelContext,
    ChannelResponse,
    Envelope,
    Json,
    SendError,
    TokenRefusedError,
    parse_retry_after,
    post_json,
    with_token_fallback,
)
from salambot.webhooks.channels.base import (
    SOLE_ACCOUNT,
    InboundMessage,
    InvalidSignatureError,
    ParsedWebhook,
    clean_id,
    clean_text,
    get_path,
    moment_of_number,
    plain_text,
    read_json,
)
from salambot.webhooks.settings import WebhookSettings

_MEDIA = frozenset(
    {
        "animation", "audio", "contact", "dice", "document", "location", "photo", "poll", "sticker", "story", "venue",
        "video", "video_note", "voice",
    }
)  # fmt: skip
_TOPIC = "/"
"""Stands between a chat and the topic in it that a reply belongs to."""


class Telegram:
    """https://core.telegram.org/bots/api: updates by webhook, with the secret given to `setWebhook`."""

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
            raise InvalidSignatureError("missing_signature", detail, "missing")
        if not sum(hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace")) for secret in secrets):
            detail = "X-Telegram-Bot-Api-Secret-Token is not the secret of this bot."
            raise InvalidSignatureError("invalid_signature", detail, "wrong_secret")

    def verify(self, secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Compare the secret: there is no more to verify."""
        del body, now
        self.check_headers(secrets, headers)

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedWebhook:
        """Read the one update: new messages of people in private chats count; edits, groups, callbacks do not."""
        del headers
        update = read_json(body)
        message = _message(clean_id(update, "update_id"), get_path(update, "message"))
        return ParsedWebhook([message]) if message is not None else ParsedWebhook(ignored=1)

    def can_send(self, api: ChannelContext) -> bool:
        """Return whether TELEGRAM_BOT_TOKEN is set."""
        return bool(api.settings.active("TELEGRAM_BOT_TOKEN"))

    async def show_typing(self, api: ChannelContext, envelope: Envelope) -> None:
        """Show the typing indicator; bots cannot mark messages as read."""
        await _call(api, "sendChatAction", {**_to(envelope), "action": "typing"})

    async def send(self, api: ChannelContext, envelope: Envelope, text: str, tag: str) -> str:
        """Send a text as it is, without markup and without a preview of its links."""
        del tag
        plain = {**_to(envelope), "text": text, "link_preview_options": {"is_disabled": True}}
        return clean_id(await _call(api, "sendMessage", plain), "result", "message_id")


def _message(update_id: str, message: object) -> InboundMessage | None:
    """Return the message of an update: it keeps its id when it is delivered again, and its chat is replied to."""
    user, chat = clean_id(message, "from", "id"), clean_id(message, "chat", "id")
    is_private = get_path(message, "chat", "type") == "private" and get_path(message, "from", "is_bot") is not True
    sent_at = moment_of_number(message, "date")
    if not (update_id and user and chat and is_private and isinstance(message, dict)) or sent_at is None:
        return None
    locale, text = _language(message), clean_text(message, "text") or clean_text(message, "caption")
    topic = clean_id(message, "message_thread_id") if get_path(message, "is_topic_message") is True else ""
    recipient = f"{chat}{_TOPIC}{topic}" if topic else chat
    if text.strip():
        return InboundMessage(
            SOLE_ACCOUNT, user, recipient, update_id, sent_at, "text", plain_text(text, locale), locale
        )
    if _MEDIA & message.keys():
        return InboundMessage(SOLE_ACCOUNT, user, recipient, update_id, sent_at, "unsupported", "", locale)
    return None


def _to(envelope: Envelope) -> Json:
    """Return the chat of a recipient, and the topic in it where the customer wrote in one."""
    chat, _, topic = envelope.recipient.partition(_TOPIC)
    return {"chat_id": chat, "message_thread_id": int(topic)} if topic.isdigit() else {"chat_id": chat}


def _language(message: object) -> str | None:
    """Return the language of the user's app, such as `fr` of `fr-ma`."""
    code = clean_text(message, "from", "language_code").partition("-")[0]
    return code.lower() if 2 <= len(code) <= 8 and code.isascii() and code.isalpha() else None


async def _call(api: ChannelContext, method: str, message: Json) -> Json:
    """Call a method of the Bot API; the token is in the path, so no URL is ever shown. Raises SendError."""
    base = next(iter(api.settings.active("TELEGRAM_BASE_URL")), "https://api.telegram.org").rstrip("/")

    async def send(token: str) -> Json:
        answer = await post_json(api, f"{base}/bot{token}/{method}", message, peer="telegram")
        if answer.status == 200 and answer.document.get("ok") is True:
            return answer.document
        raise _refused(answer)

    return await with_token_fallback(api.settings.active("TELEGRAM_BOT_TOKEN"), send)


def _refused(answer: ChannelResponse) -> SendError:
    if answer.status == 429:
        asked = parse_retry_after(get_path(answer.document, "parameters", "retry_after"))
        return SendError("telegram_busy", "later", asked or answer.retry_after_s)
    if answer.status in {401, 404}:  # as it answers to a token that is no bot's
        return TokenRefusedError("telegram_token")
    if answer.status >= 500 or answer.status == 200:
        return SendError("telegram_failed", "again", answer.retry_after_s)
    return SendError(f"telegram_refused_{answer.status}", "never")  # 403: the user has blocked the bot


CHANNEL = Telegram()
