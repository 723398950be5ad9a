"""Find the running gateway and a token for it."""

from salambot_cli.api.gateway import Gateway
from salambot_cli.host.keys import mint_token
from salambot_cli.host.state_file import settled_port
from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret
from salambot_cli.stack.orchestrateur import own_value

_TOKEN_SECONDS = 3600


def gateway_of(environment: Environment, *, url: str | None = None, tenant: str | None = None) -> Gateway:
    """Return the gateway of this environment (or the one at `url`), with a fresh token of the local-idp."""
    tenant = tenant or environment.tenant
    text = mint_token(
        environment.root,
        tenant=tenant,
        issuer=environment.value("JWT_ISSUER") or "local-idp",
        audience=environment.value("JWT_AUDIENCE") or "gateway",
        seconds=_TOKEN_SECONDS,
        scope=None,
    )
    own = own_value(environment, "INTERNAL_TOKEN") if url is None else None  # not for a gateway of somebody else's
    base = url or f"http://127.0.0.1:{settled_port(environment, 'gateway')}"
    return Gateway(base.rstrip("/"), tenant, Secret(text), internal=own)
