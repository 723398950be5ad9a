"""The parts of a running gateway, put together once."""

from dataclasses import dataclass

from redis.asyncio import Redis

from salambot import cache
from salambot.gateway.admission import Admission
from salambot.gateway.auth import Authenticator
from salambot.gateway.idempotency import Idempotency
from salambot.gateway.peers import Peers
from salambot.gateway.rates import RateLimit
from salambot.gateway.settings import GatewaySettings
from salambot.gateway.webhooks import Webhooks
from salambot.hops import Hop

_CLAIM_MARGIN_S = 5


@dataclass(frozen=True)
class Edge:
    """What the endpoints work with."""

    settings: GatewaySettings
    peers: Peers
    redis: Redis
    orchestrateur: Hop
    rag: Hop
    admission: Admission
    authenticator: Authenticator
    generate_limit: RateLimit
    idempotency: Idempotency
    webhooks: Webhooks

    @classmethod
    def of(cls, settings: GatewaySettings) -> "Edge":
        """Put the parts together; nothing connects before it is first used."""
        peers = Peers(compose=settings.near_peers == "compose")
        redis = cache.connect(settings.redis_url.get_secret_value())
        return cls(
            settings=settings,
            peers=peers,
            redis=redis,
            orchestrateur=Hop("orchestrateur", settings.orchestrateur_url, settings.internal_token),
            rag=Hop("rag", settings.rag_url, settings.internal_token),
            admission=Admission(settings.requests_at_once),
            authenticator=Authenticator(settings, peers),
            generate_limit=_generate_limit(settings, redis),
            idempotency=Idempotency(redis, settings.generate_timeout_s + _CLAIM_MARGIN_S),
            webhooks=Webhooks(settings, redis, peers),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self.orchestrateur.close()
        await self.rag.close()
        await self.redis.aclose()


def _generate_limit(settings: GatewaySettings, redis: Redis) -> RateLimit:
    key = (settings.user_hash_key or settings.internal_token).get_secret_value().encode()
    return RateLimit("generate", settings.generate_rate, redis, client=settings.client_rate, key=key)
