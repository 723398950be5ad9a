"""`salambot tunnel`: the public URL of the webhooks, in the foreground."""

import time

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def tunnel(
    context: typer.Context,
    ngrok: bool = typer.Option(False, "--ngrok", help="Use ngrok in place of cloudflared."),
    download: bool = typer.Option(False, "--download", help="Fetch cloudflared, show its checksum, and stop."),
) -> None:
    """Publish the webhooks at a public URL until Ctrl-C.

    An open tunnel (`salambot up --tunnel`) is only shown. Only /v1/webhooks/ is reachable through it.

    Examples:  [bold]salambot tunnel[/]   [bold]salambot tunnel --download[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.tunnel_programs import download_cloudflared
    from salambot_cli.stack.up import UpRequest, keep_tunnel_open
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    if download:
        session.say("[dim]fetching cloudflared from its makers…[/]")
        path, digest = download_cloudflared()
        session.say(f"SHA-256 {digest}\n[dim]compare it with https://github.com/cloudflare/cloudflared/releases[/]")
        session.result(str(path))
        return
    environment = load_started_environment(session.project)
    wanted = "ngrok" if ngrok else environment.placement("tunnel")
    flags: dict[str, object] = {"placement.tunnel": "cloudflared" if wanted == "none" else wanted}
    environment = load_started_environment(session.project, flags)
    run(keep_tunnel_open(session, environment, UpRequest(seed=False, flags=flags), time.monotonic()))
