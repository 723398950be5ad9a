"""Webhooks as their senders make them: bodies, and the signatures over their bytes."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

Json = dict[str, Any]
APP_SECRET = "app_secret_demo"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TELEGRAM_SECRET = "telegram-secret"
PAGE, PHONE = "1064", "10642"


def messenger_message(text: str = "Bonjour", *, mid: str = "m_1", sender: str = "u1", at: float | None = None) -> Json:
    """Return one element of `messaging`."""
    moment = int((time.time() if at is None else at) * 1000)
    return {
        "sender": {"id": sender},
        "recipient": {"id": PAGE},
        "timestamp": moment,
        "message": {"mid": mid, "text": text},
    }


def messenger(*items: Json, page: str = PAGE) -> bytes:
    """Return a body of Messenger, escaped as Meta escapes it."""
    entry = {"id": page, "time": int(time.time() * 1000), "messaging": list(items)}
    return json.dumps({"object": "page", "entry": [entry]}, separators=(",", ":")).encode()


def whatsapp_message(
    text: str = "Salam", *, mid: str = "wamid.1", sender: str = "2126", at: float | None = None
) -> Json:
    """Return one element of `messages`."""
    moment = str(int(time.time() if at is None else at))
    return {"from": sender, "id": mid, "timestamp": moment, "type": "text", "text": {"body": text}}


def whatsapp(*items: Json, phone: str = PHONE, **value: object) -> bytes:
    """Return a body of WhatsApp."""
    metadata = {"display_phone_number": "212520000000", "phone_number_id": phone}
    content = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    if items:
        content["messages"] = list(items)
    change = {"field": "messages", "value": content}
    entry = {"id": "waba", "changes": [change]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, separators=(",", ":")).encode()


def generic(**changes: object) -> bytes:
    """Return a body of the generic channel."""
    event = {"tenant": "demo", "user_id": "u1", "message_id": "g_1", "text": "Bonjour", "locale": "fr-MA", **changes}
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def telegram(
    text: str | None = "Salam", *, update: int = 1, user: int = 77, at: float | None = None, **changes: object
) -> bytes:
    """Return an update with a message in a private chat; a change to None removes what is usually there."""
    person = {"id": user, "is_bot": False, "first_name": "Amal", "language_code": "fr"}
    moment = int(time.time() if at is None else at)
    chat = {"id": user, "first_name": "Amal", "type": "private"}
    message = {"message_id": update, "from": person, "chat": chat, "date": moment, "text": text, **changes}
    kept = {name: value for name, value in message.items() if value is not None}
    return json.dumps({"update_id": update, "message": kept}).encode()


def by_telegram(body: bytes, secret: str = TELEGRAM_SECRET) -> dict[str, str]:
    """Return the headers that Telegram sends: the secret of `setWebhook`, whatever the body."""
    del body
    return {"X-Telegram-Bot-Api-Secret-Token": secret, "Content-Type": "application/json"}


def by_meta(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    """Return the headers that Meta sends with a body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


def by_standard(
    body: bytes, secret: str = WEBHOOK_SECRET, *, at: float | None = None, identifier: str = "msg_1"
) -> dict[str, str]:
    """Return the headers of Standard Webhooks."""
    moment = str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, b".".join((identifier.encode(), moment.encode(), body)), hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {
        "webhook-id": identifier,
        "webhook-timestamp": moment,
        "webhook-signature": signature,
        "Content-Type": "application/json",
    }
