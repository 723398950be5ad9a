"""Values that are examples: of the documentation, of a provider's console, of a template that was copied whole."""

import ipaddress
import re

from salambot_contracts.postgres_url import parse_postgres_url
from salambot_contracts.redis_url import parse_redis_url
from salambot_contracts.url_text import UrlError

_ELLIPSIS = re.compile(r"…|\.\.\.|\*{3,}")
_BRACKETS = re.compile(r"<[^<>]*[A-Za-z][^<>]*>|\{\{[^{}]*\}\}|\[(?:YOUR|MY|INSERT|ENTER)[-_ A-Z]*\]", re.IGNORECASE)
_WORDS = re.compile(
    r"(?:^|[-_:/.@])(?:x{4,}|your[-_](?:[a-z]+[-_]?)*|change[-_]?me|replace[-_]?me|insert[-_]here|placeholder|todo)"
    r"(?:$|[-_:/.@?&])",
    re.IGNORECASE,
)
_HOSTS = frozenset(
    {"rds-endpoint", "elasticache-endpoint", "otlp-gw", "host", "hostname", "your-host", "db-host", "redis-host"}
    | {"endpoint", "server", "db-endpoint", "redis-endpoint", "your-db-host", "my-host"}
)
"""Host names that stand in examples and resolve nowhere."""
_USERS = frozenset({"user", "username", "your_user", "db_user"})
_PASSWORDS = frozenset({"pass", "password", "your_password", "your-password", "[your-password]", "mypassword"})


def is_placeholder(name: str, text: str) -> bool:
    """Return True where a value is an example that stands for another one."""
    if name.endswith(("_HEADERS", "_JWKS")) and not _BRACKETS.search(text):
        return False  # JSON and lists: what looks like an example may be text
    if _ELLIPSIS.search(text) or _BRACKETS.search(text) or _WORDS.search(text):
        return True
    if "://" not in text:
        return False
    host = re.split(r"[/:?#]", text.partition("://")[2].rpartition("@")[2])[0].lower()
    return host in _HOSTS or _has_example_login(text)


def _has_example_login(text: str) -> bool:
    """Return True for `user:pass` and its kin at a host that is not this machine, where tests have such logins."""
    try:
        url = parse_redis_url(text) if text.startswith("redis") else parse_postgres_url(text)
    except UrlError:
        return False
    example = url.user in _USERS and (url.password or "").lower() in _PASSWORDS
    return example and not _is_near(url.host)


def _is_near(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.startswith("/")
    return True
