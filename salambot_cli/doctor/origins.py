"""Where a variable comes from decides what a probe waits for: whoever answers for the value comes before its reader."""

from collections.abc import Mapping

from salambot_cli.components.variables import REQUIRED, is_known, is_secret
from salambot_cli.model.environment import Environment
from salambot_cli.model.topology import COMPONENTS

CONFIG, VALUES, MISSING, SECRETS = "config.parse", "config.values", "local.env", "secrets.read"
_ABOVE_SECRETS = frozenset({"flag", "environment"})
"""Layers that win against Secrets Manager."""


def origins_of(environment: Environment, name: str) -> tuple[str, ...]:
    """Return the checks that answer for a variable: for reading it, for its presence, for its shape."""
    if is_from_vault(environment, name):
        return (SECRETS,)
    if environment.value(name):
        return (VALUES,)
    return (MISSING,) if name in required_names(environment) else ()


def is_from_vault(environment: Environment, name: str) -> bool:
    """Return whether the value of a variable has to be waited for: Secrets Manager may hold it, and would win."""
    if not is_in_vault(environment, name):
        return False
    variable = environment.variables.get(name)
    if variable is None or variable.layer == "default":
        return True
    return is_secret(name) and variable.layer not in _ABOVE_SECRETS


def is_in_vault(environment: Environment, name: str) -> bool:
    """Return whether Secrets Manager may hold a variable, as far as the configuration tells."""
    if environment.placement("secrets") != "aws" or name.startswith("AWS_"):
        return False
    named = environment.aws.secret
    return name in named if isinstance(named, Mapping) else named is not None and is_known(name)


def required_names(environment: Environment) -> frozenset[str]:
    """Return the variables that the placements cannot work without."""
    return frozenset(n for part in COMPONENTS for n in REQUIRED.get((part, environment.placement(part)), ()))


def layer_of(environment: Environment, name: str, *, pulled: bool = False) -> str:
    """Say where a value is read, for people: `.env`, the process environment, Secrets Manager…"""
    variable = environment.variables.get(name)
    if variable is None or (pulled and variable.layer not in _ABOVE_SECRETS):
        return "secrets manager" if pulled else "nowhere"
    return variable.layer
