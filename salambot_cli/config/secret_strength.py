"""Secrets that are none: well-known passwords and examples, refused towards anything outside this machine."""

import ipaddress
from collections.abc import Iterator

from salambot_cli.model.environment import Environment
from salambot_cli.model.topology import Component
from salambot_contracts.postgres_url import parse_postgres_url
from salambot_contracts.redis_url import parse_redis_url
from salambot_contracts.url_text import UrlError

WELL_KNOWN = frozenset(
    {"postgres", "password", "passwd", "pass", "admin", "root", "changeme", "change-me", "secret", "minioadmin"}
    | {"salambot", "test", "demo", "123456", "12345678", "redis", "guest", "default", "example"}
)
"""Passwords that everybody tries first; all in lower case."""
_PLACEHOLDERS = frozenset({"sk-…", "sk-...", "pcsk_…", "pcsk_...", "…", "...", "xxx", "your-api-key", "<secret>"})
_URLS: tuple[tuple[Component, str], ...] = (("postgres", "POSTGRES_URL"), ("redis", "REDIS_URL"))
_KEYS: tuple[tuple[Component, str, str], ...] = (
    ("vector", "pinecone", "PINECONE_API_KEY"),
    ("vector", "qdrant", "QDRANT_API_KEY"),
    ("llm", "openai", "OPENAI_API_KEY"),
)


def well_known_passwords(environment: Environment, urls: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """Yield (variable, host) of each cloud URL whose password is well-known; loopback is this machine."""
    for component, name in _URLS:
        url = urls.get(name)
        if environment.placement(component) != "cloud" or not url:
            continue
        try:
            parsed = parse_postgres_url(url) if name == "POSTGRES_URL" else parse_redis_url(url)
        except UrlError:
            continue
        password, host = parsed.password or "", parsed.host
        if password.lower() in WELL_KNOWN and not is_loopback(host):
            yield name, host


def weak_secrets(environment: Environment) -> Iterator[str]:
    """Yield weaknesses of secrets used in the cloud, as sentences without a value."""
    urls = {name: environment.value(name) for _, name in _URLS}
    for name, host in well_known_passwords(environment, urls):
        yield f"{name}: the password for {host} is a well-known one"
    for component, placement, name in _KEYS:
        value = (environment.value(name) or "").lower()
        if environment.placement(component) == placement and value in WELL_KNOWN | _PLACEHOLDERS:
            yield f"{name}: it is an example, not a key"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
