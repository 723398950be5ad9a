"""The variables of an environment one by one: checked, written where they are kept, compared."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from salambot_cli.components.variables import VARIABLES, example_of, is_known, is_secret
from salambot_cli.config.dotenv import load_dotenv
from salambot_cli.config.dotenv_edit import write_variable
from salambot_cli.config.effective_values import as_text, effective_values
from salambot_cli.config.load import environment_names, load_environment, project_root
from salambot_cli.config.pasted_values import pasted_values
from salambot_cli.config.placeholders import is_placeholder
from salambot_cli.config.schema import nearest
from salambot_cli.config.service_variables import services_reading
from salambot_cli.config.validate import url_error
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.environment_folder import environment_folder
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.secret import MASK, Secret

_LISTED = "salambot env list --all"


@dataclass(frozen=True, slots=True)
class Difference:
    """A variable that differs: its value on both sides, masked where it is secret; None where nothing sets it."""

    name: str
    here: str | None
    there: str | None


def require_known(name: str) -> str:
    """Return the name of a variable that an environment may set. Raises ConfigurationError with the nearest one."""
    if not is_known(name):
        what = f"{name} is no variable of SalamBot{nearest(name, VARIABLES)}"
        raise ConfigurationError(what, "nothing would read it", _LISTED)
    return name


def check_value(environment: Environment, name: str, value: str) -> None:
    """Check a value as `up` and the doctor would. Raises ConfigurationError, without the value."""
    example = example_of(name)
    shown = f" (such as {example})" if example else ""
    if not value:
        raise ConfigurationError(f"the value of {name} is empty", "nothing was stored", f"salambot env unset {name}")
    if is_placeholder(name, value):
        why = "it looks like the example of a page; nothing was stored"
        raise ConfigurationError(f"{name} holds an example", why, "give your own value")
    variable = Variable(name, Secret(value) if is_secret(name) else value, ".env")
    if pasted := next(pasted_values(replace(environment, variables={name: variable})), None):
        why = "; ".join(pasted.reasons)
        raise ConfigurationError(f"{name} holds what was pasted with it", why, f"salambot env set {name}, without it")
    if error := url_error(name, value):
        raise ConfigurationError(f"{name} cannot be used", error.reason, error.remedy + shown)


def kept_in_secrets_manager(environment: Environment, name: str) -> bool:
    """Return whether Secrets Manager keeps this variable: every secret but those that open AWS itself."""
    return environment.placement("secrets") == "aws" and is_secret(name) and not name.startswith("AWS_")


def write_dotenv(environment: Environment, name: str, value: str | None) -> bool:
    """Set or remove a variable in `.env`; return whether the file changed. Raises ConfigurationError."""
    if value is not None and is_secret(name) and environment.placement("secrets") == "aws":
        why = 'with secrets = "aws" no secret is written in clear under the project'
        raise ConfigurationError(f"{name} is not written to .env", why, "aws configure sso, then set AWS_PROFILE")
    return write_variable(environment.variables_file, name, value)


def stronger_layer(environment: Environment, name: str) -> str | None:
    """Return the layer above `.env` that sets a variable too, so that what `.env` says has no effect."""
    variable = environment.variables.get(name)
    return variable.layer if variable and variable.layer in {"environment", "flag"} else None


def readers(environment: Environment, name: str) -> str:
    """Return the services that read a variable here, in words; the command itself reads the rest."""
    return ", ".join(sorted(services_reading(environment, name))) or "salambot"


def differences(start: Path, one: str, other: str) -> list[Difference]:
    """Compare two sides by name, each a named environment or a file of variables; two environments also by key.

    Raises:
        ConfigurationError: there is neither such a file nor such an environment.
    """
    here, there = _side(start, one), _side(start, other)
    if here.keys_too and there.keys_too:
        return _different({**here.keys_too, **here.variables}, {**there.keys_too, **there.variables})
    return _different(here.variables, there.variables)


@dataclass(frozen=True, slots=True)
class _Side:
    variables: Mapping[str, str]
    keys_too: Mapping[str, str]
    """The keys of the configuration; nothing for a file of variables."""


def _side(start: Path, text: str) -> _Side:
    if Path(text).is_file():
        return _Side(
            {name: value for name, value in load_dotenv(Path(text)).values.items() if is_known(name) and value}, {}
        )
    known = environment_names(start)
    if text not in known:
        what = f"there is no file and no environment {text}{nearest(text, known)}"
        raise ConfigurationError(what, f"salambot.toml has {', '.join(known)}", "salambot env diff .env.example")
    environment = load_environment(environment_folder(project_root(start), text))
    variables = {name: one.reveal() for name, one in environment.variables.items() if one.layer != "default"}
    rows = effective_values(environment)
    return _Side(variables, {key: as_text(value) for key, value, _ in rows if key not in environment.variables})


def _different(here: Mapping[str, str], there: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(name, _shown(here, name), _shown(there, name))
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name)
    ]


def _shown(values: Mapping[str, str], name: str) -> str | None:
    value = values.get(name)
    return MASK if value and is_secret(name) else value
