"""Named environments: `[env.staging]` holds what differs from the rest of `salambot.toml`, key by key.

Ports are never inherited: each environment has its own, so that several run beside one another.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from salambot_cli.config.dotenv import Dotenv, load_dotenv
from salambot_cli.config.schema import nearest
from salambot_cli.model.environment_folder import OWN
from salambot_cli.model.errors import ConfigurationError

_PORTS = "ports."


def names(table: object) -> tuple[str, ...]:
    """Return the names of the environments that `[env]` holds."""
    return tuple(name for name, value in table.items() if isinstance(value, dict)) if isinstance(table, dict) else ()


def without_ports(values: Mapping[str, object], name: str) -> dict[str, object]:
    """Return the keys that environment `name` takes over from the project."""
    return {key: value for key, value in values.items() if name == OWN or not key.startswith(_PORTS)}


def of_environment(values: Mapping[str, object], own: Mapping[str, object], name: str) -> dict[str, object]:
    """Return the configuration as environment `name` has it: its own keys above those of the project."""
    common, special = values.get("env"), own.get("env")
    if not special or not isinstance(common, dict) or not isinstance(special, dict):
        return without_ports(values, name) | {key: value for key, value in own.items() if key != "env"}
    return without_ports(values, name) | dict(own) | {"env": common | special}


def own_table(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return the table of environment `name`; nothing for the project's own. Raises ConfigurationError."""
    table = values.get("env")
    if name == OWN:
        return {}
    if isinstance(table, dict) and isinstance(found := table.get(name), dict):
        return found
    known = (OWN, *names(table))
    raise ConfigurationError(
        f"there is no environment {name}{nearest(name, known)}",
        f"salambot.toml has {', '.join(known)}",
        f"add [env.{name}] to salambot.toml, with what differs there",
    )


def load_variables(files: Iterable[Path], process: Mapping[str, str]) -> list[Dotenv]:
    """Read the files of variables; a later one may refer to those before it. Raises ConfigurationError."""
    loaded: list[Dotenv] = []
    known: dict[str, str] = {}
    for path in files:
        loaded.append(load_dotenv(path, known | dict(process)))
        known |= loaded[-1].values
    return loaded
