"""Help pages: the description, then examples that can be run, then the options; translated."""

import inspect
import re
from typing import TYPE_CHECKING

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from salambot_cli.terminal.accessible_output import is_plain, without_markup
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import with_launcher

if TYPE_CHECKING:
    from typer._click import Command, Context  # typer's own copy of click has no public name

_EXAMPLES = re.compile(r"Examples?:\s+")
_OUTPUT = "Output:"
_COMPLETION = {"--install-completion", "--show-completion"}


class _Option(TyperOption):
    """An option with the name of its value, and nothing where it takes none."""

    def display_type_rich(self, ctx: "Context") -> str | None:
        del ctx
        return None if self.is_flag else self.metavar or (self.name or "").upper()

    def _get_number_range_help_str(self) -> str | None:
        return None  # an error names the range


class _Argument(TyperArgument):
    """An argument as it is typed: SERVICE, [SERVICE], [SERVICE...]."""

    @property
    def display_name_raw(self) -> str:
        return self.metavar or (self.name or "").upper()

    def display_type_rich(self, ctx: "Context") -> str | None:
        del ctx
        return None

    def _usage_display_name(self) -> str:
        name = self.display_name_raw + ("..." if self.nargs != 1 else "")
        return name if self.required else f"[{name}]"


def arrange_help(command: "Command", context: typer.Context) -> None:
    """Arrange the help of a command, and of those below it, and translate every text."""
    if command.help:
        paragraphs = [*map(_paragraph, inspect.cleandoc(command.help).split("\n\n"))]
        command.short_help = paragraphs[0]
        below = "\n\n".join(paragraphs[1:])
        command.help = f"{paragraphs[0]}\n\n\n{below}"  # the empty line keeps Typer from taking its indent away
    command.epilog = translate(command.epilog) if command.epilog else None
    if command is not context.command:  # the completion is of the whole program, not of each command
        command.params = [one for one in command.params if not _COMPLETION & {*one.opts}]
    for parameter in (*command.params, command.get_help_option(context)):
        if isinstance(parameter, TyperOption | TyperArgument):
            parameter.__class__ = _Option if isinstance(parameter, TyperOption) else _Argument
            parameter.help = translate(parameter.help) if parameter.help else None
    if is_plain():
        _plainly(command)
    if isinstance(command, TyperGroup):
        for one in command.commands.values():
            arrange_help(one, context)


def _plainly(command: "Command") -> None:
    """Let click format the page, without frames and Rich markup."""
    vars(command)["rich_markup_mode"] = None
    command.help = without_markup(command.help or "")
    command.epilog = without_markup(command.epilog or "")


def _paragraph(text: str) -> str:
    """Return a paragraph as the page has it: sentences in one line, examples and their output line by line."""
    if text.startswith(_OUTPUT):
        return _lines(_OUTPUT, text.splitlines()[1:])
    if not _EXAMPLES.match(text):
        return translate(" ".join(text.split("\n")))
    title, *_ = text.split(None, 1)
    return _lines(title, [*map(with_launcher, re.split(r"\s{2,}|\n", _EXAMPLES.sub("", text, count=1)))])


def _lines(title: str, lines: list[str]) -> str:
    unwrapped = "\b\n" if is_plain() else ""  # click's mark
    return unwrapped + "\n".join([translate(title), *(f"  {line}" for line in lines)])
