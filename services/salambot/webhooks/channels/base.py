"""The channel protocol: verify and parse webhooks, send replies."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

import orjson

from salambot.core.schemas import Channel as ReplyChannel
from salambot.webhooks.channel_client import ChannelContext, Envelope
from salambot.webhooks.settings import WebhookSettings

Kind = Literal["text", "unsupported", "revoked", "link"]
"""A message with a text, or one without; a message that its writer took back; two ids of one person."""
Cause = Literal["missing", "malformed", "wrong_secret", "rewritten", "drift"]
"""The known causes of a refused signature; told in the log and in `webhook list`, never to the caller."""
SOLE_ACCOUNT = "bot"
"""The account of a channel whose events name none, because an environment has only one."""
_MAX_TEXT_LENGTH = 32_000
_MAX_ID_LENGTH = 512
_LATEST = 253_402_300_799
"""9999-12-31 in seconds since the epoch: past it there are no datetimes."""
_MAX_DIGITS = 18
"""Of a whole number in an event: more never fit into 64 bits, and thousands are refused by Python itself."""


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message of a user. `account` is the page or phone number that it was sent to, or the tenant itself."""

    account: str
    user: str
    """The conversation key."""
    recipient: str
    """The recipient's address in the channel's format."""
    message_id: str
    sent_at: datetime
    kind: Kind = "text"
    text: str = field(default="", repr=False)
    locale: str | None = None
    other_id: str = field(default="", repr=False)
    """Another id of the same user; both stand for one person from then on."""
    replaces: str = ""
    """The id of the message that this one edits (or revokes)."""


@dataclass(slots=True)
class ParsedWebhook:
    """One webhook: the messages of users in it, and how many other things it held."""

    messages: list[InboundMessage] = field(default_factory=list)
    ignored: int = 0
    events: list[InboundMessage] = field(default_factory=list)
    """Events that change something stored and are no message: revocations, changes of ids. They count as ignored."""
    causes: Counter[str] = field(default_factory=Counter)
    """Why something was ignored, where that may surprise."""
    failures: Counter[str] = field(default_factory=Counter)
    """The channel's reports of replies that it could not deliver, in words."""


class InvalidSignatureError(Exception):
    """The signature is not good (401). `code` and `detail` go to the caller, `cause` does not."""

    def __init__(self, code: str, detail: str, cause: Cause) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.cause: Cause = cause


class InvalidBodyError(Exception):
    """The body is no JSON (400), or none of the channel's (422), though its signature is good."""

    def __init__(self, status: Literal[400, 422], code: str, detail: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail


class Channel(Protocol):
    """One channel. What the gateway needs comes first, what the worker needs after it."""

    name: str
    shakes_hands: bool
    """True if `GET` is Meta's handshake."""
    names_tenants: bool
    """True if an event names its tenant itself; otherwise its account decides."""
    max_age_s: int
    """How old an event may be, in seconds, where WEBHOOK_MAX_AGE_S does not say."""
    speaks_as: ReplyChannel
    """The `channel` of the request for a reply."""
    longest_text: int
    """Characters of one message; a longer reply is split."""
    window_s: int | None
    """For how long after a user's message a reply may be sent, in seconds."""
    sends: bool
    """True if replies are sent at all; otherwise they are kept for the caller that asks."""

    def secrets(self, settings: WebhookSettings) -> tuple[str, ...]:
        """Return the active secrets; none means that the channel is not configured."""

    def check_headers(self, secrets: tuple[str, ...], headers: Mapping[str, str]) -> None:
        """Refuse what the headers alone show to be unsigned, before its body is read. Raises InvalidSignatureError."""

    def verify(self, secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Check the signature of the raw bytes. Raises InvalidSignatureError."""

    def parse(self, headers: Mapping[str, str], body: bytes) -> ParsedWebhook:
        """Read a verified body. Raises InvalidBodyError."""

    def can_send(self, api: ChannelContext) -> bool:
        """Return whether there is a token to send with."""

    async def show_typing(self, api: ChannelContext, envelope: Envelope) -> None:
        """Show that the message is read and a reply is being written. Raises SendError."""

    async def send(self, api: ChannelContext, envelope: Envelope, text: str, tag: str) -> str:
        """Send one message; return the id that the channel gave it. Raises SendError."""


def read_json(body: bytes) -> object:
    """Parse a body. What orjson refuses in a single value spoils that value alone, never the others of a batch.

    Half of a surrogate pair becomes a question mark, a number past every bound null. Raises InvalidBodyError 400.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        document = json.loads(body, parse_int=_bounded_integer, parse_float=_bounded_float, parse_constant=_no_number)
        return orjson.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise InvalidBodyError(400, "bad_json", "The body is not valid JSON.") from error


def _bounded_integer(text: str) -> int | None:
    return int(text) if len(text) <= _MAX_DIGITS else None


def _bounded_float(text: str) -> float | None:
    return number if math.isfinite(number := float(text)) else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_COMMAND = re.compile(r"/(?:start|help)(?:@\w+)?(?:\s|$)", re.IGNORECASE)
_GREETINGS = {"ar": "السلام عليكم", "en": "Hello"}


def plain_text(text: str, locale: str | None = None) -> str:
    """Return what a customer means: by `/start` and `/help`, which apps write for them, a greeting."""
    return greeting(locale) if _COMMAND.match(text.strip()) else text


def greeting(locale: str | None = None) -> str:
    """Return a greeting in the language of the customer's app, else in French."""
    return _GREETINGS.get(locale or "", "Bonjour")


def dict_items(value: object, name: str) -> list[dict[str, object]]:
    """Return the objects of an array by its name, nothing where there is none: what Meta adds breaks no batch."""
    found = get_path(value, name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def get_path(value: object, *path: str) -> object:
    """Follow names into JSON objects; None where one is missing."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def clean_text(value: object, *path: str) -> str:
    """Return a text as Postgres keeps it, cut where no person would have written on; empty where there is none."""
    found = get_path(value, *path)
    return found.replace("\0", "")[:_MAX_TEXT_LENGTH] if isinstance(found, str) else ""


def clean_id(value: object, *path: str) -> str:
    """Return an id, a short text (or the number that some senders write); empty where there is none."""
    found = get_path(value, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    return found if isinstance(found, str) and len(found) <= _MAX_ID_LENGTH and "\0" not in found else ""


def from_timestamp(seconds: float) -> datetime | None:
    """Return seconds since the epoch as a datetime, None where there is no such moment."""
    return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds <= _LATEST else None


def moment(value: object, *path: str, per_second: int = 1) -> datetime | None:
    """Return a moment that is written as a whole number or its digits, None where it is anything else."""
    found = get_path(value, *path)
    if isinstance(found, str) and len(found) <= _MAX_DIGITS and found.isascii() and found.isdigit():
        found = int(found)
    return from_timestamp(found / per_second) if isinstance(found, int) and not isinstance(found, bool) else None
