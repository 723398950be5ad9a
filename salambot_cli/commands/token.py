"""`salambot token`: mint a development JWT with the environment's own key."""

import re

import typer

from salambot_cli.commands import completion
from salambot_cli.terminal.output import Output

app = typer.Typer()
_HOUR = 3600
_SCOPES = ("generate", "search")
_UNITS = {"s": 1, "m": 60, "h": _HOUR}


@app.command()
def token(
    context: typer.Context,
    tenant: str | None = typer.Option(
        None,
        autocompletion=completion.tenants,
        help="The tenant that the token speaks for (default: the configured one).",
    ),
    ttl: str = typer.Option("1h", metavar="TIME", help="How long it is valid: 30s, 15m, 1h (at most 1h)."),
    scope: str | None = typer.Option(None, help="Space-separated scopes: generate, search (default: all)."),
) -> None:
    """Print a token for the API.

    It is signed by the environment's own local-idp.

    Examples:  [bold]salambot token --ttl 10m[/]
    [bold]curl -H "Authorization: Bearer $(salambot token)" …[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.keys import mint_token

    session: Output = context.obj
    if unknown := [name for name in (scope or "").split() if name not in _SCOPES]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(_SCOPES)}", param_hint="--scope")
    flags: dict[str, object] = {"tenant": tenant}
    environment = load_started_environment(session.project, flags)
    seconds = _seconds(ttl)
    text = mint_token(
        environment.root,
        tenant=environment.tenant,
        issuer=environment.value("JWT_ISSUER") or "local-idp",
        audience=environment.value("JWT_AUDIENCE") or "gateway",
        seconds=seconds,
        scope=scope,
    )
    if session.machine:
        session.document({"token": text, "tenant": environment.tenant, "expires_in": seconds, "scope": scope})
    else:
        typer.echo(text)


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)([smh]?)", text)
    seconds = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
    if not 0 < seconds <= _HOUR:
        raise typer.BadParameter("should be between 1s and 1h, such as 15m", param_hint="--ttl")
    return seconds
