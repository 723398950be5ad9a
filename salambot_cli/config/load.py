"""Build the effective environment from its layers: flag, process environment, .env, salambot.toml, preset, default."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from salambot_cli.components.variables import DEFAULTS, is_known, is_secret
from salambot_cli.config.dotenv import load_dotenv
from salambot_cli.config.named_environments import load_variables, names, of_environment, own_table, without_ports
from salambot_cli.config.schema import LEAVES, Config, describe, dotted_keys
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import AwsSettings, Environment, Ignore, Layer, ProjectCheck, Site, Variable, Widget
from salambot_cli.model.environment_folder import (
    OWN,
    enclosing_environment,
    name_of_environment,
    project_of_environment,
    variables_files,
)
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import COMPONENTS, DEFAULT_PORTS, LOCAL, SERVICES, preset

CONFIG_NAME = "salambot.toml"
_ALIASES = {"tenant": "TENANT", "aws.region": "AWS_REGION", "aws.profile": "AWS_PROFILE"}

Values = dict[str, object]
"""Dotted key -> value."""


def load_environment(
    start: Path, flags: Mapping[str, object] | None = None, *, environ: Mapping[str, str] | None = None
) -> Environment:
    """Read and validate everything that decides how the environment looks.

    Args:
        start: folder to look in, and upwards, for `salambot.toml`.
        flags: dotted key -> value, from the command line.
        environ: the process environment (default: ours).

    Raises:
        ConfigurationError: each line says where, and what should stand there.
    """
    process = os.environ if environ is None else environ
    file, root = find_config(start), environment_root(start)
    name, written = name_of_environment(root), read_toml(file) if file else {}
    files = load_variables(variables_files(root), process)
    dotenv = {key: value for one in files for key, value in one.values.items()}
    layered: list[tuple[Layer, Values]] = [
        ("default", {} if name == OWN else dict.fromkeys((f"ports.{part}" for part in DEFAULT_PORTS), "auto")),
        ("salambot.toml", of_environment(written, flatten(own_table(written, name)), name)),
        (".env", without_ports(_keys_from(files[0].values), name)),
        (".env", _keys_from(files[-1].values)),
        ("environment", _keys_from(process)),
        ("flag", {key: value for key, value in (flags or {}).items() if value is not None}),
    ]
    config, layers = _merge(layered, file)
    environment = _environment(root, file, config, layers, _variables(process, dotenv, config, name))
    return replace(environment, notes=tuple(note for one in files for note in one.notes))


def load_started_environment(
    start: Path, flags: Mapping[str, object] | None = None, *, without: tuple[tuple[str, object], ...] = ()
) -> Environment:
    """Read the environment as the last `up` asked for it: `up --topology t1` is meant until the next `up` or `down`.

    `flags` are of this command line, and win; `without` names flags of the last `up` that do not count here. Raises
    ConfigurationError.
    """
    asked = read_state(environment_root(start))
    last = asked.flags if asked.asked_up else {}
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    return load_environment(start, {key: value for key, value in last.items() if (key, value) not in without} | given)


def project_root(start: Path) -> Path:
    """Return the project's folder: where `salambot.toml` is, else the one that was given."""
    file = find_config(start)
    return file.parent if file else project_of_environment(start.resolve())


def environment_names(start: Path) -> tuple[str, ...]:
    """Return the environments of a project: its own first. Raises ConfigurationError."""
    file = find_config(start)
    return OWN, *names(read_toml(file).get("env") if file else None)


def environment_root(start: Path) -> Path:
    """Return the folder of the environment: the project's, or that of the named one that `start` lies in."""
    return enclosing_environment(start.resolve()) or project_root(start)


def find_config(start: Path) -> Path | None:
    """Return the nearest `salambot.toml` from a folder upwards (a path to a file names itself)."""
    here = start.resolve()
    if here.is_file():
        return here
    return next((folder / CONFIG_NAME for folder in (here, *here.parents) if (folder / CONFIG_NAME).is_file()), None)


