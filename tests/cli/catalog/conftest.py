"""Environments made by hand: a topology and a few variables."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salambot_cli.components.variables import is_secret
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import DEFAULT_PORTS, TopologyName, preset

MakeEnvironment = Callable[..., Environment]


@pytest.fixture
def make_environment(tmp_path: Path) -> MakeEnvironment:
    """Return a function: topology names, variables by keyword `variables`, any other field of Environment."""

    def make(*topology: TopologyName, variables: dict[str, str] | None = None, **fields: Any) -> Environment:  # noqa: ANN401 - any field of Environment
        placement = fields.pop("placement", {})
        environment = Environment(
            root=tmp_path,
            config_file=None,
            tenant="demo",
            topology=topology or ("local",),
            runtime="compose",
            placements={**preset(topology), **placement},
            ports=dict(DEFAULT_PORTS),
            variables={
                name: Variable(name, Secret(value) if is_secret(name) else value, ".env")
                for name, value in (variables or {}).items()
            },
        )
        return replace(environment, **fields)

    return make
