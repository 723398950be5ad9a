"""`salambot provision`: what makes the cloud parts of an environment."""

from pathlib import Path

import typer

from salambot_cli.terminal.output import Output

app = typer.Typer()


@app.command()
def provision(
    context: typer.Context,
    plan: bool = typer.Option(False, "--plan", help="Show the variables, and write nothing."),
    output: Path = typer.Option(None, "--output", metavar="DIR", help="Where to write (default: .salambot/cloud)."),
    my_ip: str = typer.Option(None, metavar="ADDRESS", help="The address that may reach the database."),
    topology: str = typer.Option(None, help="Presets in order, comma-separated: local, t1, t2, t3."),
) -> None:
    """Write Terraform and CloudFormation for the cloud parts.

    Either of the two makes database, cache, bucket, secret, key, trail and policies; this command makes nothing in AWS.

    Examples:  [bold]salambot provision --plan[/]   [bold]salambot provision --topology t1,t3 --output cloud[/]
    """
    from salambot_cli.config.load import load_environment
    from salambot_cli.render.provision import provision as step
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_environment(session.project, {"topology": topology.split(",") if topology else None})
    planned = run(step(environment, output.resolve() if output else None, my_ip))
    kept = [] if plan else planned.write()
    variables = dict(planned.wanted.variables)
    if session.machine:
        session.document(
            {
                "status": "planned" if plan else "rendered",
                "terraform": variables,
                "cloudformation": planned.wanted.parameters(),
                "files": [] if plan else [str(path) for path in planned.files],
                "kept": [str(path) for path in kept],
                "commands": list(planned.commands),
            }
        )
        return
    from json import dumps

    for name, value in variables.items():
        typer.echo(f"{name} = {dumps(value)}")
    if "developer_cidr" not in variables:
        session.say("This machine's public address is not known: give it with --my-ip.")
    for path in kept:
        session.say(f"The edited file is kept as {path}; put what is yours into {planned.owners_file}.")
    for command in () if plan else planned.commands:
        session.say(command)
