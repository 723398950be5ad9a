"""Options that several commands have, read the same way in each."""

import sys

import typer


def presets(text: str | None) -> list[str] | None:
    """Read `--topology`: names with commas between them, in any case. Raises BadParameter, which names the option."""
    from salambot_cli.config.schema import nearest
    from salambot_cli.model.topology import TOPOLOGIES

    if text is None:
        return None
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names or [text]:
        if name not in TOPOLOGIES:
            hint = f"{name!r} is none of {', '.join(TOPOLOGIES)}{nearest(name, TOPOLOGIES)}"
            raise typer.BadParameter(hint, param_hint="--topology")
    return names


def ask_value(name: str, *, hidden: bool, twice: bool = False) -> str:
    """Return a value that is asked for on a terminal, else read from standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt(name, hide_input=hidden, confirmation_prompt=twice, err=True))
    return sys.stdin.read().rstrip("\r\n")
