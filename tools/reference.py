"""The reference pages that are made from the code: `python tools/reference.py` writes them, `--check` compares.

`docs/reference/commands.md` from the command's own help, `docs/reference/configuration.md` from its schema,
`docs/reference/api.md` from the gateway's OpenAPI document (`tools/api_page.py`).
"""

import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from salambot_cli.commands import COMMANDS
from salambot_cli.model.config import Config
from salambot_cli.model.variables import DEFAULTS, PLAIN_VARIABLES, REQUIRED, SECRET_VARIABLES
from tools.api_page import api

_EVERY_COMMANDS = {"--help", "--install-completion", "--show-completion"}
PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference"


def commands() -> str:
    """Return the page of the commands."""
    head = (
        "# Commands\n\nMade from `salambot COMMAND --help`. Everywhere: `--json`, `--json-lines`, `--quiet`, `--debug`,"
        " `--plain`, `--lang LANG`, `--project DIR`.\n\n"
        "Exit status: 0 done; 1 it ran and the answer is no; 2 usage or configuration; 3 a prerequisite is missing;"
        " 4 the doctor itself could not run; 130 interrupted.\n"
    )
    return head + "".join(section for name in COMMANDS for section in _command(name))


def _command(name: str) -> Iterator[str]:
    command = typer.main.get_command(import_module(f"salambot_cli.commands.{name.replace('-', '_')}").app)
    yield f"\n## salambot {name}\n\n{COMMANDS[name]}\n"
    subcommands: dict[str, Any] = getattr(command, "commands", {})
    if not subcommands:
        yield _described(command, COMMANDS[name])
    for sub, one in subcommands.items():
        yield f"\n### salambot {name} {sub}\n{_described(one)}"


def _described(command: Any, said: str = "") -> str:  # noqa: ANN401 - typer's own copy of click has no public types
    paragraphs = [*map(_paragraph, inspect.cleandoc(command.help or "").split("\n\n"))]
    plain = "\n\n".join(paragraphs).removeprefix(said).strip()
    rows = [_row(one) for one in command.params if not one.hidden and not set(one.opts) & _EVERY_COMMANDS]
    table = "".join(["\n| | |\n|---|---|\n", *rows]) if rows else ""
    return f"\n{plain}\n{table}"


def _paragraph(text: str) -> str:
    if text.startswith("Output:\n"):
        return "\n".join(["```text", *text.splitlines()[1:], "```"])
    plain = Text.from_markup(text).plain
    if not (examples := re.match(r"Examples?: +", plain)):
        return plain
    lines = re.split(r" {2,}|\n", plain[examples.end() :])
    return "\n".join(["```sh", *lines, "```"])


def _row(parameter: Any) -> str:  # noqa: ANN401 - as above
    names = [*getattr(parameter, "opts", []), *getattr(parameter, "secondary_opts", [])]
    if parameter.param_type_name == "argument":
        shown = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        value = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or parameter.name.upper()}"
        shown = ", ".join(f"`{one}{value}`" for one in names)
    told = Text.from_markup(parameter.help or "").plain.replace("|", "\\|")
    return f"| {shown} | {told} |\n"


def configuration() -> str:
    """Return the page of the configuration."""
    schema = Config.model_json_schema()
    head = (
        "# Configuration\n\nMade from `salambot config schema`, the JSON Schema of `salambot.toml`."
        " `salambot config show` prints every effective value and the layer it comes from: flag, environment, `.env`,"
        " `salambot.toml`, preset,"
        " default.\n\n## salambot.toml\n\n| key | value | default |\n|---|---|---|\n"
    )
    return head + "".join(_keys(schema, schema, "")) + _variables()


def _keys(schema: dict[str, Any], node: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, given in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        target = _resolved(schema, given)
        if target.get("properties") and not path.startswith("doctor.ignore"):
            yield from _keys(schema, target, f"{path}.")
        else:
            yield f"| `{path}` | {_kind(schema, given)} | {_default(given)} |\n"


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else node


def _kind(schema: dict[str, Any], node: dict[str, Any]) -> str:
    node = _resolved(schema, node)
    if options := node.get("anyOf"):
        return " or ".join(dict.fromkeys(_kind(schema, one) for one in options if one.get("type") != "null"))
    if values := node.get("enum"):
        return ", ".join(f"`{value}`" for value in values)
    if "const" in node:
        return f"`{node['const']}`"
    if node.get("type") == "array":
        return f"a list of {_kind(schema, node['items'])}"
    if node.get("type") == "object":
        return "a table"
    return {"integer": "a number", "string": "text", "boolean": "true or false"}.get(node.get("type", ""), "a value")


def _default(node: dict[str, Any]) -> str:
    default = node.get("default")
    return "" if default in (None, [], {}) else f"`{default}`"


def _variables() -> str:
    needed: dict[str, list[str]] = {}
    for (component, placement), names in REQUIRED.items():
        for name in names:
            needed.setdefault(name, []).append(f'`{component} = "{placement}"`')
    rows = "".join(
        f"| `{name}` | {'yes' if name in SECRET_VARIABLES else ''} | {', '.join(needed.get(name, []))} |"
        f" {f'`{DEFAULTS[name]}`' if name in DEFAULTS else ''} |\n"
        for name in sorted(SECRET_VARIABLES | PLAIN_VARIABLES)
    )
    return (
        "\n## Variables\n\nFrom the environment, `.env`, Secrets Manager (secrets), or `[env]` in `salambot.toml`"
        " (never secrets). Every variable that begins with `AWS_ENDPOINT_URL` is known too.\n\n"
        "| variable | secret | needed by | default |\n|---|---|---|---|\n" + rows
    )


def main(arguments: list[str]) -> int:
    """Write the pages, or tell which are out of step."""
    made = {"commands": commands(), "configuration": configuration(), "api": api()}
    pages = {PAGES / f"{name}.md": text for name, text in made.items()}
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path.name} is out of step: python tools/reference.py\n")
        else:
            path.write_text(pages[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
