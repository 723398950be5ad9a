"""The reference pages that are made from the code: `python tools/reference.py` writes them, `--check` compares.

`docs/reference/commands.md` from the command's own help, `docs/reference/configuration.md` from its schema,
`docs/reference/api.md` from the gateway's OpenAPI document (`tools/api_page.py`).
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from salambot_cli.commands import COMMANDS
from salambot_cli.components.variables import DEFAULTS, REQUIRED, SECRET_VARIABLES, VARIABLES
from salambot_cli.config.schema import Config
from salambot_cli.config.service_variables import every_reader
from tools.api_page import api

_EVERY_COMMANDS = {"--help", "--install-completion", "--show-completion"}
PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference"


def commands() -> str:
    """Return the page of the commands."""
    head = (
        "# Commands\n\nMade from `salambot COMMAND --help`. Everywhere: `--json`, `--json-lines`, `--quiet`, `--debug`,"
        " `--plain`, `--lang LANG`, `--project DIR`, `--env NAME`.\n\n"
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
        " default.\n\n## salambot.toml\n\n| key | meaning | value | default | example |\n|---|---|---|---|---|\n"
    )
    return head + "".join(_keys(schema, schema, "")) + _variables()


def _keys(schema: dict[str, Any], node: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, given in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        target = _resolved(schema, given)
        if target.get("properties") and path not in {"doctor.ignore", "doctor.check"}:
            yield from _keys(schema, target, f"{path}.")
        else:
            meaning, example = KEY_MEANINGS[path]
            shown = f"`{example}`" if example else ""
            yield f"| `{path}` | {meaning} | {_kind(schema, given)} | {_default(given)} | {shown} |\n"


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
    rows = "".join(_variable(name, needed.get(name, [])) for name in sorted(VARIABLES))
    return (
        "\n## Variables\n\nFrom the environment, `.env`, Secrets Manager (secrets), or `[env]` in `salambot.toml`"
        " (never secrets). `salambot env set NAME` checks a value and keeps it where it belongs; `salambot env list"
        " --all` shows this table with your values. A variable that no service reads is for the command itself. Every"
        " variable that begins with `AWS_ENDPOINT_URL` is known too: it leads the AWS SDK to another server.\n\n"
        "| variable | meaning | default | example | read by | needed by |\n|---|---|---|---|---|---|\n" + rows
    )


def _variable(name: str, needed: list[str]) -> str:
    meaning = VARIABLES[name]
    secret = " (secret)" if name in SECRET_VARIABLES else ""
    default, example = (f"`{one}`" if one else "" for one in (meaning.default or DEFAULTS.get(name), meaning.example))
    services = ", ".join(sorted(every_reader(name))) or "`salambot`"
    return f"| `{name}` | {meaning.meaning}{secret} | {default} | {example} | {services} | {', '.join(needed)} |\n"


KEY_MEANINGS: Mapping[str, tuple[str, str]] = {
    "tenant": ("whose documents and customers these are", "riad-atlas"),
    "topology": ("presets of placements, applied in order", '["t1", "t3"]'),
    "runtime": ("how parts are started: in containers, as processes, or whichever this machine can", "process"),
    "together": ("services that share one process: less memory, but they end together", '["gateway", "rag"]'),
    "timezone": ("the zone in which times are shown to people; stored times are UTC", "Europe/Paris"),
    "allow_insecure": ("components whose cloud address may do without verified TLS", '["redis"]'),
    "placement.postgres": ("the database: here, or elsewhere by `POSTGRES_URL`", "cloud"),
    "placement.redis": ("Redis: here, or elsewhere by `REDIS_URL`", "cloud"),
    "placement.vector": ("where the vectors of your documents are", "qdrant"),
    "placement.objects": ("where the documents themselves are", "s3"),
    "placement.secrets": ("where secrets are read: the environment and `.env`, or AWS Secrets Manager", "aws"),
    "placement.telemetry": (
        "traces, metrics, logs: none, kept here, or sent to `OTEL_EXPORTER_OTLP_ENDPOINT`",
        "otlp",
    ),
    "placement.llm": ("who writes replies: extracts of your documents, or a language model", "openai"),
    "placement.tunnel": ("how webhooks reach this machine from outside", "cloudflared"),
    "ports.gateway": ("the API and the console", "18080"),
    "ports.orchestrateur": ("the dialogue service", "auto"),
    "ports.nlu": ("the service that writes replies", "auto"),
    "ports.rag": ("the service that searches", "auto"),
    "ports.worker": ("health and metrics of the worker", "9100"),
    "ports.ingress": ("the gateway's port for the tunnel: webhooks only", "18090"),
    "ports.tunnel": ("the local end of the tunnel", "auto"),
    "ports.postgres": ("the local Postgres", "15432"),
    "ports.redis": ("the local Redis", "16379"),
    "aws.region": ("the region; above the profile's own", "eu-west-1"),
    "aws.profile": ("the profile of `~/.aws/config` that gives credentials", "shop-dev"),
    "aws.jump": ("an instance through which RDS and ElastiCache are reached by SSM", "i-0123456789abcdef0"),
    "aws.secret": (
        "the secret of the variables, or a table: variable to `secret-id#json-key`",
        "salambot/demo",
    ),
    "aws.kms_key": ("the key that encrypts uploaded documents; without one S3's own", "alias/salambot"),
    "postgres.ca": ("a bundle of certificates that Postgres is verified with", "certs/rds.pem"),
    "redis.ca": ("a bundle of certificates that Redis is verified with", "certs/redis.pem"),
    "kb.path": ("the folder of your documents", "documents"),
    "channels.messenger": ("page id to tenant", '{ "1029384756" = "shop" }'),
    "channels.whatsapp": ("phone-number id to tenant", '{ "5647382910" = "shop" }'),
    "channels.telegram": ("the one bot's tenant", '{ bot = "shop" }'),
    "widget.tunnel": ("a tunnel leads to the chat widget too, not to the webhooks alone", "true"),
    "widget.visitor_limit": ("how often one visitor of the widget may write", "10/minute"),
    "widget.site_limit": ("how often all visitors of one site may write", "120/minute"),
    "widget.site": ("the sites that may show the widget: key, origins, tenant", ""),
    "business.name": ("the name that replies use", "Riad Atlas"),
    "business.contact": ("how a customer reaches a person", "+212 524 00 00 00"),
    "business.tone": ("how a language model should sound", "warm, short, never pushy"),
    "telemetry.grafana_url": ("where dashboards and traces are looked at", "https://shop.grafana.net"),
    "doctor.ignore": (
        "findings that are not reported: `id`, `reason`, and `until`, the last day",
        '[{ id = "rds.sg-missing-my-ip", reason = "a test machine", until = "2027-01-31" }]',
    ),
    "doctor.check": (
        "checks of the project's own: `name`, `url` or `command`, `status`, `contains`, `part`, and `remedy`",
        '[{ name = "crm", url = "https://crm.example.ma/health", remedy = "Ask the CRM team." }]',
    ),
    "env": (
        "variables that are no secrets; `[env.NAME]` is a named environment, with any key of this table",
        '{ LOG_LEVEL = "DEBUG" }',
    ),
}
"""Key -> what it decides, and an example of its value."""


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
