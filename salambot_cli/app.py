"""The Typer application; the one place where an error becomes text and an exit status."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from salambot_cli.commands import COMMANDS, GROUPS
from salambot_cli.host.commit import version_line
from salambot_cli.model.environment_folder import environment_folder, is_environment_name
from salambot_cli.model.errors import ConfigurationError, ExitStatus, Interrupted, SalamBotError
from salambot_cli.terminal.accessible_output import is_plain
from salambot_cli.terminal.help_pages import arrange_help
from salambot_cli.terminal.i18n import LANGUAGES, nearest_language, translate
from salambot_cli.terminal.output import Output, set_hint_options, show_error, start_directory

_VALUED = ("--project", "--env", "--lang")
_SWITCHES = ("--json", "--json-lines", "--quiet", "--debug", "--plain")
_OTHER_WORDS = {
    "start": "up", "run": "up", "stop": "down", "ps": "status", "list": "status", "log": "logs", "ask": "chat",
    "version": "--version", "help": "--help", "destroy": "down --volumes", "check": "doctor", "test": "smoke",
    "shell": "exec", "console": "open", "valkey-cli": "redis-cli",
}  # fmt: skip
"""What other tools call a command."""
_EVERYWHERE = "Everywhere: --json, --json-lines, --quiet, --debug, --plain, --lang LANG, --project DIR, --env NAME."


class LazyGroup(TyperGroup):
    """Imports a command's file only when that command runs or its help is shown."""

    def list_commands(self, _: typer.Context) -> list[str]:  # type: ignore[override] # typer's own copy of click
        """Return the commands in the order people meet them."""
        return [*COMMANDS]

    def get_command(self, _: typer.Context, cmd_name: str):  # type: ignore[no-untyped-def,override] # noqa: ANN201
        """Return a command to be listed, unless it is loaded; the type is of click's copy inside typer."""
        if cmd_name in self.commands or cmd_name not in COMMANDS:
            return self.commands.get(cmd_name)
        group = next(name for name, commands in GROUPS.items() if cmd_name in commands)
        return TyperCommand(cmd_name, help=translate(COMMANDS[cmd_name]), rich_help_panel=translate(group))

    def make_context(self, info_name, args, parent=None, **extra):  # type: ignore[no-untyped-def] # noqa: ANN001,ANN003,ANN201
        """Read the command line; what is wrong with it is said in the language of the people."""
        if parent is None:
            arrange_help(self, typer.Context(self, **self.context_settings))
        with _usage_in_words():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: typer.Context):  # type: ignore[no-untyped-def,override] # noqa: ANN201
        """Run the command; likewise."""
        with _usage_in_words():
            return super().invoke(ctx)

    def resolve_command(self, ctx: typer.Context, args: list[str]):  # type: ignore[no-untyped-def,override] # noqa: ANN201
        """Load the command that is about to run, show its help or complete its options."""
        name = args[0]
        if name in COMMANDS and name not in self.commands:
            application: typer.Typer = import_module(f"salambot_cli.commands.{name.replace('-', '_')}").app
            command = typer.main.get_command(application)
            command.name = name
            command.epilog = command.epilog or _EVERYWHERE
            arrange_help(command, ctx)
            self.commands[name] = command
        elif name not in COMMANDS and (
            match := _OTHER_WORDS.get(name) or next(iter(get_close_matches(name, COMMANDS, n=1)), None)
        ):
            ctx.fail(f"No such command '{name}'. Did you mean '{match}'?")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="salambot",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None if is_plain() else "rich",
    epilog="First steps: [bold]salambot up[/], [bold]salambot chat[/]; in trouble: [bold]salambot doctor[/].",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_line())
        raise typer.Exit


