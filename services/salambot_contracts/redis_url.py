"""REDIS_URL, read in one way by validation, `up`, the services and the doctor.

Three clients read it (redis-py, coredis, redis-cli); `text` is the writing that all of them take for the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlencode

from salambot_contracts.url_text import (
    Host,
    UrlError,
    UrlText,
    encode_userinfo,
    leave_out,
    split_url,
    unknown_parameter,
)

EXAMPLE = "rediss://:password@host:6379/0"
DEFAULT_PORT = 6379
MAX_DATABASE = 2**31 - 1
Verification = Literal["required", "optional", "none"]
_TLS: Mapping[str, bool] = {
    "redis": False,
    "rediss": True,
    "redis+ssl": True,
    "redis+tls": True,
    "valkey": False,
    "valkeys": True,
}
_SYSTEMS: Mapping[str, str] = {
    "sentinel": "Redis Sentinel",
    "cluster": "Redis Cluster",
    "postgres": "Postgres",
    "postgresql": "Postgres",
    "memcached": "Memcached",
    "amqp": "RabbitMQ",
    "amqps": "RabbitMQ",
}
"""Words of a scheme -> what it leads to."""
_SOCKETS = frozenset({"unix", "redis+unix", "redis+socket", "redis-socket", "valkey+unix"})
_VERIFICATION: Mapping[str, Verification] = {
    "required": "required",
    "cert_required": "required",
    "ssl.cert_required": "required",
    "2": "required",
    "optional": "optional",
    "cert_optional": "optional",
    "1": "optional",
    "none": "none",
    "cert_none": "none",
    "ssl.cert_none": "none",
    "0": "none",
    "false": "none",
}
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_LIMITS = "the time limits of SalamBot apply"
_POOL = "the pool of SalamBot decides"
_UNUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("socket_timeout", "socket_connect_timeout", "socket_keepalive", "timeout", "pool_timeout"), _LIMITS
    ),
    **dict.fromkeys(("connecttimeout", "commandtimeout", "keepalive", "retry_on_timeout", "retry_on_error"), _LIMITS),
    **dict.fromkeys(("maxretriesperrequest", "retrystrategy", "enablereadycheck", "lazyconnect"), _LIMITS),
    **dict.fromkeys(("max_connections", "health_check_interval", "enableofflinequeue", "pool_size"), _POOL),
    **dict.fromkeys(("client_name", "clientname", "lib_name"), "SalamBot names its connections itself"),
    **dict.fromkeys(
        ("family", "protocol", "decode_responses", "encoding", "virtual_host", "visibility_timeout"),
        "nothing here reads it",
    ),
}
"""Parameters of redis-py, ioredis, Celery and others, in lower case, that change nothing here -> why."""
_TRANSLATED = frozenset(
    {"db", "database", "username", "user", "password", "tls", "ssl", "ssl_cert_reqs", "ssl_check_hostname"}
    | {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "rejectunauthorized", "verify", "insecure"}
)
KNOWN_PARAMETERS = _TRANSLATED | frozenset(_UNUSED)


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """Where a Redis is, who logs in, and whether its certificate is verified."""

    host: str
    """A name, an address without brackets, or the path of a socket (it begins with `/`)."""
    port: int = DEFAULT_PORT
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    verification: Verification = "required"
    check_hostname: bool = True
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_socket(self) -> bool:
        """Return True where the host is the path of a Unix socket."""
        return self.host.startswith("/")

    @property
    def is_verified(self) -> bool:
        """Return True where TLS keeps others out of the middle."""
        return self.tls and self.verification == "required" and self.check_hostname

    def text(self) -> str:
        """Return the URL as every client reads it (coredis with `decode_components`). It holds the password."""
        userinfo = encode_userinfo(self.user, self.password)
        if self.is_socket:
            return f"unix://{userinfo}{quote(self.host, safe='/')}?db={self.database}"
        optional = {
            "ssl_cert_reqs": self.verification if self.verification != "required" else None,
            "ssl_check_hostname": None if self.check_hostname else "False",
            "ssl_ca_certs": self.ca,
            "ssl_certfile": self.certificate,
            "ssl_keyfile": self.key,
        }
        query = {name: value for name, value in optional.items() if value is not None} if self.tls else {}
        ending = f"?{urlencode(query, quote_via=quote, safe='/')}" if query else ""
        location = Host(self.host, self.port).text()
        return f"{'rediss' if self.tls else 'redis'}://{userinfo}{location}/{self.database}{ending}"


def parse_redis_url(text: str) -> RedisUrl:
    """Read REDIS_URL.

    Raises:
        UrlError: why it cannot be used and what to write, without any part of the password.
    """
    parts = split_url(_with_socket_authority(text), EXAMPLE)
    parameters = {name.lower(): value for name, value in parts.parameters.items()}
    tls = _tls(parts.scheme, parameters)
    for name in parts.parameters:
        if name.lower() not in KNOWN_PARAMETERS:
            raise unknown_parameter(name, KNOWN_PARAMETERS)
    is_socket = parts.scheme in _SOCKETS
    host = Host(f"/{parts.path}", None) if is_socket else _only_host(parts.hosts)
    verification, check_hostname = _verification(parameters) if tls else ("required", True)
    return RedisUrl(
        host=host.name,
        port=host.port or DEFAULT_PORT,
        tls=tls,
        user=parts.user or parameters.get("username") or parameters.get("user") or None,
        password=parts.password or parameters.get("password") or None,
        database=_database("" if is_socket else parts.path.strip("/"), parameters),
        verification=verification,
        check_hostname=check_hostname,
        ca=(parameters.get("ssl_ca_certs") or None) if tls else None,
        certificate=(parameters.get("ssl_certfile") or None) if tls else None,
        key=(parameters.get("ssl_keyfile") or None) if tls else None,
        notes=(
            *parts.notes,
            *_unsent_user(parts),
            *(f"{name} is left out: {_UNUSED[name]}" for name in parameters if name in _UNUSED),
        ),
    )


def _unsent_user(parts: UrlText) -> tuple[str, ...]:
    """Say that clients send no user name without a password: many write the password in its place."""
    is_alone = parts.user and not (parts.password or "password" in parts.parameters)
    return ("the user name is not sent without a password; a password stands behind a colon: :password@",) * bool(
        is_alone
    )


def _with_socket_authority(text: str) -> str:
    """Refuse Azure's `host:port,password=…,ssl=True`, which names no scheme, in its own words."""
    if "://" not in text and ",password=" in text.lower():
        raise UrlError("is a connection string of StackExchange.Redis, which .NET reads", f"write {EXAMPLE}")
    return text


