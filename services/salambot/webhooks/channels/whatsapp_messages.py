"""WhatsApp's kinds of messages, in three classes: those that hold a text, media, and events.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/reference/messages
"""

from dataclasses import replace
from datetime import datetime

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
)

SCOPED = "user:"
"""Prefix of a recipient that is a business-scoped user id: there may be no phone number."""
_TEXTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "text": (("text", "body"),),
    "button": (("button", "text"), ("button", "payload")),
    "interactive": (
        ("interactive", "button_reply", "title"),
        ("interactive", "list_reply", "title"),
        ("interactive", "list_reply", "description"),
        ("interactive", "button_reply", "id"),
        ("interactive", "list_reply", "id"),
    ),
    "image": (("image", "caption"),),
    "video": (("video", "caption"),),
    "document": (("document", "caption"),),
    "order": (("order", "text"),),
}
"""Where each kind of message holds what the customer wrote or chose, the first that is there."""
_EVENTS = frozenset({"reaction", "system", "ephemeral", "errors"})
"""Kinds that nobody expects an answer to."""
_SILENT_ANSWERS = frozenset({"nfm_reply", "call_permission_reply"})
"""Kinds of `interactive`: a form that was sent in, a call that was allowed."""
_MEDIA = frozenset(
    {"image", "video", "document", "audio", "voice", "sticker", "location", "contacts", "order", "unsupported"}
)


def read_message(value: object, item: dict[str, object], parsed: ParsedWebhook) -> None:
    """Add one element of `messages` to what the webhook holds: a message, an event, or something that is ignored."""
    base = _base(value, item)
    if base is None:
        parsed.ignored += 1
    elif item.get("group_id"):
        parsed.ignored += 1
        parsed.causes["group"] += 1
    elif (message := _message(base, item, parsed)) is not None:
        parsed.messages.append(message)
    else:
        parsed.ignored += 1


def _base(value: object, item: dict[str, object]) -> InboundMessage | None:
    """Return who wrote what when, without its content; None where the item names nobody, or no time."""
    account, identifier = clean_id(value, "metadata", "phone_number_id"), clean_id(item, "id")
    sent_at = moment(item, "timestamp")
    phone, scoped = _ids(value, item)
    if not (account and identifier and (phone or scoped)) or sent_at is None:
        return None
    return _incoming(account, identifier, sent_at, phone, scoped)


def _incoming(account: str, identifier: str, sent_at: datetime, phone: str, scoped: str) -> InboundMessage:
    recipient = phone or f"{SCOPED}{scoped}"
    other = phone if scoped and phone != scoped else ""
    return InboundMessage(account, scoped or phone, recipient, identifier, sent_at, "unsupported", other_id=other)


def _ids(value: object, item: dict[str, object]) -> tuple[str, str]:
    """Return the sender's phone number and business-scoped user id; what the message leaves out, its contact says."""
    phone, scoped = clean_id(item, "from"), clean_id(item, "from_user_id")
    if not (phone or scoped):  # of a change of ids that names the customer by the ids alone
        scoped = clean_id(item, "system", "previous_user_id") or clean_id(item, "system", "user_id")
    contacts = dict_items(value, "contacts")
    same = [
        one
        for one in contacts
        if (phone and clean_id(one, "wa_id") == phone) or (scoped and clean_id(one, "user_id") == scoped)
    ]
    contact = same[0] if same else contacts[0] if len(contacts) == 1 and not (phone or scoped) else {}
    return phone or clean_id(contact, "wa_id"), scoped or clean_id(contact, "user_id")


def _message(base: InboundMessage, item: dict[str, object], parsed: ParsedWebhook) -> InboundMessage | None:
    """Return the message of an item, None for an event; what the event changes is added to `parsed`."""
    kind = clean_text(item, "type")
    if kind == "edit":
        return _edit(base, item)
    if kind == "revoke":
        original = clean_id(item, "revoke", "original_message_id")
        parsed.events += [replace(base, kind="revoked", replaces=original, other_id="")] if original else []
        return None
    if kind == "system":
        parsed.events += _new_ids(base, item)
        return None
    if kind == "request_welcome":
        return replace(base, kind="text", text=greeting())
    return None if kind in _EVENTS else _content(base, kind, item, parsed)


def _content(base: InboundMessage, kind: str, item: dict[str, object], parsed: ParsedWebhook) -> InboundMessage | None:
    paths = _TEXTS.get(kind, ((kind, "caption"), (kind, "text"), (kind, "body"), (kind, "title")) if kind else ())
    text = next((found for path in paths if (found := clean_text(item, *path)).strip()), "")
    if text:
        return replace(base, kind="text", text=plain_text(text))
    if kind in {"text", "button", ""} or clean_text(item, "interactive", "type") in _SILENT_ANSWERS:
        return None
    if kind not in _MEDIA:
        parsed.causes["a kind of message that is not known"] += 1
    return base


def _edit(base: InboundMessage, item: dict[str, object]) -> InboundMessage | None:
    """Return an edit: the message as it reads now, and which one it replaces."""
    changed = get_path(item, "edit", "message")
    if not isinstance(changed, dict):
        return None
    message = _content(base, clean_text(changed, "type"), changed, ParsedWebhook())
    original = clean_id(item, "edit", "original_message_id")
    return replace(message, replaces=original) if message is not None and message.kind == "text" else None


def _new_ids(base: InboundMessage, item: dict[str, object]) -> list[InboundMessage]:
    """Return what links the ids of a customer who changed the number or the user name."""
    new = [clean_id(item, "system", name) for name in ("wa_id", "new_wa_id", "user_id", "new_user_id")]
    old = [base.user, base.other_id, *(clean_id(item, "system", name) for name in ("customer", "previous_user_id"))]
    known = next(filter(None, old))
    return [
        replace(base, kind="link", user=one, other_id=known, message_id=f"{base.message_id}#{one}")
        for one in dict.fromkeys([*new, *old])
        if one and one != known
    ]
