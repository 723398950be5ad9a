"""Help pages: runnable examples first, one per line, translated."""

import inspect
import re
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from salambot_cli.terminal.accessible_output import is_plain, without_markup
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import with_launcher

if TYPE_CHECKING:
    from typer._click import Command  # typer's own copy of click has no public name

_EXAMPLES = re.compile(r"Examples?:\s+")


def examples_first(command: "Command", context: typer.Context) -> None:
    """Put the examples of a command, and of those below it, before the description, and translate every text."""
    if command.help:
        examples, described = _parted(inspect.cleandoc(command.help))
        paragraphs = [*map(translate, described)]
        command.short_help = paragraphs[0] if paragraphs else None
        command.help = "\n\n".join([*examples, *paragraphs])
    command.epilog = translate(command.epilog) if command.epilog else None
    for parameter in (*command.params, command.get_help_option(context)):
        if text := getattr(parameter, "help", None):
            vars(parameter)["help"] = translate(text)
    if is_plain():
        _plainly(command)
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            examples_first(below, context)


def _plainly(command: "Command") -> None:
    """Let click format the page, without frames and Rich markup."""
    vars(command)["rich_markup_mode"] = None
    command.help = without_markup(command.help or "")
    command.epilog = without_markup(command.epilog or "")


def _parted(text: str) -> tuple[list[str], list[str]]:
    """Return the examples, and the paragraphs that describe."""
    examples: list[str] = []
    described: list[str] = []
    for paragraph in text.split("\n\n"):
        if _EXAMPLES.match(paragraph):
            title, *_ = paragraph.split(None, 1)
            lines = re.split(r"\s{2,}|\n", _EXAMPLES.sub("", paragraph, count=1))
            examples.append("\b\n" + "\n".join([translate(title), *(f"  {with_launcher(line)}" for line in lines)]))
        else:
            described.append(" ".join(paragraph.split("\n")))
    return examples, described
