"""Webhook channels: one file each, its name in CHANNELS."""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salambot.webhooks.channels.base import Channel

CHANNELS = ("messenger", "whatsapp", "telegram", "generic")


@cache
def load(name: str) -> "Channel":
    """Return a channel by its name; raises KeyError where there is none."""
    if name not in CHANNELS:
        raise KeyError(name)
    channel: Channel = import_module(f"salambot.webhooks.channels.{name}").CHANNEL
    return channel
