"""The variables of the channels: what the gateway needs to receive, and what the worker needs to send."""

import os
from typing import Annotated

from pydantic import Field, SecretStr

from salambot.channels import CHANNELS
from salambot.messages import TenantName
from salambot.settings import ServiceSettings
from salambot.signatures import active

TenantTable = Annotated[dict[str, dict[str, TenantName]], Field(default_factory=dict)]


def _values_of_channels() -> dict[str, SecretStr]:
    names = tuple(f"{channel.upper()}_" for channel in CHANNELS)
    return {name: SecretStr(value) for name, value in os.environ.items() if name.startswith(names)}


class WebhookSettings(ServiceSettings):
    """How events are verified, and whose they are. Of each secret two may be active, comma-separated."""

    meta_app_secret: SecretStr | None = None
    meta_verify_token: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    user_hash_key: SecretStr | None = None
    """The key of the hashes that stand for users; without it, INTERNAL_TOKEN is."""
    channel_values: Annotated[dict[str, SecretStr], Field(default_factory=_values_of_channels)]
    """The variables that begin with the name of a channel (`TELEGRAM_…`): its file alone knows them."""
    channel_tenants: TenantTable
    """Channel -> page or phone-number id -> tenant, as JSON; without it every id is the configured tenant's."""
    webhook_keep_bodies: bool = False
    """Keep whole messages, encrypted, for 24 hours, so that they can be replayed."""
    webhook_max_age_s: Annotated[int, Field(ge=1)] | None = None

    def active(self, name: str) -> tuple[str, ...]:
        """Return the active values of a channel's own variable, the newest first; none where it is not set."""
        value = self.channel_values.get(name)
        return active(value.get_secret_value()) if value is not None else ()

    def tenant_of(self, channel: str, account: str) -> str | None:
        """Return the tenant of a page or phone-number id, None where nobody knows it."""
        table = self.channel_tenants.get(channel)
        if table:
            return table.get(account)
        return self.tenant if self.is_development else None

    def has_tenant(self, name: str) -> bool:
        """Tell whether this environment serves a tenant."""
        return name == self.tenant or any(name in table.values() for table in self.channel_tenants.values())


class SendSettings(WebhookSettings):
    """How replies go out. Times are in seconds."""

    meta_page_token: SecretStr | None = None
    whatsapp_token: SecretStr | None = None
    graph_base_url: str = "https://graph.facebook.com"
    graph_version: str = "v23.0"
    send_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10
