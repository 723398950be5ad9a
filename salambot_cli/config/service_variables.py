"""Variables by service, for every runtime. A service gets exactly these."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from salambot_cli.components import GROUPS
from salambot_cli.components.description import VariableGroup
from salambot_cli.components.variables import DEFAULTS, is_secret
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.grafana import grafana_link
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import Program


def services_reading(environment: Environment, name: str) -> frozenset[Program]:
    """Report which services read a variable in this environment."""
    return _readers(name, (group for group in GROUPS if group.when(environment)))


def every_reader(name: str) -> frozenset[Program]:
    """Return the services that read a variable in some environment."""
    return _readers(name, GROUPS)


def _readers(name: str, groups: Iterable[VariableGroup]) -> frozenset[Program]:
    variables = (variable for group in groups for variable in group.variables)
    return frozenset(reader for variable in variables if variable.name == name for reader in variable.readers)


def variables_for(
    environment: Environment, service: Program, given: Mapping[str, str] | None = None
) -> dict[str, Variable]:
    """Return what one service gets, by name, in the order of the components.

    `given` is what only a runtime knows (addresses of local parts and next hops, generated passwords); it
    stands above the environment's own values. A variable that nothing sets is absent.
    """
    known = {**_derived(environment), **environment.variables, **_as_variables(given or {})}
    names = dict.fromkeys(
        variable.name
        for group in GROUPS
        if group.when(environment)
        for variable in group.variables
        if service in variable.readers
    )
    return {name: known[name] for name in names if name in known}


def _derived(environment: Environment) -> dict[str, Variable]:
    values = {
        **DEFAULTS,
        "ENV": environment.env_name,
        "TENANT": environment.tenant,
        "VECTOR": environment.placement("vector"),
        "LLM": environment.placement("llm"),
        "EMBEDDER": "local",
        "TELEMETRY": environment.placement("telemetry"),
        "ALLOW_DEV_TOKEN": "true",
        "CONSOLE_PLACEMENTS": json.dumps(dict(environment.placements)),
    }
    if environment.grafana_url and environment.placement("telemetry") == "otlp":
        values["CONSOLE_TRACE_URL"] = grafana_link(environment.grafana_url, "{trace_id}")
    if environment.placement("llm") == "local":  # replies cost this machine's processors: webhooks come first
        values["WORKER_CONCURRENCY"] = "2"
    if channels := {name: table for name, table in environment.channels.items() if table}:
        values["CHANNEL_TENANTS"] = json.dumps(channels)
    if environment.widget.sites:
        values["WIDGET"] = json.dumps(asdict(environment.widget))
    if environment.businesses:
        values["BUSINESSES"] = json.dumps({name: dict(said) for name, said in environment.businesses.items()})
    if environment.placement("objects") == "s3" and (bucket := environment.value("S3_BUCKET")):
        values["OBJECTS_URL"] = f"s3://{bucket}"
    return {name: Variable(name, value, "default") for name, value in values.items()}


def _as_variables(values: Mapping[str, str]) -> dict[str, Variable]:
    return {
        name: Variable(name, Secret(value) if is_secret(name) else value, "generated") for name, value in values.items()
    }
