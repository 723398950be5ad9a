"""What an environment must have before anything starts: every variable of its placements, and TLS towards the cloud."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from salambot_cli.catalog.strength import is_loopback, weak_secrets
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.topology import COMPONENTS, Component
from salambot_cli.model.variables import REQUIRED, is_secret
from salambot_cli.outside.dotenv_file import exposure

EXAMPLES: Mapping[str, str] = {
    "POSTGRES_URL": "postgres://user:password@host:5432/salambot?sslmode=verify-full",
    "REDIS_URL": "rediss://:password@host:6379/0",
    "PINECONE_API_KEY": "pcsk_…",
    "PINECONE_INDEX": "salambot-kb",
    "QDRANT_URL": "https://….cloud.qdrant.io:6333",
    "AWS_REGION": "eu-west-1",
    "S3_BUCKET": "salambot-kb",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp-gateway-<zone>.grafana.net/otlp",
    "OPENAI_API_KEY": "sk-…",
}
"""How the value of each required variable looks."""

_AWS = "AWS_ENDPOINT_URL"
_HTTP_URLS: Mapping[tuple[Component, str], tuple[str, ...]] = {
    ("vector", "pinecone"): ("PINECONE_CONTROLLER_HOST",),
    ("vector", "qdrant"): ("QDRANT_URL",),
    ("objects", "s3"): (_AWS, f"{_AWS}_S3"),
    ("secrets", "aws"): (_AWS, f"{_AWS}_SECRETS_MANAGER", f"{_AWS}_KMS"),
    ("telemetry", "otlp"): ("OTEL_EXPORTER_OTLP_ENDPOINT",),
    ("llm", "openai"): ("OPENAI_BASE_URL",),
}


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that a placement needs and nothing sets."""

    name: str
    component: Component
    placement: str


@dataclass(frozen=True, slots=True)
class Insecure:
    """A cloud URL that must not be used as it is. `reason` never holds the value."""

    name: str
    component: Component
    reason: str
    fix: str


def validate(environment: Environment, *, secrets_pulled: bool = False) -> None:
    """Raise one error: a `.env` that others can read, or everything missing, or everything insecure.

    With `secrets = "aws"` the secret variables are asked for only when `secrets_pulled` says that the
    secret has been read.
    """
    _refuse_exposed_file(environment)
    missing = tuple(missing_variables(environment, secrets_pulled=secrets_pulled))
    insecure = tuple(insecure_urls(environment))
    if missing:
        raise _missing_error(environment, missing, insecure)
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
    """Raise one error for what a single component needs and nothing sets, once the secrets are read."""
    needed = missing_variables(environment, secrets_pulled=True)
    if missing := tuple(variable for variable in needed if variable.component == component):
        raise _missing_error(environment, missing, ())


def _refuse_exposed_file(environment: Environment) -> None:
    """Refuse a `.env` that others can read, when a secret is read from it."""
    path = environment.root / ".env"
    held = sorted(v.name for v in environment.variables.values() if v.layer == ".env" and is_secret(v.name))
    if held and path.is_file() and (found := exposure(path)):
        why, fix = found
        raise ConfigurationError(f"{path} holds {', '.join(held)}, and others get to see it", why, fix)


def missing_variables(environment: Environment, *, secrets_pulled: bool = False) -> Iterator[Missing]:
    """Yield every variable that the placements need and nothing sets, each once."""
    deferred = environment.placement("secrets") == "aws" and not secrets_pulled
    seen: set[str] = set()
    for component in COMPONENTS:
        placement = environment.placement(component)
        for name in REQUIRED.get((component, placement), ()):
            if environment.value(name) or name in seen or (deferred and is_secret(name)):
                continue
            seen.add(name)
            yield Missing(name, component, placement)


def insecure_urls(environment: Environment) -> Iterator[Insecure]:
    """Yield every cloud URL without verified TLS whose component `allow_insecure` does not name."""
    for component in COMPONENTS:
        if component in environment.allow_insecure:
            continue
        if component == "postgres" and environment.placement(component) == "cloud":
            yield from _postgres(environment.value("POSTGRES_URL"))
        elif component == "redis" and environment.placement(component) == "cloud":
            yield from _redis(environment.value("REDIS_URL"))
        for name in _HTTP_URLS.get((component, environment.placement(component)), ()):
            yield from _http(name, component, environment.value(name))


def _postgres(url: str | None) -> Iterator[Insecure]:
    if not url:
        return
    parts = _parse(url)
    fix = "end the URL with ?sslmode=verify-full"
    if parts is None or parts.scheme not in {"postgres", "postgresql"}:
        yield Insecure("POSTGRES_URL", "postgres", "is not a postgres:// URL with a host", EXAMPLES["POSTGRES_URL"])
    elif (mode := parse_qs(parts.query).get("sslmode", ["absent"])[-1]) != "verify-full":
        yield Insecure("POSTGRES_URL", "postgres", f"sslmode is {mode}: the server is not verified", fix)


def _redis(url: str | None) -> Iterator[Insecure]:
    if not url:
        return
    parts = _parse(url)
    if parts is None or parts.scheme not in {"redis", "rediss"}:
        yield Insecure("REDIS_URL", "redis", "is not a rediss:// URL with a host", EXAMPLES["REDIS_URL"])
    elif parts.scheme != "rediss":
        yield Insecure("REDIS_URL", "redis", "redis:// sends the password in clear", "begin the URL with rediss://")
    elif parse_qs(parts.query).get("ssl_cert_reqs", ["required"])[-1] != "required":
        yield Insecure("REDIS_URL", "redis", "ssl_cert_reqs turns verification off", "leave ssl_cert_reqs out")


def _http(name: str, component: Component, url: str | None) -> Iterator[Insecure]:
    if not url:
        return
    parts = _parse(url)
    if parts is None or parts.scheme not in {"http", "https"}:
        yield Insecure(name, component, "is not an https:// URL with a host", "write https://host[:port][/path]")
    elif parts.scheme != "https" and not (component == "llm" and is_loopback(parts.hostname or "")):
        yield Insecure(name, component, "http:// sends data and keys in clear", "begin the URL with https://")


def _parse(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where the port is no number
    except ValueError:
        return None
    return parts if parts.hostname else None


def _missing_error(
    environment: Environment, missing: tuple[Missing, ...], insecure: tuple[Insecure, ...]
) -> ConfigurationError:
    names = ", ".join(m.name for m in missing)
    reasons = [
        f"{m.name}: {m.component} = {m.placement} needs it; read from {_places(environment, m.name)}" for m in missing
    ]
    return ConfigurationError(
        f"missing for topology {'+'.join(environment.topology)}: {names}",
        "\n".join(reasons + [_explain(i) for i in insecure]),
        f"add to {environment.root / '.env'} (mode 0600):\n"
        + "\n".join(f"{m.name}={EXAMPLES.get(m.name, '…')}" for m in missing),
    )


def _places(environment: Environment, name: str) -> str:
    places = f"the process environment, {environment.root / '.env'}"
    return f"{places}, Secrets Manager" if environment.placement("secrets") == "aws" and is_secret(name) else places


def _explain(insecure: Insecure) -> str:
    return f"{insecure.name} ({insecure.component}): {insecure.reason}"


def _toml_list(components: Iterator[Component]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in dict.fromkeys(components)) + "]"
