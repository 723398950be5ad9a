"""The developer console of the gateway, under the same access rules as `dev-token`."""

from salambot.console.health_snapshot import HealthMonitor
from salambot.console.internal_client import InternalClient
from salambot.console.state import Console
from salambot.gateway.dependencies import GatewayDependencies


def create_console(edge: GatewayDependencies) -> Console | None:
    """Return the console of a developer's environment, None in any other."""
    settings, token = edge.settings, edge.settings.internal_token
    if not (settings.is_development and settings.allow_dev_token):
        return None
    orchestrateur = InternalClient("orchestrateur", settings.orchestrateur_url, token)
    rag = InternalClient("rag", settings.rag_url, token)
    nlu = InternalClient("nlu", settings.nlu_url, token)

    async def ping() -> None:
        await edge.redis.ping()

    observer = HealthMonitor((orchestrateur, rag, nlu), ping)
    return Console(
        settings.tenant, settings.console_placements, orchestrateur, rag, observer, settings.console_trace_url
    )
