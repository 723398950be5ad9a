"""What a channel sends with: one pool of connections, the tokens, and the ways in which sending fails."""

from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from pydantic import SecretStr

from salambot.delivery.settings import SendSettings
from salambot.signatures import active

Retry = Literal["again", "later", "never"]
"""`again`: a passing trouble; `later`: the channel asks for patience; `never`: no retry can help."""


class SendError(Exception):
    """A message was not sent, or nobody can tell. `code` is bounded, and holds nothing of a customer."""

    def __init__(self, code: str, retry: Retry, after_s: float = 0.0) -> None:
        super().__init__(code)
        self.code = code
        self.retry: Retry = retry
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Envelope:
    """Between whom: the account that speaks, whom it speaks to, and the message that is answered."""

    account: str
    recipient: str = field(repr=False)
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """The connections and settings that every channel sends with."""

    http: aiohttp.ClientSession
    settings: SendSettings


def tokens(secret: SecretStr | None) -> tuple[str, ...]:
    """Return the tokens of a variable, the newest first."""
    return active(secret.get_secret_value()) if secret is not None else ()
