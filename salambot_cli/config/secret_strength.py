"""Secrets that are none: well-known passwords and examples, refused towards anything outside this machine."""

import ipaddress
from collections.abc import Iterator

from salambot_cli.components import used_variables
from salambot_cli.model.environment import Environment
from salambot_contracts.url_text import UrlError

WELL_KNOWN = frozenset(
    {"postgres", "password", "passwd", "pass", "admin", "root", "changeme", "change-me", "secret", "minioadmin"}
    | {"salambot", "test", "demo", "123456", "12345678", "redis", "guest", "default", "example"}
)
"""Passwords that everybody tries first; all in lower case."""
_PLACEHOLDERS = frozenset({"sk-…", "sk-...", "pcsk_…", "pcsk_...", "…", "...", "xxx", "your-api-key", "<secret>"})


def well_known_passwords(environment: Environment, urls: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """Yield (variable, host) of each cloud URL whose password is well-known; loopback is this machine."""
    for placement, variable in used_variables(environment):
        url = urls.get(variable.name)
        if placement.name != "cloud" or variable.url is None or not url:
            continue
        try:
            parsed = variable.url(url)
        except UrlError:
            continue
        password, host = parsed.password or "", parsed.host
        if password.lower() in WELL_KNOWN and not is_loopback(host):
            yield variable.name, host


def weak_secrets(environment: Environment) -> Iterator[str]:
    """Yield weaknesses of secrets used in the cloud, as sentences without a value."""
    variables = [variable for _, variable in used_variables(environment)]
    for name, host in well_known_passwords(environment, {v.name: environment.value(v.name) for v in variables}):
        yield f"{name}: the password for {host} is a well-known one"
    for variable in variables:
        value = (environment.value(variable.name) or "").lower()
        if variable.refuse_well_known and value in WELL_KNOWN | _PLACEHOLDERS:
            yield f"{variable.name}: it is an example, not a key"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
