"""Settings of the channels: secrets to receive, tokens to send."""

import os
from typing import Annotated

from pydantic import Field, SecretStr

from salambot.core.schemas import TenantName
from salambot.core.settings import ServiceSettings
from salambot.core.signatures import active_values
from salambot.webhooks.channels import CHANNELS

TenantTable = Annotated[dict[str, dict[str, TenantName]], Field(default_factory=dict)]


def _values_of_channels() -> dict[str, SecretStr]:
    names = tuple(f"{channel.upper()}_" for channel in CHANNELS)
    return {name: SecretStr(value) for name, value in os.environ.items() if name.startswith(names)}


class WebhookSettings(ServiceSettings):
    """Verification and ownership of events. Each secret may have two active values, comma-separated."""

    meta_app_secret: SecretStr | None = None
    meta_verify_token: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    user_hash_key: SecretStr | None = None
    """The key of user hashes; default: INTERNAL_TOKEN."""
    channel_values: Annotated[dict[str, SecretStr], Field(default_factory=_values_of_channels)]
    """Variables that begin with a channel's name (`TELEGRAM_…`), for its own file."""
    channel_tenants: TenantTable
    """Channel -> page or phone-number id -> tenant, as JSON; default: the configured tenant."""
    webhook_keep_bodies: bool = False
    """Store message bodies, encrypted, for 24 hours, so that they can be replayed."""
    webhook_max_age_s: Annotated[int, Field(ge=1)] | None = None

    def active(self, name: str) -> tuple[str, ...]:
        """Return the active values of a channel's variable, the newest first; empty if not set."""
        value = self.channel_values.get(name)
        return active_values(value.get_secret_value()) if value is not None else ()

    def tenant_of(self, channel: str, account: str) -> str | None:
        """Return the tenant of a page or phone-number id, None if unknown."""
        table = self.channel_tenants.get(channel)
        if table:
            return table.get(account)
        return self.tenant if self.is_development else None

    def has_tenant(self, name: str) -> bool:
        """Return whether this environment serves a tenant."""
        return name == self.tenant or any(name in table.values() for table in self.channel_tenants.values())


class SendSettings(WebhookSettings):
    """Settings of sending. Times are in seconds."""

    meta_page_token: SecretStr | None = None
    whatsapp_token: SecretStr | None = None
    graph_base_url: str = "https://graph.facebook.com"
    graph_version: str = "v23.0"
    send_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10
