"""Ask the running orchestrateur of an environment, with the environment's own token."""

from salambot_cli.api.gateway import Document
from salambot_cli.api.internal_api import request
from salambot_cli.host.keys import generated_secrets
from salambot_cli.host.state_file import settled_port
from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret


async def ask_orchestrateur(
    environment: Environment, path: str, *, query: dict[str, str] | None = None, body: Document | None = None
) -> Document:
    """GET, or POST where there is a body. Raises SalamBotError when it does not answer, or refuses."""
    port = settled_port(environment, "orchestrateur")
    token = own_value(environment, "INTERNAL_TOKEN")
    return await request(f"http://127.0.0.1:{port}", token, path, query=query, body=body)


def own_value(environment: Environment, name: str) -> Secret:
    """Return a secret of the environment: what is configured, else what it generated; the newest of two."""
    configured = environment.value(name) or generated_secrets(environment.root)[name].reveal()
    return Secret(configured.partition(",")[0])
