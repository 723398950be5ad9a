"""`salambot chat`: one reply, or a conversation in the terminal, streamed."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def chat(
    context: typer.Context,
    text: list[str] | None = typer.Argument(
        None, metavar="TEXT", help="What to say; without it, a conversation begins."
    ),
    locale: str | None = typer.Option(
        None, help="The customer's locale, such as fr-MA (a hint; the text itself decides)."
    ),
    url: str | None = typer.Option(None, help="Another gateway than this environment's own."),
    explain: bool = typer.Option(False, "--explain", help="Also show how the answer was found, stage by stage."),
) -> None:
    """Talk to the chatbot in French, Arabic, Darija or English.

    Examples:  [bold]salambot chat "bghit nrje3 lcommande, kifach?"[/]   [bold]salambot chat[/]
    [bold]salambot chat --explain "C'est quoi votre politique de remboursement ?"[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.stack.chat import Conversation, converse, say_once
    from salambot_cli.stack.gateway import gateway_of
    from salambot_cli.stack.running import require_stack
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    if url is None:
        run(require_stack(environment))
    elif explain:
        raise typer.BadParameter("asks this environment's own services: leave --url out", param_hint="--explain")
    conversation = Conversation(environment, gateway_of(environment, url=url), locale, explains=explain)
    run(say_once(session, conversation, " ".join(text)) if text else converse(session, conversation))