def read_toml(path: Path) -> Values:
    """Read `salambot.toml` as dotted keys."""
    try:
        return flatten(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path.name} is not valid TOML", str(error), f"fix {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read", str(error), f"ls -l {path}") from error


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of `.env`; none where there is no file. Raises ConfigurationError."""
    return load_dotenv(path, os.environ).values


def flatten(table: Mapping[str, object], prefix: str = "") -> Values:
    flat: Values = {}
    for key, value in table.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict) and value and dotted not in LEAVES:
            flat.update(flatten(value, f"{dotted}."))
        else:
            flat[dotted] = value
    return flat


def _nest(flat: Values) -> Values:
    nested: Values = {}
    for dotted, value in flat.items():
        table = nested
        *parents, leaf = dotted.split(".") if dotted not in LEAVES or "." in dotted else (dotted,)
        for parent in parents:
            child = table.setdefault(parent, {})
            if not isinstance(child, dict):
                break
            table = child
        table[leaf] = value
    return nested


def _keys_from(variables: Mapping[str, str]) -> Values:
    """Read config keys from variables: `SALAMBOT_PORTS_GATEWAY=auto`, or the few with a name of their own."""
    found: Values = {}
    for key in dotted_keys():
        name = "SALAMBOT_" + key.upper().replace(".", "_")
        text = variables.get(name) or variables.get(_ALIASES.get(key, name))
        whole = {"env", "doctor.ignore", "doctor.check", "business", "widget"}
        if text and key not in whole and not key.startswith("channels."):
            found[key] = _typed(key, text)
    return found


def _typed(key: str, text: str) -> object:
    if key in {"topology", "together", "allow_insecure"}:
        return [part.strip() for part in text.split(",") if part.strip()]
    return int(text) if key.startswith("ports.") and text.isdigit() else text


def _merge(layered: list[tuple[Layer, Values]], file: Path | None) -> tuple[Config, dict[str, Layer]]:
    merged: Values = {}
    layers: dict[str, Layer] = {}
    for layer, values in layered:
        merged.update(values)
        layers.update(dict.fromkeys(values, layer))
    try:
        config = Config.model_validate(_nest(merged))
    except ValidationError as error:
        lines = describe(error)
        sources = sorted({layers.get(line.split(":", 1)[0].replace("/", "."), "salambot.toml") for line in lines})
        raise ConfigurationError(
            f"the configuration is not valid ({', '.join(sources)})",
            "\n".join(lines),
            f"fix {file}" if file else "salambot config show",
        ) from error
    return config, layers


def _variables(
    process: Mapping[str, str], dotenv: Mapping[str, str], config: Config, environment: str
) -> dict[str, Variable]:
    sources: list[tuple[Layer, Mapping[str, str]]] = [
        ("default", {**DEFAULTS, "OTEL_SERVICE_NAME": f"salambot-{environment}"}),
        ("salambot.toml", config.variables),
        (".env", dotenv),
        ("environment", process),
    ]
    found: dict[str, Variable] = {}
    for layer, values in sources:
        for name, text in values.items():
            if is_known(name) and text and name not in {"TENANT", "ENV"}:
                found[name] = Variable(name, Secret(text) if is_secret(name) else text, layer)
    return found


def _widget(config: Config) -> Widget:
    table = config.widget
    sites = tuple(Site(one.key, one.tenant or config.tenant, tuple(dict.fromkeys(one.origins))) for one in table.site)
    return Widget(sites, table.tunnel, table.visitor_limit, table.site_limit)


def _environment(
    root: Path, file: Path | None, config: Config, layers: dict[str, Layer], variables: dict[str, Variable]
) -> Environment:
    project, placements = project_of_environment(root), preset(config.presets)
    preset_layer: Layer = "preset" if "topology" in layers else "default"
    for component in COMPONENTS:
        override = getattr(config.placement, component)
        layers.setdefault(
            f"placement.{component}", preset_layer if placements[component] != LOCAL[component] else "default"
        )
        placements[component] = override or placements[component]
    for key in dotted_keys():
        layers.setdefault(key, "default")
    if config.aws.region:
        variables.setdefault("AWS_REGION", Variable("AWS_REGION", config.aws.region, layers["aws.region"]))
    region = cast("str | None", variables["AWS_REGION"].value) if "AWS_REGION" in variables else None
    return Environment(
        root=root,
        config_file=file,
        tenant=config.tenant,
        topology=config.presets,
        runtime=config.runtime,
        together=tuple(name for name in SERVICES if name in config.together),
        placements=placements,
        ports=dict(config.ports),
        variables=variables,
        aws=AwsSettings(region, config.aws.profile, config.aws.jump, config.aws.secret, config.aws.kms_key),
        channels=config.channels.model_dump(),
        businesses=config.business.by_tenant(config.tenant),
        widget=_widget(config),
        allow_insecure=frozenset(config.allow_insecure),
        postgres_ca=project / config.postgres.ca if config.postgres.ca else None,
        redis_ca=project / config.redis.ca if config.redis.ca else None,
        grafana_url=config.telemetry.grafana_url,
        timezone=config.timezone,
        kb=project / config.kb.path,
        ignored_findings=tuple(Ignore(entry.id, entry.reason, entry.until) for entry in config.doctor.ignore),
        project_checks=tuple(
            ProjectCheck(
                entry.name,
                entry.remedy,
                entry.url,
                tuple(entry.command or ()),
                entry.status if entry.status is not None else 200 if entry.url else 0,
                entry.contains,
                entry.part,
            )
            for entry in config.doctor.check
        ),
        layers=layers,
    )