@app.callback(context_settings={"help_option_names": ["--help", "-h"]})
def salambot(
    context: typer.Context,
    project: str | None = typer.Option(
        None, "--project", metavar="DIR", help="Project folder (default: SALAMBOT_PROJECT, else here)."
    ),
    env: str | None = typer.Option(
        None, "--env", metavar="NAME", help="Named environment (default: SALAMBOT_ENV, else the project's own)."
    ),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
    json_lines: bool = typer.Option(False, "--json-lines", help="Print JSON events, one a line."),
    quiet: bool = typer.Option(False, "--quiet", help="Only print errors."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    lang: str | None = typer.Option(None, "--lang", help="Output language: en or fr."),
    plain: bool = typer.Option(False, "--plain", help="Plain text, for screen readers."),
    version: bool = typer.Option(
        False, "--version", "-V", callback=_show_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Run the SalamBot chatbot, half on this machine, half in the cloud: one line of configuration places each part."""
    del version, plain  # --plain was heeded before anything was said
    if lang is not None and nearest_language(lang) is None:
        raise typer.BadParameter(f"should be {' or '.join(LANGUAGES)}, not {lang!r}", param_hint="--lang")
    folder = project or os.environ.get("SALAMBOT_PROJECT")
    if folder and context.invoked_subcommand != "init" and not start_directory(folder).exists():
        raise ConfigurationError(f"there is no project {folder}", "the folder does not exist", f"ls -d {folder}")
    context.obj = Output(_start(project, env, context), json, json_lines, quiet, debug, lang)


def _start(project: str | None, env: str | None, context: typer.Context) -> Path:
    """Return where the command looks for its environment: the project's folder, or that of a named environment."""
    from salambot_cli.config.load import project_root

    start = start_directory(project)
    if context.invoked_subcommand == "init":
        if env:
            raise typer.BadParameter("init writes the project itself; add [env.NAME] to it", param_hint="--env")
        return start
    name = env or os.environ.get("SALAMBOT_ENV")
    if not name:
        return start
    if not is_environment_name(name):
        why = "names are lower-case letters, digits and dashes"
        raise ConfigurationError(f"{name!r} cannot name an environment", why, "add [env.staging] to salambot.toml")
    set_hint_options(f"--env {env} " if env else "")
    return environment_folder(project_root(start), name)


def main() -> NoReturn:
    """Run the `salambot` command and end with its exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return its exit status."""
    words = hoist_global_options(arguments)
    try:
        return _run(words, _early_session(words))
    except BrokenPipeError:
        # Whoever read the output has left; what Python still wants to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitStatus.NO)


def _run(words: list[str], session: Output) -> int:
    try:
        app(words, prog_name="salambot")
    except SystemExit as end:
        return int(end.code or 0)
    except SalamBotError as error:
        return _failed(session, error)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return _failed(session, Interrupted("interrupted"))
    except Exception as error:  # noqa: BLE001 - the last resort: people get a sentence, --debug the traceback
        why = f"{type(error).__name__}: {error}"
        return _failed(
            session,
            SalamBotError("something unforeseen happened", why, "run it again with --debug, and report what it shows"),
        )
    return int(ExitStatus.DONE)


@contextmanager
def _usage_in_words() -> Iterator[None]:
    """Say what is wrong with a command line in the language of the people; Typer itself speaks English."""
    try:
        yield
    except TyperException as error:
        english = error.format_message()
        where: typer.Context | None = getattr(error, "ctx", None)
        if where is None or (told := translate(english)) == english:
            raise
        where.fail(told)


def _failed(session: Output, error: SalamBotError) -> int:
    if session.debug:
        import traceback

        traceback.print_exc()
    show_error(session, error)
    return int(error.status)


def hoist_global_options(arguments: list[str]) -> list[str]:
    """Move the options that work everywhere to the front, up to `--`: `up --json` is `--json up`."""
    hoisted: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += ["--", *words]
        elif word in _SWITCHES or word.startswith(tuple(f"{name}=" for name in _VALUED)):
            hoisted.append(word)
        elif word in _VALUED:
            hoisted += [word, *(value for value in [next(words, None)] if value is not None)]
        else:
            rest.append(word)
    return hoisted + rest


def _early_session(words: list[str]) -> Output:
    return Output(
        start_directory(None), json="--json" in words, json_lines="--json-lines" in words, debug="--debug" in words
    )
