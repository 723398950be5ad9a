"""The effective configuration as rows: key, value, layer."""

import json

from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret


def as_text(value: object) -> str:
    """Return a value as `config show` prints it."""
    return value if isinstance(value, str) else json.dumps(value)


Row = tuple[str, object, str]


def effective_values(environment: Environment) -> list[Row]:
    """Return every value with the layer it came from, secrets masked."""
    layer = environment.layers
    rows: list[Row] = [
        ("tenant", environment.tenant, layer["tenant"]),
        ("topology", list(environment.topology), layer.get("topology", "default")),
        ("runtime", environment.runtime, layer["runtime"]),
        ("together", list(environment.together), layer["together"]),
        ("timezone", environment.timezone, layer["timezone"]),
        ("kb.path", str(environment.kb), layer["kb.path"]),
        ("allow_insecure", sorted(environment.allow_insecure), layer["allow_insecure"]),
    ]
    rows += [(f"placement.{name}", where, layer[f"placement.{name}"]) for name, where in environment.placements.items()]
    rows += [(f"ports.{name}", port, layer[f"ports.{name}"]) for name, port in environment.ports.items()]
    aws = ("region", "profile", "jump", "kms_key")
    rows += [(f"aws.{name}", getattr(environment.aws, name), layer[f"aws.{name}"]) for name in aws]
    for name, variable in sorted(environment.variables.items()):
        value = str(variable.value) if isinstance(variable.value, Secret) else variable.value
        rows.append((name, value, variable.layer))
    return rows
