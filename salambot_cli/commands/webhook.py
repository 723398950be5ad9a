"""`salambot webhook`: try a channel without its app, see what came, do it once more."""

import re
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from salambot_cli.commands import completion
from salambot_cli.terminal.output import Output

if TYPE_CHECKING:
    from salambot_cli.model.environment import Environment

app = typer.Typer(
    no_args_is_help=True,
    help="Send signed test events; list and replay real ones.",
)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@app.command()
def trigger(
    context: typer.Context,
    channel: str = typer.Argument(
        ..., autocompletion=completion.channels, help="messenger, whatsapp, telegram or generic."
    ),
    text: str = typer.Option("Bonjour", help="What the customer writes."),
    sender: str | None = typer.Option(None, "--from", metavar="ID", help="Who writes: a user id or a phone number."),
    invalid_signature: bool = typer.Option(False, "--invalid-signature", help="Sign with a wrong secret."),
    stale: bool = typer.Option(False, "--stale", help="Send an event that is too old."),
    duplicate: bool = typer.Option(False, "--duplicate", help="Deliver it twice."),
    batch: int = typer.Option(1, min=1, max=1000, metavar="N", help="Messages in the one webhook."),
    url: str | None = typer.Option(None, help="Another gateway, such as the public URL of the tunnel."),
    wait: float = typer.Option(20, min=0, metavar="S", help="Wait so long for the reply, in seconds."),
) -> None:
    """Send a signed event, as the channel itself would. Exit 0 when the stack does what it should, else 1.

    Examples:  [bold]salambot webhook trigger whatsapp --text "Salam, bghit n3ref taman"[/]
    """
    from salambot_cli.api.sample_webhooks import CHANNELS
    from salambot_cli.terminal.interrupts import run
    from salambot_cli.webhook.trials import WebhookTrial

    chosen = next((name for name in CHANNELS if name == channel), None)
    if chosen is None:
        raise typer.BadParameter(f"should be {', '.join(CHANNELS)}, not {channel!r}", param_hint="CHANNEL")
    session: Output = context.obj
    who = sender or {"whatsapp": "212600000000", "telegram": "600000000"}.get(chosen, "customer-1")
    trial = WebhookTrial(
        chosen, text, who, batch, invalid_signature, stale, duplicate, url.rstrip("/") if url else None
    )
    raise typer.Exit(run(_try(session, _environment(session), trial, wait)))


async def _try(session: Output, environment: "Environment", trial: object, wait: float) -> int:
    from salambot_cli.webhook.trials import WebhookTrial, send_trial, wait_for_replies

    assert isinstance(trial, WebhookTrial)  # noqa: S101 - the import is lazy
    ids, deliveries = await send_trial(environment, trial)
    good = tuple(delivery.verdict for delivery in deliveries) == trial.expected
    replies = []
    if good and "accepted" in trial.expected and wait and trial.url is None:
        replies = await wait_for_replies(environment, ids, wait)
    if session.machine:
        documents = [asdict(delivery) for delivery in deliveries]
        status = "done" if good else "failed"
        session.document({"status": status, "messages": ids, "deliveries": documents, "replies": replies})
        return 0 if good else 1
    for delivery in deliveries:
        detail = delivery.body.get("detail") or delivery.body.get("code") or ""
        session.result(
            f"{delivery.status} {delivery.verdict}  [dim]{delivery.latency_ms} ms  {delivery.trace_id}[/]  {detail}"
        )
    for entry in replies:
        session.result(_line(entry))
    if not good:
        session.say(f"[red]expected {', '.join(trial.expected)}[/]  [bold]→ salambot logs gateway --since 1m[/]")
    return 0 if good else 1


