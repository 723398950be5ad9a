"""`salambot costs`: what the environment costs a month, and what would cost less."""

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()
_MAX_GB = 1_000_000


@app.command()
def costs(
    context: typer.Context,
    messages: int = typer.Option(10_000, min=0, help="Replies a month."),
    documents: float = typer.Option(
        1.0, "--documents", metavar="GB", min=0, max=_MAX_GB, help="Size of the documents."
    ),
    topology: str = typer.Option(None, help="Presets in order, comma-separated: local, t1, t2, t3."),
) -> None:
    """Estimate what each component costs a month.

    It also names what would cost less.

    From list prices whose date is shown; nothing is asked of any provider.

    Examples:  [bold]salambot costs[/]   [bold]salambot costs --topology t1,t3 --messages 50000[/]
    """
    from dataclasses import asdict

    from salambot_cli.config.load import load_environment
    from salambot_cli.costs.estimate import estimate, prices, savings
    from salambot_cli.model.prices import Usage
    from salambot_cli.terminal.i18n import translate

    session: Output = context.obj
    environment = load_environment(session.project, {"topology": topology.split(",") if topology else None})
    usage, table = Usage(messages, documents), prices()
    lines, cheaper = estimate(environment, usage, table), savings(environment, usage, table)
    total = round(sum(line.usd for line in lines), 2)
    if session.machine:
        session.document(
            {
                "status": "estimated",
                "currency": "USD",
                "prices": {"date": table.date, "region": table.region},
                "assumed": asdict(usage),
                "components": {line.component: {k: v for k, v in asdict(line).items() if k != "component"}
                               for line in lines},
                "total_usd": total,
                "savings": [asdict(saving) for saving in cheaper],
            }
        )  # fmt: skip
        return
    from rich import box
    from rich.table import Table

    shown = Table("component", "placement", "what", "USD", box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    for line in lines:
        shown.add_row(line.component, line.placement, translate(line.what), f"{line.usd:.2f}")
    shown.columns[3].justify, shown.columns[3].footer = "right", f"{total:.2f}"
    session.result(shown)
    for saving in cheaper:
        amount = "" if saving.usd is None else f"{-saving.usd:+.2f} "
        session.say(f"{amount}{translate(saving.what)}  [dim]{saving.command}[/]")
    session.say(f"List prices of {table.date} in {table.region}, a month, without tax.")
