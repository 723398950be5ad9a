"""`salambot secrets`: ages, reading, writing, rotating, searching, and the policies that reading needs."""

import json

import typer

from salambot_cli.commands import completion
from salambot_cli.commands.options import ask_value
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

app = typer.Typer(no_args_is_help=True, help="Show, read, write and rotate secrets.")


@app.command()
def status(context: typer.Context) -> None:
    """Show how old each secret is, its version, and who may read it.

    Exit 1 when one is older than 90 days, or when services run on another version than the current one.

    Example:  [bold]salambot secrets status[/]
    """
    from rich import box
    from rich.table import Table

    from salambot_cli.config.load import load_started_environment
    from salambot_cli.secrets.ages import LIMIT_DAYS, secret_ages
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    ages = run(secret_ages(environment))
    stale, drift = any(age.stale for age in ages), any(age.drift for age in ages)
    if session.machine:
        document = {"status": "stale" if stale else "drift" if drift else "ok", "limit_days": LIMIT_DAYS}
        session.document({**document, "secrets": [age.document() for age in ages]})
        raise typer.Exit(1 if stale or drift else 0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("secret", "from", "days", "version", "KMS key", "read by", ""):
        table.add_column(column, overflow="fold")
    for age in ages:
        words = "older than 90 days" if age.stale else "services run on another version: up" if age.drift else ""
        readers = "?" if age.source == "secrets manager" and age.readers is None else ", ".join(age.readers or ())
        days = "" if age.age_days is None else str(age.age_days)
        table.add_row(age.name, age.source, days, (age.version or "")[:8], age.kms_key or "", readers, translate(words))
    session.result(table)
    raise typer.Exit(1 if stale or drift else 0)


@app.command("pull")
def pull_(
    context: typer.Context,
    reveal: bool = typer.Option(False, "--reveal", help="Print the values too, on standard output."),
) -> None:
    """Read the secrets and name them. Nothing is written anywhere.

    Examples:  [bold]salambot secrets pull[/]   [bold]salambot secrets pull --reveal[/]
    """
    from salambot_cli.audit.records import pull_recorded
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.model.secret import Secret
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    pulled = run(pull_recorded(load_started_environment(session.project)))
    held = {n: v for n, v in sorted(pulled.environment.variables.items()) if isinstance(v.value, Secret)}
    if session.machine:
        secrets = [{"name": n, "from": v.layer, **({"value": v.reveal()} if reveal else {})} for n, v in held.items()]
        session.document({"status": "done", "versions": pulled.versions, "secrets": secrets})
        return
    for name, variable in held.items():
        typer.echo(f"{name}={json.dumps(variable.reveal())}" if reveal else name)
    if not held:
        session.say("[dim]No layer holds a secret.[/]")


@app.command("push")
def push_(
    context: typer.Context,
    name: str | None = typer.Argument(
        None, autocompletion=completion.secrets, help="A variable; without one, every secret that stands in .env."
    ),
    create: bool = typer.Option(False, "--create", help="Make the secret itself, which is not there yet."),
    kms_key: str | None = typer.Option(None, metavar="KEY", help="With --create: the KMS key that encrypts it."),
) -> None:
    """Store a secret in Secrets Manager: the value is asked for, or read from standard input.

    Examples:  [bold]salambot secrets push OPENAI_API_KEY[/]   [bold]salambot secrets push --create[/]
    """
    from salambot_cli.audit.records import record
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.model.errors import ConfigurationError
    from salambot_cli.model.secret import Secret
    from salambot_cli.secrets.push import known_secret, push_secret, values_of_dotenv
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    environment = load_started_environment(session.project)
    if name is None:
        values = values_of_dotenv(environment)
        if not values:
            raise ConfigurationError(".env holds no secret to push", "", "salambot secrets push OPENAI_API_KEY")
    else:
        values = {known_secret(name): Secret(ask_value(name, hidden=True))}
    if not all(values.values()):
        raise ConfigurationError(f"the value of {name} is empty", "nothing was stored", f"salambot secrets push {name}")
    versions = push_secret(environment, values, create=create, kms_key=kms_key)
    run(record(environment, "secret.write", "done"))
    if session.machine:
        session.document({"status": "done", "pushed": sorted(values), "versions": versions})
        return
    session.say(f"[green]✓[/] {', '.join(sorted(values))} → {', '.join(versions)}")
    if name is None:
        session.say("Now take them out of .env, and set placement.secrets to aws.")


@app.command("rotate")
def rotate_(
    context: typer.Context,
    name: str = typer.Argument(
        autocompletion=completion.rotatable, help="jwt, webhook, meta, verify, telegram, internal, redis or postgres."
    ),
    finish: bool = typer.Option(False, "--finish", help="End the overlap: only the current value holds."),
) -> None:
    """Make a new secret. The one before it holds on beside it, so that no request is dropped.

    Example:  [bold]salambot secrets rotate jwt[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.config.schema import nearest
    from salambot_cli.model.errors import ConfigurationError
    from salambot_cli.secrets.rotate import ROTATABLE, rotate
    from salambot_cli.terminal.interrupts import run

    session: Output = context.obj
    if name not in ROTATABLE:
        why = "\n".join(f"{known}: {what}" for known, what in ROTATABLE.items())
        fix = f"have its issuer make a new one, then: salambot secrets push {name}"
        raise ConfigurationError(f"{name} cannot be rotated from here{nearest(name, tuple(ROTATABLE))}", why, fix)
    done = run(rotate(session, load_started_environment(session.project), name, finish=finish))
    if session.machine:
        session.document({"status": "done", "rotated": name, "steps": done})
    for line in done:
        session.say(f" [green]✓[/] {line}")


@app.command("scan")
def scan_(context: typer.Context) -> None:
    """Search the project and the rendered files for secrets in clear. Exit 1 when something looks like one.

    Example:  [bold]salambot secrets scan[/]
    """
    from dataclasses import asdict

    from salambot_cli.config.load import load_started_environment
    from salambot_cli.host.secret_scanner import scan
    from salambot_cli.model.secret import Secret

    session: Output = context.obj
    environment = load_started_environment(session.project)
    known = {n: v.value for n, v in environment.variables.items() if isinstance(v.value, Secret)}
    leaks = scan(environment.project, known, in_files=environment.placement("secrets") == "env")
    if session.machine:
        session.document({"status": "fail" if leaks else "pass", "leaks": [asdict(leak) for leak in leaks]})
    for leak in [] if session.machine else leaks:
        session.result(f"{leak.path}:{leak.line}: {leak.kind}")
    if not leaks:
        session.say("[green]✓[/] nothing looks like a secret in clear")
    raise typer.Exit(1 if leaks else 0)


@app.command("policy")
def policy_(
    context: typer.Context,
    name: str = typer.Argument("read", autocompletion=completion.policies, help="read, rotate, seed or orchestrateur."),
    account: str | None = typer.Option(None, metavar="NUMBER", help="The AWS account that everything stands in."),
    kms_key: str | None = typer.Option(None, metavar="ARN", help="The KMS key that encrypts the secrets."),
) -> None:
    """Print the IAM policy that allows no more than is needed: one secret, one key, one tenant's documents.

    Example:  [bold]salambot secrets policy rotate --account 111122223333[/]
    """
    from salambot_cli.config.load import load_started_environment
    from salambot_cli.config.schema import nearest
    from salambot_cli.model.errors import ConfigurationError
    from salambot_cli.render.policies import ACCOUNT, POLICIES, account_of, policy

    session: Output = context.obj
    if name not in POLICIES:
        why = "\n".join(f"{known}: for {whom}" for known, whom in POLICIES.items())
        what = f"there is no policy {name}{nearest(name, tuple(POLICIES))}"
        raise ConfigurationError(what, why, "salambot secrets policy read")
    document = policy(load_started_environment(session.project), name, account=account_of(account), key=kms_key)
    if session.machine:
        session.document({"for": POLICIES[name], "policy": document})
    else:
        typer.echo(json.dumps(document, indent=2))
        if account is None and name in {"read", "rotate"}:
            session.say(f"[dim]{ACCOUNT} stands for your account: --account NUMBER --kms-key ARN[/]")