@app.command("list")
def list_webhooks(
    context: typer.Context,
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on as more come."),
    failed: bool = typer.Option(False, "--failed", help="Only messages that could not be answered."),
    since: str | None = typer.Option(None, metavar="TIME", help="30s, 5m, 2h, 1d."),
    limit: int = typer.Option(50, min=1, max=500, help="How many at most."),
) -> None:
    """Show what came, its verdict, its reply and its trace id; the newest last.

    Examples:  [bold]salambot webhook list -f[/]   [bold]salambot webhook list --failed[/]
    """
    from salambot_cli.terminal.interrupts import run, run_until_interrupt
    from salambot_cli.webhook.trials import list_webhooks as listed

    session: Output = context.obj
    environment = _environment(session)
    if follow:
        run_until_interrupt(_follow(session, environment, since=_duration(since), failed=failed, limit=limit))
        return
    entries = run(listed(environment, since=_duration(since), failed=failed, most=limit))
    if session.machine:
        session.document({"webhooks": entries})
        return
    for entry in reversed(entries):
        session.result(_line(entry))
    if not entries:
        session.say("[dim]Nothing came yet. Try:[/] salambot webhook trigger whatsapp")


async def _follow(
    session: Output, environment: "Environment", *, since: timedelta | None, failed: bool, limit: int
) -> None:
    from salambot_cli.webhook.trials import follow_webhooks

    async for entry in follow_webhooks(environment, since=since, failed=failed, most=limit):
        if session.machine:
            session.document({"event": "webhook", **entry})
        else:
            session.result(_line(entry))


@app.command()
def replay(
    context: typer.Context,
    ids: list[str] | None = typer.Argument(None, metavar="ID", help="As `webhook list` shows them."),
    since: str | None = typer.Option(None, metavar="TIME", help="Those since 30s, 5m, 2h, 1d."),
    failed: bool = typer.Option(False, "--failed", help="Those that could not be answered."),
) -> None:
    """Answer received messages once more. Exit 0 when all of them could be, else 1.

    A message that was answered is erased: to replay it, let WEBHOOK_KEEP_BODIES=true keep it, encrypted, for a day.

    Examples:  [bold]salambot webhook replay --failed --since 1h[/]
    """
    from salambot_cli.terminal.interrupts import run
    from salambot_cli.webhook.trials import replay as run_again

    session: Output = context.obj
    document = run(run_again(_environment(session), ids or [], since=_duration(since), failed=failed))
    replayed, refused = document["replayed"], document["refused"]
    assert isinstance(replayed, list)  # noqa: S101 - the shape of the internal API
    assert isinstance(refused, list)  # noqa: S101 - as above
    found = {str(item) for item in replayed} | {str(item["id"]) for item in refused}
    unknown = len(ids or []) > len(found)
    if session.machine:
        session.document({"status": "failed" if refused or unknown else "done", **document})
    else:
        session.result(f"{len(replayed)} replayed")
        for item in refused:
            session.say(f"  [yellow]✗ {item['id']}: {item['reason']}[/]")
        if unknown:
            session.say("  [yellow]✗ some ids are not known[/]  [bold]→ salambot webhook list[/]")
    raise typer.Exit(1 if refused or unknown else 0)


def _environment(session: Output) -> "Environment":
    from salambot_cli.audit.records import pull_recorded
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.terminal.interrupts import run

    return run(pull_recorded(load_started_environment(session.project))).environment


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if match is None:
        raise typer.BadParameter("should be 30s, 5m, 2h or 1d", param_hint="--since")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _line(entry: dict[str, object]) -> str:
    head = f"[dim]{entry['time']}[/] {entry['channel']:<9} {entry['verdict']:<9}"
    if entry.get("id") is None:
        return f"{head} [yellow]{entry['cause'] or ''}[/] ×{entry['count']}  [dim]{entry['trace_id']}[/]"
    reply = entry.get("reply")
    said = f"{reply['status']}: {reply['text']}" if isinstance(reply, dict) else ""
    colour = {"done": "green", "failed": "red"}.get(str(entry["state"]), "yellow")
    state = f"[{colour}]{entry['state']}[/] {entry['outcome'] or ''}"
    text = f"{entry['text']} → {said}"
    return f"{head} {entry['id']}  {state}  {text}  [dim]{entry['trace_id']}[/]"
