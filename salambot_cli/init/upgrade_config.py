"""Bring an older `salambot.toml` forward: names and values of before become those of now, and the rest stays."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from salambot_cli.components import REGISTRY
from salambot_cli.config.load import find_config
from salambot_cli.config.schema import Config, describe
from salambot_cli.host.files import replace_file
from salambot_cli.host.toml_file import set_values, unified_diff
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.topology import COMPONENTS

_COMPONENTS: Mapping[str, str] = {
    **{name: name for name in COMPONENTS},
    "db": "postgres", "database": "postgres", "rds": "postgres", "cache": "redis", "elasticache": "redis",
    "vectors": "vector", "vector_db": "vector", "storage": "objects", "s3": "objects", "observability": "telemetry",
    "otel": "telemetry", "model": "llm", "nlu": "llm",
}  # fmt: skip
_OLDER_PLACEMENTS: Mapping[tuple[str, str], str] = {
    (placement.component, older): placement.name for placement in REGISTRY for older in placement.older_names
}
_KEYS: Mapping[str, str] = {
    "region": "aws.region", "profile": "aws.profile", "s3.kms_key": "aws.kms_key", "secrets.id": "aws.secret",
    "ports.orchestrator": "ports.orchestrateur", "kb_path": "kb.path", "documents.path": "kb.path",
}  # fmt: skip
_TABLES = ("components", "placements", "placement")

Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The file, how it changes, and each change in a word."""

    file: Path
    diff: str
    changes: tuple[str, ...]


def upgrade_config(start: Path, *, write: bool) -> Upgrade:
    """Bring the configuration forward; with `write` keep the old one as `salambot.toml.before`.

    Raises:
        ConfigurationError: there is none, or what comes out is not valid either; nothing is written then.
    """
    file = find_config(start)
    if file is None:
        raise ConfigurationError(
            "there is no salambot.toml to upgrade", f"from {start.resolve()} upwards", "salambot init"
        )
    before = file.read_text(encoding="utf-8-sig")
    try:
        table = tomllib.loads(before)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file.name} is not valid TOML", str(error), f"fix {file}") from error
    values = _moved(table)
    after = set_values(before, values)
    try:
        Config.model_validate(tomllib.loads(after))
    except ValidationError as error:
        raise ConfigurationError(f"{file.name} is not valid", "\n".join(describe(error)), f"fix {file}") from error
    if write and after != before:
        replace_file(file.with_name(f"{file.name}.before"), before, mode=0o600)
        replace_file(file, after, mode=0o644)
    taken = [name for name, value in values.items() if value is None]
    return Upgrade(file, unified_diff(file.name, before, after), tuple(_told(table, taken, values)))


def _told(table: Values, taken: list[str], values: Values) -> list[str]:
    set_ = [f"{name} = {value}" for name, value in values.items() if value is not None]
    return [*set_, *(f"{name} goes" for name in taken if "." in name or not isinstance(table.get(name), dict))]


def _moved(table: Values) -> Values:
    """Return dotted key -> new value; None takes the old key out."""
    values: Values = {}
    for name in _TABLES:
        values.update(_placements(name, table.get(name)))
    for old, new in _KEYS.items():
        if (value := _lookup(table, old)) is not None:
            values.update({new: value, old: None})
    for name in ("topology", "profile_name", "topologies"):
        values.update(_topology(name, table.get(name)))
    return values


def _placements(name: str, old: object) -> Values:
    values: Values = {}
    for key, placement in old.items() if isinstance(old, dict) else ():
        component = _COMPONENTS.get(str(key).lower())
        if component is None:
            continue
        now = _OLDER_PLACEMENTS.get((component, str(placement)), placement)
        if name != "placement" or component != key or now != placement:
            values |= {f"placement.{component}": now} | (
                {} if (name, key) == ("placement", component) else {f"{name}.{key}": None}
            )
    if isinstance(old, dict) and name != "placement":
        values[name] = None
    return values


def _topology(name: str, old: object) -> Values:
    if old is None:
        return {}
    names = [old] if isinstance(old, str) else list(old) if isinstance(old, list) else []
    split: list[str] = [part.strip().lower() for text in names for part in str(text).replace("+", ",").split(",")]
    if name == "topology" and split == names:
        return {}
    return {"topology": split} | ({} if name == "topology" else {name: None})


def _lookup(table: Values, dotted: str) -> object:
    found: object = table
    for part in dotted.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return None if isinstance(found, dict) else found
