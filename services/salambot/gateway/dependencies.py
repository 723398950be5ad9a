"""The shared objects of a running gateway, created once."""

from dataclasses import dataclass

from redis.asyncio import Redis

from salambot.core import redis_client
from salambot.gateway.auth import Authenticator
from salambot.gateway.client_address import TrustedProxies
from salambot.gateway.concurrency_limit import ConcurrencyLimit
from salambot.gateway.idempotency import Idempotency
from salambot.gateway.rate_limit import TenantRateLimiter
from salambot.gateway.settings import GatewaySettings
from salambot.gateway.webhooks import WebhookReceiver
from salambot.rpc.service_client import ServiceClient

_CLAIM_MARGIN_SECONDS = 5


@dataclass(frozen=True)
class GatewayDependencies:
    """Shared objects of the endpoints."""

    settings: GatewaySettings
    peers: TrustedProxies
    redis: Redis
    orchestrateur: ServiceClient
    rag: ServiceClient
    admission: ConcurrencyLimit
    authenticator: Authenticator
    generate_limit: TenantRateLimiter
    idempotency: Idempotency
    webhooks: WebhookReceiver

    @classmethod
    def create(cls, settings: GatewaySettings) -> "GatewayDependencies":
        """Create the clients; each connects on first use."""
        peers = TrustedProxies(compose=settings.near_peers == "compose")
        redis = redis_client.connect(settings.redis_url.get_secret_value())
        return cls(
            settings=settings,
            peers=peers,
            redis=redis,
            orchestrateur=ServiceClient("orchestrateur", settings.orchestrateur_url, settings.internal_token),
            rag=ServiceClient("rag", settings.rag_url, settings.internal_token),
            admission=ConcurrencyLimit(settings.requests_at_once),
            authenticator=Authenticator(settings, peers),
            generate_limit=_generate_limit(settings, redis),
            idempotency=Idempotency(redis, settings.generate_timeout_s + _CLAIM_MARGIN_SECONDS),
            webhooks=WebhookReceiver(settings, redis, peers),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self.orchestrateur.close()
        await self.rag.close()
        await self.redis.aclose()


def _generate_limit(settings: GatewaySettings, redis: Redis) -> TenantRateLimiter:
    key = (settings.user_hash_key or settings.internal_token).get_secret_value().encode()
    return TenantRateLimiter("generate", settings.generate_rate, redis, client=settings.client_rate, key=key)