def _tls(scheme: str, parameters: Mapping[str, str]) -> bool:
    if scheme in _SOCKETS:
        return False
    if scheme not in _TLS:
        raise _other_scheme(scheme)
    asked = [_boolean(name, parameters[name]) for name in ("tls", "ssl") if parameters.get(name)]
    if _TLS[scheme] and False in asked:
        raise UrlError("begins with rediss:// and turns TLS off", leave_out("tls"))
    return _TLS[scheme] or True in asked


def _other_scheme(scheme: str) -> UrlError:
    why = "is not a rediss:// URL"
    if scheme in {"http", "https"}:
        why = "is a web address, such as Upstash's REST URL: copy its rediss:// URL"
    for word in re.split(r"[+-]", scheme):
        if word in _SYSTEMS:
            why = f"leads to {_SYSTEMS[word]}, not to one Redis"
    return UrlError(why, f"write {EXAMPLE}")


def _verification(parameters: Mapping[str, str]) -> tuple[Verification, bool]:
    word = parameters.get("ssl_cert_reqs", "required").lower()
    if word not in _VERIFICATION:
        raise UrlError("holds an ssl_cert_reqs that does not exist", leave_out("ssl_cert_reqs"))
    verification = _VERIFICATION[word]
    off = [name for name in ("rejectunauthorized", "verify") if parameters.get(name)]
    if any(not _boolean(name, parameters[name]) for name in off) or _boolean(
        "insecure", parameters.get("insecure", "0")
    ):
        verification = "none"
    check_hostname = _boolean("ssl_check_hostname", parameters.get("ssl_check_hostname", "true"))
    return verification, check_hostname and verification != "none"


def _boolean(name: str, text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise UrlError(f"holds {name}, which is neither true nor false", leave_out(name))


def _only_host(hosts: tuple[Host, ...]) -> Host:
    if not hosts:
        raise UrlError("names no host", f"write {EXAMPLE}")
    if len(hosts) > 1:
        raise UrlError("names several hosts, as a Redis Cluster or Sentinel has", f"write {EXAMPLE}")
    if hosts[0].is_socket:
        raise UrlError("names a socket as its host", "write unix:///path/of/the/socket?db=0")
    return hosts[0]


def _database(path: str, parameters: Mapping[str, str]) -> int:
    found = {value for value in (path, parameters.get("db"), parameters.get("database")) if value}
    if len(found) > 1:
        raise UrlError("names a database twice", "write it behind the host alone: …:6379/0")
    text = found.pop() if found else "0"
    if not (text.isascii() and text.isdigit() and int(text[:11]) <= MAX_DATABASE):
        raise UrlError("ends in something that is no number of a database", "end it in /0")
    return int(text)
