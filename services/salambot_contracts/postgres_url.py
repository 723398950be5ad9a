"""POSTGRES_URL, read in one way by validation, `up`, the services and the doctor.

The URL is never handed to a driver: asyncpg would send each parameter that it does not know to the server as a setting,
and fill what is absent from PG* variables and ~/.pgpass, which differ between a shell and a container.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlencode

from salambot_contracts import postgres_parameters as read
from salambot_contracts.postgres_parameters import SslMode
from salambot_contracts.url_text import (
    Host,
    UrlError,
    UrlText,
    encode_userinfo,
    leave_out,
    parse_hosts,
    parse_ports,
    split_url,
)

_PARAMETERS_WITHOUT_MARK = re.compile(r"[^?]*/[^/?@]*&[a-z_]+=[^?]*")
EXAMPLE = "postgres://user:password@host:5432/database?sslmode=verify-full"
DEFAULT_PORT = 5432
_SCHEMES = frozenset({"postgres", "postgresql", "pgsql", "postgis"})
_DRIVERS = frozenset({"asyncpg", "psycopg", "psycopg2", "psycopg2cffi", "pg8000", "aiopg", "psycopg_async", "pygresql"})
_SYSTEMS: Mapping[str, str] = {
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "mssql": "SQL Server",
    "sqlserver": "SQL Server",
    "mongodb": "MongoDB",
    "sqlite": "SQLite",
    "cockroachdb": "CockroachDB",
    "redis": "Redis",
    "rediss": "Redis",
}
"""Schemes of other databases -> their names."""


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """Where a Postgres is, who logs in, and how it is talked to."""

    hosts: tuple[Host, ...]
    """At least one, each with its port; they are tried in their order."""
    user: str
    database: str
    password: str | None = field(default=None, repr=False)
    sslmode: SslMode | None = None
    """None where the URL says nothing: `tls` is "prefer" then."""
    sslrootcert: str | None = None
    """A path as it is written; None and `system` are the roots of this machine."""
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = field(default=None, repr=False)
    direct_tls: bool = False
    target_session_attrs: str = "any"
    connect_timeout: float | None = None
    pool_size: int | None = None
    is_pooled: bool = False
    """A pooler of transactions stands before the server: no prepared statement and no session setting outlives one."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """The parts of the URL that are left out, in words without a secret."""

    @property
    def host(self) -> str:
        """Return the first host, or the folder of its socket."""
        return self.hosts[0].name

    @property
    def port(self) -> int:
        """Return the first host's port."""
        return self.hosts[0].port or DEFAULT_PORT

    @property
    def tls_mode(self) -> SslMode:
        """Return the sslmode that is in force; a socket has no TLS."""
        return "disable" if self.hosts[0].is_socket else self.sslmode or "prefer"

    def text(self) -> str:
        """Return the URL in the one writing that libpq, asyncpg and we read alike. It holds the password."""
        first = self.hosts[0]
        location = "" if first.is_socket else ",".join(host.text() for host in self.hosts)
        query = {"host": first.name, "port": str(first.port)} if first.is_socket else {}
        optional = {
            "sslmode": self.sslmode,
            "sslrootcert": self.sslrootcert,
            "sslcert": self.sslcert,
            "sslkey": self.sslkey,
            "sslpassword": self.sslpassword,
            "sslnegotiation": "direct" if self.direct_tls else None,
            "target_session_attrs": self.target_session_attrs if self.target_session_attrs != "any" else None,
            "connect_timeout": f"{self.connect_timeout:g}" if self.connect_timeout is not None else None,
            "pool_size": str(self.pool_size) if self.pool_size is not None else None,
            "pgbouncer": "true" if self.is_pooled else None,
        }
        query |= {name: value for name, value in optional.items() if value is not None}
        ending = f"?{urlencode(query, quote_via=quote, safe='/')}" if query else ""
        userinfo = encode_userinfo(self.user, self.password)
        return f"postgres://{userinfo}{location}/{quote(self.database, safe='')}{ending}"

    def tls_context(self, ca: str | None = None) -> ssl.SSLContext | Literal["prefer", "allow", False]:
        """Return what `ssl` of asyncpg has to be.

        Args:
            ca: a bundle that a certificate is verified with, in place of `sslrootcert`; it demands verification.

        Raises:
            OSError, ssl.SSLError: a certificate file cannot be read or is none.
        """
        mode = self.tls_mode
        if mode == "disable":
            return False
        if ca is None and mode in {"allow", "prefer"}:
            return mode
        root = ca or (self.sslrootcert if self.sslrootcert != "system" else None)
        context = ssl.create_default_context(cafile=root)
        if mode == "require" and root is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif mode in {"require", "verify-ca"} and ca is None:
            context.check_hostname = False
        if self.sslcert:
            context.load_cert_chain(self.sslcert, self.sslkey, self.sslpassword)
        context.set_alpn_protocols(["postgresql"])
        return context

    def connect_arguments(self, ca: str | None = None) -> dict[str, object]:
        """Return the arguments of `asyncpg.connect` that say where and as whom; add time limits and settings.

        Nothing is left for asyncpg to look up in PG* variables or ~/.pgpass. Raises as `tls_context`.
        """
        arguments: dict[str, object] = {
            "host": [host.name for host in self.hosts],
            "port": [host.port or DEFAULT_PORT for host in self.hosts],
            "user": self.user,
            "password": self.password or "",
            "database": self.database,
            "ssl": self.tls_context(ca),
            "direct_tls": self.direct_tls,
            "target_session_attrs": self.target_session_attrs,
        }
        return arguments | ({"statement_cache_size": 0} if self.is_pooled else {})


