"""The developer's console beside the public edge: where `dev-token` works too, and nowhere else."""

from salambot.console.neighbours import Neighbour
from salambot.console.observation import Observer
from salambot.console.routes import Console
from salambot.gateway.edge import Edge


def console_of(edge: Edge) -> Console | None:
    """Return the console of a developer's environment, None in any other."""
    settings, token = edge.settings, edge.settings.internal_token
    if not (settings.is_development and settings.allow_dev_token):
        return None
    orchestrateur = Neighbour("orchestrateur", settings.orchestrateur_url, token)
    rag = Neighbour("rag", settings.rag_url, token)
    nlu = Neighbour("nlu", settings.nlu_url, token)

    async def ping() -> None:
        await edge.redis.ping()

    observer = Observer((orchestrateur, rag, nlu), ping)
    return Console(
        settings.tenant, settings.console_placements, orchestrateur, rag, observer, settings.console_trace_url
    )
