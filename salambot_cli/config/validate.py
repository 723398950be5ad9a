"""Checks before a start: every variable of the placements is set, and cloud URLs use TLS."""

from collections.abc import Iterator
from dataclasses import dataclass

from salambot_cli.components import REGISTRY, used_variables
from salambot_cli.components.description import UrlReader, VariableSpec
from salambot_cli.components.variables import REQUIRED, example_of, is_secret
from salambot_cli.config.pasted_values import pasted_values
from salambot_cli.config.placeholders import is_placeholder
from salambot_cli.config.secret_strength import is_loopback, weak_secrets
from salambot_cli.host.dotenv_file import file_exposure
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.topology import COMPONENTS, Component
from salambot_contracts.http_url import HttpUrl
from salambot_contracts.postgres_url import PostgresUrl
from salambot_contracts.redis_url import RedisUrl
from salambot_contracts.url_text import ENCODING, UrlError


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that a placement needs and nothing sets, or that holds an example."""

    name: str
    component: Component
    placement: str
    is_example: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that must not be used as it is. `reason` never holds it."""

    name: str
    component: Component
    reason: str
    fix: str


def validate(environment: Environment, *, secrets_pulled: bool = False) -> None:
    """Raise one error: a `.env` that others can read, or everything missing, broken or insecure.

    With `secrets = "aws"` the secret variables are asked for only when `secrets_pulled` says that the
    secret has been read.
    """
    _refuse_exposed_file(environment)
    _refuse_pasted(environment)
    missing = (*missing_variables(environment, secrets_pulled=secrets_pulled), *examples(environment))
    broken = tuple(broken_urls(environment, skipped=frozenset(m.name for m in missing)))
    insecure = tuple(insecure_urls(environment))
    if missing:
        raise _missing_error(environment, missing, (*broken, *insecure))
    if broken:
        raise ConfigurationError(
            f"{', '.join(b.name for b in broken)} cannot be used",
            "\n".join(_explain(one) for one in (*broken, *insecure)),
            "\n".join(f"{b.name}: {b.fix}" for b in broken),
        )
    if insecure:
        raise ConfigurationError(
            "without verified TLS, a cloud placement is refused: " + ", ".join(i.name for i in insecure),
            "\n".join(_explain(i) for i in insecure),
            "\n".join(f"{i.name}: {i.fix}" for i in insecure)
            + f"\nor accept it: allow_insecure = {_toml_list(i.component for i in insecure)} in salambot.toml",
        )
    if weak := tuple(weak_secrets(environment)):
        raise ConfigurationError(
            "a default or example secret is refused towards the cloud: " + ", ".join(w.split(":")[0] for w in weak),
            "\n".join(weak),
            "set another one at the service itself, then where it is read from: salambot config show",
        )


def require(environment: Environment, component: Component) -> None:
    """Raise one error that lists what a component is missing, after secrets are read."""
    needed = missing_variables(environment, secrets_pulled=True)
    if missing := tuple(variable for variable in needed if variable.component == component):
        raise _missing_error(environment, missing, ())


def _refuse_exposed_file(environment: Environment) -> None:
    """Refuse a `.env` that others can read, when a secret is read from it."""
    held = sorted(v.name for v in environment.variables.values() if v.layer == ".env" and is_secret(v.name))
    for path in environment.variables_files if held else ():
        if path.is_file() and (found := file_exposure(path)):
            why, fix = found
            raise ConfigurationError(f"{path} holds {', '.join(held)}, and others get to see it", why, fix)


def missing_variables(environment: Environment, *, secrets_pulled: bool = False) -> Iterator[Missing]:
    """Yield every variable that the placements need and nothing sets but perhaps an example, each once."""
    deferred = environment.placement("secrets") == "aws" and not secrets_pulled
    seen: set[str] = set()
    for component in COMPONENTS:
        placement = environment.placement(component)
        for name in REQUIRED.get((component, placement), ()):
            value = environment.value(name)
            is_example = value is not None and is_placeholder(name, value)
            if (value and not is_example) or name in seen or (deferred and is_secret(name) and not value):
                continue
            seen.add(name)
            yield Missing(name, component, placement, is_example)


def examples(environment: Environment) -> Iterator[Missing]:
    """Yield the variables beside the required ones that hold an example, where something stands in the cloud."""
    if environment.env_name == "local":
        return
    for placement, variable in used_variables(environment):
        value = environment.value(variable.name)
        is_here = placement.name in {"local", "off", "env"}
        if value and not is_here and not variable.required and is_placeholder(variable.name, value):
            yield Missing(variable.name, placement.component, placement.name, is_example=True)


