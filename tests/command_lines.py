"""The command lines of a text, and whether `salambot` would take them: nothing of them is run."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer
from typer.exceptions import TyperException

from salambot_cli.app import hoist_global_options
from salambot_cli.commands import COMMANDS

_BLOCK = re.compile(r"^```sh\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`((?:\./)?salambot [a-z][^`]*)`")
_ENDS = {"|", ">", "<", ">>", "&&", ";", "&", "||"}
_VALUED, _SWITCHES = {"--project", "--env", "--lang"}, {"--json", "--json-lines", "--quiet", "--debug", "--plain"}


_LEFT_OUT = re.compile(r"Missing argument|.* requires an argument")
"""What a sentence may say of a command whose arguments it leaves out."""


def blocks(text: str) -> list[str]:
    """Return the command blocks of a page."""
    return _BLOCK.findall(text)


def without_comments(block: str) -> list[list[str]]:
    """Return the words of each line of a block."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def salambot_lines(text: str) -> Iterator[list[str]]:
    """Yield the words after each `salambot` of a page: of its command blocks, and of the code in its sentences."""
    typed = [line for block in blocks(text) for line in without_comments(block)]
    typed += [shlex.split(line) for line in _INLINE.findall(text)]
    for words in typed:
        if words[0] in {"salambot", "./salambot"}:
            yield words[1:]


def examples(command_help: str) -> list[str]:
    """Return the examples of a command's help."""
    paragraphs = [one for one in command_help.split("\n\n") if one.startswith("Example")]
    return re.findall(r"\[bold\](.*?)\[/\]", "".join(paragraphs))


def refusal(words: list[str]) -> str | None:
    """Return why `salambot` would not take these words, or None."""
    end = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
    rest = hoist_global_options(words[:end])
    while rest and rest[0] in _VALUED | _SWITCHES:
        rest = rest[2 if rest[0] in _VALUED else 1 :]
    if not rest or rest[0].startswith("-"):
        return None if rest in ([], ["--version"], ["--help"]) else f"no option {rest[0]}"
    if rest[0] not in COMMANDS:
        return f"no command {rest[0]}"
    return _parsed(*command_of(rest))


def command_of(words: list[str]) -> tuple[Any, list[str]]:  # any: typer's own copy of click has no public types
    """Return the command, or the subcommand, that words begin with, and the rest of them."""
    command = typer.main.get_command(import_module(f"salambot_cli.commands.{words[0].replace('-', '_')}").app)
    below = getattr(command, "commands", {})
    return (below[words[1]], words[2:]) if words[1:] and words[1] in below else (command, words[1:])


def _parsed(command: Any, words: list[str]) -> str | None:  # noqa: ANN401 - as above
    if getattr(command, "commands", None):
        return f"no subcommand {words[0]}" if words and not words[0].startswith("-") else None
    try:
        command.make_context("salambot", words)
    except TyperException as error:
        return None if _LEFT_OUT.match(said := error.format_message()) else said
    return None
