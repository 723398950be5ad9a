"""Events of channels as their senders make them: the bodies, and the signatures over their very bytes."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Literal, get_args

ChannelName = Literal["messenger", "whatsapp", "telegram", "generic"]
CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)
BATCHED: frozenset[ChannelName] = frozenset({"messenger", "whatsapp"})
"""The webhooks of other channels carry one message each."""
PAGE, PHONE_NUMBER = "100000000000001", "100000000000002"
"""The page and phone-number ids of events that are sent for a try, where the configuration names none."""
STALE_SECONDS = {"messenger": 2 * 86_400, "whatsapp": 2 * 86_400, "telegram": 2 * 86_400, "generic": 600}
_SECRETS = {
    "messenger": "META_APP_SECRET",
    "whatsapp": "META_APP_SECRET",
    "telegram": "TELEGRAM_WEBHOOK_SECRET",
    "generic": "WEBHOOK_SECRET",
}


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """A message: sender, recipient, text and time (seconds since the epoch). `account` is a page or phone number."""

    text: str
    sender: str
    account: str
    message_id: str
    at: float


def secret_name(channel: ChannelName) -> str:
    """Return the variable that signs a channel's events."""
    return _SECRETS[channel]


def new_message_id(channel: ChannelName) -> str:
    """Return an id as the channel makes them."""
    if channel == "telegram":
        return str(secrets.randbelow(2**31))
    token = secrets.token_urlsafe(18)
    return {"messenger": f"m_{token}", "whatsapp": f"wamid.{token}", "generic": f"msg_{token}"}[channel]


def webhook_body(channel: ChannelName, messages: list[SampleMessage]) -> bytes:
    """Return the body of one webhook. Meta escapes non-ASCII characters."""
    if channel not in BATCHED:
        (said,) = messages
        event = _update(said) if channel == "telegram" else _event(said)
        return json.dumps(event, ensure_ascii=False).encode()
    kind = "page" if channel == "messenger" else "whatsapp_business_account"
    make = _page_entry if channel == "messenger" else _business_entry
    document = {"object": kind, "entry": [make(said) for said in messages]}
    return json.dumps(document, separators=(",", ":")).encode()


def _event(said: SampleMessage) -> dict[str, object]:
    return {"tenant": said.account, "user_id": said.sender, "message_id": said.message_id, "text": said.text}


def _update(said: SampleMessage) -> dict[str, object]:
    who = int(said.sender) if said.sender.isdecimal() else said.sender
    person = {"id": who, "is_bot": False, "first_name": "SalamBot"}
    chat = {"id": who, "first_name": "SalamBot", "type": "private"}
    message = {"message_id": 1, "from": person, "chat": chat, "date": int(said.at), "text": said.text}
    return {"update_id": int(said.message_id), "message": message}


def _page_entry(said: SampleMessage) -> dict[str, object]:
    moment = int(said.at * 1000)
    item = {
        "sender": {"id": said.sender},
        "recipient": {"id": said.account},
        "timestamp": moment,
        "message": {"mid": said.message_id, "text": said.text},
    }
    return {"id": said.account, "time": moment, "messaging": [item]}


def _business_entry(said: SampleMessage) -> dict[str, object]:
    message = {
        "from": said.sender,
        "id": said.message_id,
        "timestamp": str(int(said.at)),
        "type": "text",
        "text": {"body": said.text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "212520000000", "phone_number_id": said.account},
        "contacts": [{"profile": {"name": "SalamBot"}, "wa_id": said.sender}],
        "messages": [message],
    }
    return {"id": "0", "changes": [{"field": "messages", "value": value}]}


def signed_headers(channel: ChannelName, secret: str, body: bytes, *, at: float | None = None) -> dict[str, str]:
    """Return the headers of a webhook, signed with the newest of the secrets."""
    newest = secret.split(",", maxsplit=1)[0].strip()
    headers = {"Content-Type": "application/json", "User-Agent": "salambot-webhook"}
    if channel == "telegram":
        return {**headers, "X-Telegram-Bot-Api-Secret-Token": newest}
    if channel != "generic":
        digest = hmac.new(newest.encode(), body, hashlib.sha256).hexdigest()
        return {**headers, "X-Hub-Signature-256": f"sha256={digest}"}
    identifier, moment = f"msg_{secrets.token_hex(12)}", str(int(time.time() if at is None else at))
    key = base64.b64decode(newest.removeprefix("whsec_"))
    digest = base64.b64encode(
        hmac.new(key, b".".join((identifier.encode(), moment.encode(), body)), hashlib.sha256).digest()
    ).decode()
    return {
        **headers,
        "webhook-id": identifier,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{digest}",
    }
