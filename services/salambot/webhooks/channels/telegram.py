"""Telegram: one bot, the private chats of its users, and the Bot API."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

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
    moment,
    plain_text,
    read_json,
)
from salambot.webhooks.settings import WebhookSettings

_MEDIA = frozenset(
    {
        "animation", "audio", "checklist", "contact", "dice", "document", "game", "location", "paid_media", "photo",
        "poll", "sticker", "story", "venue", "video", "video_note", "voice",
    }
)  # fmt: skip
_MESSAGES = ("message", "business_message", "edited_message", "edited_business_message")
"""The updates that hold a message; of channels, members, payments and the like a bot knows more, and answers none."""
_COMMAND = re.compile(r"\A/([A-Za-z0-9_]{1,32})(?:@\w+)?(?=\s|\Z)")
"""An item of the bot's menu: `/frais_de_livraison` asks for what its name says."""
_PART = "/"
"""Divides a recipient: chat, topic, business connection, message. Together they name one message of one chat."""


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
        """Read the one update: what people write, edit and choose in private chats counts."""
        del headers
        update = read_json(body)
        identifier = clean_id(update, "update_id")
        kind = next((name for name in _MESSAGES if isinstance(get_path(update, name), dict)), "")
        pressed = get_path(update, "callback_query")
        found = _choice(identifier, pressed) if pressed else _message(identifier, kind, get_path(update, kind))
        return ParsedWebhook([found]) if found is not None else ParsedWebhook(ignored=1)

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


def _message(identifier: str, kind: str, message: object) -> InboundMessage | None:
    """Return the message of an update: it keeps its id when it is delivered again, and its chat is replied to."""
    is_edit = kind.startswith("edited_")
    sent_at = moment(message, "edit_date" if is_edit else "date")
    base = _base(identifier, get_path(message, "from"), message, sent_at)
    if base is None or not isinstance(message, dict) or _is_own(message):
        return None
    text = clean_text(message, "text") or clean_text(message, "caption")
    if text.strip():
        original = base.recipient if is_edit else ""
        meant = _COMMAND.sub(lambda command: command[1].replace("_", " "), plain_text(text, base.locale))
        return replace(base, kind="text", text=meant, replaces=original)
    return base if _MEDIA & message.keys() and not is_edit else None


def _is_own(message: dict[str, object]) -> bool:
    """Return whether the business, or its bot, wrote in the customer's chat: of a business connection both are told."""
    in_name_of_business = clean_id(message, "business_connection_id") != ""
    return in_name_of_business and clean_id(message, "from", "id") != clean_id(message, "chat", "id")


def _choice(identifier: str, pressed: object) -> InboundMessage | None:
    """Return the label of the button that was pressed below a message, else what it stands for."""
    under, data = get_path(pressed, "message"), clean_text(pressed, "data")
    keyboard = get_path(under, "reply_markup", "inline_keyboard")
    rows = keyboard if isinstance(keyboard, list) else []
    buttons = [button for row in rows if isinstance(row, list) for button in row]
    labels = (clean_text(button, "text") for button in buttons if data and clean_text(button, "callback_data") == data)
    text = next(filter(str.strip, labels), data)
    base = _base(identifier, get_path(pressed, "from"), under, datetime.now(UTC))
    return replace(base, kind="text", text=plain_text(text, base.locale)) if base and text.strip() else None


def _base(identifier: str, person: object, message: object, sent_at: datetime | None) -> InboundMessage | None:
    """Return who wrote where and when, without its content; None for bots, groups and what names nobody."""
    user, chat, locale = clean_id(person, "id"), clean_id(message, "chat", "id"), _language(person)
    is_private = get_path(message, "chat", "type") == "private" and get_path(person, "is_bot") is not True
    if not (identifier and user and chat and is_private) or sent_at is None:
        return None
    topic = clean_id(message, "message_thread_id") if get_path(message, "is_topic_message") is True else ""
    connection, number = clean_id(message, "business_connection_id"), clean_id(message, "message_id")
    recipient = _PART.join((chat, topic, connection, number))
    return InboundMessage(SOLE_ACCOUNT, user, recipient, identifier, sent_at, "unsupported", "", locale)


def _to(envelope: Envelope) -> Json:
    """Return the chat of a recipient, with the topic and the business connection that the customer wrote in."""
    chat, topic, connection, _ = (*envelope.recipient.split(_PART), "", "", "")[:4]
    return {
        "chat_id": chat,
        **({"message_thread_id": int(topic)} if topic.isdigit() else {}),
        **({"business_connection_id": connection} if connection else {}),
    }


def _language(person: object) -> str | None:
    """Return the language of the user's app, such as `fr` of `fr-ma`."""
    code = clean_text(person, "language_code").partition("-")[0]
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
