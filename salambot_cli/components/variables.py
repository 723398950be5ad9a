"""The variables of an environment: their names and meanings, which are secret, which placement needs which."""

from collections.abc import Mapping

from salambot_cli.components import GROUPS, REGISTRY
from salambot_cli.components.description import VariableSpec
from salambot_cli.model.topology import Component

_SPECS = tuple(variable for group in GROUPS for variable in group.variables)

VARIABLES: Mapping[str, VariableSpec] = {spec.name: spec for spec in reversed(_SPECS) if spec.meaning}
"""What a person may set. Beside these, every variable that starts with AWS_ENDPOINT_URL is known."""

SECRET_VARIABLES = frozenset(name for name, spec in VARIABLES.items() if spec.secret)

PLAIN_VARIABLES = frozenset(VARIABLES) - SECRET_VARIABLES

DEFAULTS: Mapping[str, str] = {spec.name: spec.given for spec in _SPECS if spec.given}

REQUIRED: Mapping[tuple[Component, str], tuple[str, ...]] = {
    (placement.component, placement.name): names
    for placement in REGISTRY
    if (names := tuple(spec.name for spec in placement.variables if spec.required))
}
"""What a placement cannot work without."""


def is_known(name: str) -> bool:
    """Return whether an environment may set this variable."""
    return name in VARIABLES or name.startswith("AWS_ENDPOINT_URL")


def is_secret(name: str) -> bool:
    """Return whether this variable's value has to be masked."""
    return name in SECRET_VARIABLES


def example_of(name: str) -> str:
    """Return an example of a variable's value."""
    return VARIABLES[name].example if name in VARIABLES else ""