def broken_urls(environment: Environment, *, skipped: frozenset[str] = frozenset()) -> Iterator[Refused]:
    """Yield every URL in use that cannot be read, by the reader that the services and the doctor have."""
    for component, variable, read in _urls(environment):
        value = environment.value(variable.name)
        if value and variable.name not in skipped and (error := _error(read, value)):
            yield Refused(variable.name, component, error.reason, error.remedy)


def url_notes(environment: Environment) -> Iterator[str]:
    """Yield what the readers of the URLs in use left out or corrected, in words without a secret."""
    for _, variable, read in _urls(environment):
        value = environment.value(variable.name)
        if value and _error(read, value) is None:
            yield from (f"{variable.name}: {note}" for note in read(value).notes)


def insecure_urls(environment: Environment) -> Iterator[Refused]:
    """Yield every cloud URL without verified TLS whose component `allow_insecure` does not name."""
    for component, variable, read in _urls(environment):
        value = environment.value(variable.name)
        if component not in environment.allow_insecure and value and _error(read, value) is None:
            yield from _insecure(variable, component, read(value))


def url_error(name: str, value: str) -> UrlError | None:
    """Return what keeps a variable's URL from being read, wherever its component is placed."""
    specs = (spec for placement in REGISTRY for spec in placement.variables if spec.name == name)
    return next((error for spec in specs if spec.url and (error := _error(spec.url, value))), None)


def _urls(environment: Environment) -> Iterator[tuple[Component, VariableSpec, UrlReader]]:
    for placement, variable in used_variables(environment):
        if variable.url:
            yield placement.component, variable, variable.url


def _error(read: UrlReader, value: str) -> UrlError | None:
    try:
        read(value)
    except UrlError as error:
        return error
    return None


def _insecure(variable: VariableSpec, component: Component, url: PostgresUrl | RedisUrl | HttpUrl) -> Iterator[Refused]:
    name = variable.name
    match url:
        case PostgresUrl() if url.tls_mode != "verify-full" and not url.hosts[0].is_socket:
            reason = f"sslmode is {url.sslmode or 'absent'}: the server is not verified"
            yield Refused(name, component, reason, "end the URL with ?sslmode=verify-full")
        case RedisUrl() if not url.tls and not url.is_socket:
            yield Refused(name, component, "redis:// sends the password in clear", "begin the URL with rediss://")
        case RedisUrl() if not url.is_verified and not url.is_socket:
            yield Refused(name, component, "ssl_cert_reqs turns verification off", "leave ssl_cert_reqs out")
        case HttpUrl() if not url.is_secure and not (variable.plain_on_loopback and is_loopback(url.host)):
            yield Refused(name, component, "http:// sends data and keys in clear", "begin the URL with https://")


def _refuse_pasted(environment: Environment) -> None:
    pasted = tuple(pasted_values(environment))
    if pasted:
        raise ConfigurationError(
            f"{', '.join(one.variable.name for one in pasted)} cannot be meant as written",
            "\n".join(f"{one.variable.name} ({one.variable.layer}): holds {', '.join(one.reasons)}" for one in pasted),
            "\n".join(one.remedy for one in pasted),
        )


def _missing_error(
    environment: Environment, missing: tuple[Missing, ...], refused: tuple[Refused, ...]
) -> ConfigurationError:
    names = ", ".join(m.name for m in missing)
    reasons = [_why_missing(environment, one) for one in missing]
    lines = [f"{m.name}={example_of(m.name) or '…'}" for m in missing]
    hints = [ENCODING] if {"POSTGRES_URL", "REDIS_URL"} & {m.name for m in missing} else []
    return ConfigurationError(
        f"missing for topology {'+'.join(environment.topology)}: {names}",
        "\n".join(reasons + [_explain(one) for one in refused]),
        "\n".join([f"add to {environment.variables_file} (mode 0600):", *lines, *hints]),
    )


def _why_missing(environment: Environment, missing: Missing) -> str:
    variable = environment.variables.get(missing.name)
    if missing.is_example and variable is not None:
        return f"{missing.name}: what stands in {variable.layer} is an example; write the real value, or remove it"
    places = _places(environment, missing.name)
    return f"{missing.name}: {missing.component} = {missing.placement} needs it; read from {places}"


def _places(environment: Environment, name: str) -> str:
    places = f"the process environment, {environment.variables_file}"
    return f"{places}, Secrets Manager" if environment.placement("secrets") == "aws" and is_secret(name) else places


def _explain(refused: Refused) -> str:
    return f"{refused.name} ({refused.component}): {refused.reason}"


def _toml_list(components: Iterator[Component]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in dict.fromkeys(components)) + "]"
