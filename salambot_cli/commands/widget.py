"""`salambot widget`: the script tag of the web chat."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def widget(
    context: typer.Context,
    site: str | None = typer.Argument(None, help="The key of one site (default: all of them)."),
) -> None:
    """Print the script tag that puts the chat on your site.

    Sites stand in salambot.toml, each with its key and the origins that may show the chat.

    Examples:  [bold]salambot widget[/]   [bold]salambot widget shop[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.stack.widget import missing_steps, script_tags

    session: Output = context.obj
    environment = load_started_environment(session.project)
    tags, missing = script_tags(environment, site), missing_steps(environment)
    if session.machine:
        sites = [
            {"key": tag.site.key, "tenant": tag.site.tenant, "origins": list(tag.site.origins), "tag": tag.html}
            for tag in tags
        ]
        session.document({"status": "done", "sites": sites, "missing": missing})
        return
    for tag in tags:
        session.say(f"[bold]{tag.site.key}[/]  [dim]{tag.site.tenant} · {' '.join(tag.site.origins)}[/]")
        typer.echo(tag.html)
    for step in missing:
        session.say(step)
