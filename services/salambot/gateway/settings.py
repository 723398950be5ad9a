"""Settings of the gateway."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from salambot.gateway.widget_settings import Rate, WidgetSettings
from salambot.webhooks.settings import WebhookSettings
from salambot_contracts.rate_limit import RateLimit


class GatewaySettings(WebhookSettings):
    """Variables of the gateway. Times are in seconds."""

    redis_url: SecretStr
    postgres_url: SecretStr | None = None
    """The inbox of webhooks. No other part of the gateway needs Postgres."""
    postgres_ca: Path | None = None
    orchestrateur_url: str = "http://127.0.0.1:8081"
    rag_url: str = "http://127.0.0.1:8083"
    nlu_url: str = "http://127.0.0.1:8082"
    """For the console only."""
    console_placements: dict[str, str] = Field(default_factory=dict)
    """Component -> placement, as the console's diagram shows them."""
    console_trace_url: str = ""
    """URL of the trace view; `{trace_id}` is replaced by the id."""
    jwt_issuer: str = "local-idp"
    jwt_audience: str = "gateway"
    jwt_jwks: str | None = None
    """Path or URL of the JWKS with the issuer's public keys."""
    ingress_host: str = "127.0.0.1"
    ingress_port: int | None = None
    """The port for tunnels. It serves webhooks only."""
    allow_dev_token: bool = False
    near_peers: Literal["loopback", "compose"] = "loopback"
    """`compose`: the networks that this container is in count as near, beside loopback."""
    rate_limit_generate: Rate = "60/minute"
    rate_limit_client: Rate = "60/minute"
    rate_limit_webhook: Rate = "600/minute"
    widget: WidgetSettings = WidgetSettings()
    """The sites that may show the web chat widget, as JSON."""
    requests_at_once: Annotated[int, Field(ge=1)] = 128
    """Replies and searches under way in this process; further ones are refused. Webhooks are not among them."""
    generate_timeout_s: Annotated[float, Field(gt=0, le=600)] = 60
    search_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10
    sse_ping_s: Annotated[float, Field(gt=0)] = 15

    @cached_property
    def generate_rate(self) -> RateLimit:
        """The rate limit of replies for one tenant."""
        return RateLimit.parse(self.rate_limit_generate)

    @cached_property
    def client_rate(self) -> RateLimit:
        """The rate limit of replies for one client (token subject) of a tenant."""
        return RateLimit.parse(self.rate_limit_client)

    @cached_property
    def webhook_refusal_rate(self) -> RateLimit:
        """The rate limit of refused webhooks and handshakes for one address."""
        return RateLimit.parse(self.rate_limit_webhook)

    @model_validator(mode="after")
    def _refuse_dev_token_elsewhere(self) -> Self:
        if self.allow_dev_token and not self.is_development:
            raise ValueError(f"ALLOW_DEV_TOKEN is for ENV local and cloud-local, and here ENV is {self.env}")
        return self