def parse_postgres_url(text: str) -> PostgresUrl:
    """Read POSTGRES_URL.

    Raises:
        UrlError: why it cannot be used and what to write, without any part of the password.
    """
    parts = split_url(text, EXAMPLE)
    _require_scheme(parts.scheme)
    parameters = parts.parameters
    read.refuse_unknown(parameters)
    user = _one_of("user", parts.user, parameters.get("user"))
    if user is None:
        raise UrlError("names no user", f"write {EXAMPLE}")
    if _PARAMETERS_WITHOUT_MARK.fullmatch(text):
        raise UrlError("has & where its parameters begin", f"write ? before the first one: {EXAMPLE}")
    named = _one_of("database", parameters.get("dbname"), parameters.get("database"))
    hosts = _hosts(parts)
    user, notes = read.read_options(user, parameters)
    return PostgresUrl(
        hosts=hosts,
        user=user,
        database=_one_of("database", parts.path or None, named) or user,
        password=_one_of("password", parts.password, parameters.get("password")),
        sslmode=read.read_sslmode(parameters),
        sslrootcert=parameters.get("sslrootcert") or None,
        **read.read_certificate(parameters),
        direct_tls=read.read_direct_tls(parameters),
        target_session_attrs=read.read_session_attributes(parameters),
        connect_timeout=read.read_seconds(parameters),
        pool_size=read.read_pool_size(parameters),
        is_pooled=read.read_is_pooled(hosts, parameters),
        notes=(*parts.notes, *notes, *read.left_out(parameters)),
    )


def _require_scheme(scheme: str) -> None:
    base, _, driver = scheme.partition("+")
    if base in _SCHEMES and (not driver or driver in _DRIVERS):
        return
    why = "is not a postgres:// URL"
    if base == "prisma":
        why = "is an address of Prisma Accelerate, which only Prisma reads"
    elif base in {"http", "https"}:
        why = "is a web address: copy the connection string of the database"
    elif base in _SYSTEMS:
        why = f"leads to {_SYSTEMS[base]}, not to Postgres"
    raise UrlError(why, f"write {EXAMPLE}")


def _one_of(what: str, in_place: str | None, as_parameter: str | None) -> str | None:
    """Return what a URL says in its usual place or as a parameter; clients disagree about which of two counts."""
    if in_place and as_parameter and in_place != as_parameter:
        raise UrlError(f"names a {what} twice, once as a parameter", leave_out(what))
    return in_place or as_parameter or None


def _hosts(parts: UrlText) -> tuple[Host, ...]:
    """Return the hosts with their ports: of the authority, or of the parameters (a socket's folder stands there)."""
    found, listed = parts.hosts, parts.parameters.get("host")
    if listed and not found:
        found = parse_hosts(listed, EXAMPLE)
    elif listed and listed != ",".join(host.name for host in found):
        raise UrlError("names a host twice, once as a parameter", leave_out("host"))
    if not found:
        raise UrlError("names no host", f"write {EXAMPLE}")
    ports = parse_ports(parts.parameters.get("port", ""))
    if len(ports) not in {0, 1, len(found)}:
        raise UrlError("has another number of ports than of hosts", "write each port behind its host")
    spread = ports * len(found) if len(ports) == 1 else ports or (None,) * len(found)
    pairs = zip(found, spread, strict=True)
    hosts = tuple(Host(host.name, host.port or port or DEFAULT_PORT) for host, port in pairs)
    if any(host.is_socket for host in hosts[1:]):
        raise UrlError("names a socket beside other hosts", "keep one of them")
    return hosts
