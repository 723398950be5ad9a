"""The parameters of a Postgres URL that other clients read: translated, left out with a word, or refused by name."""

from collections.abc import Mapping
from typing import Literal, TypeAlias, cast, get_args

from salambot_contracts.url_text import Host, UrlError, leave_out, unknown_parameter

Parameters: TypeAlias = Mapping[str, str]
MAX_CONNECT_SECONDS = 60.0
SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_SSL_WORDS: Mapping[str, SslMode] = {
    "true": "require",
    "1": "require",
    "on": "require",
    "yes": "require",
    "false": "disable",
    "0": "disable",
    "off": "disable",
    "no": "disable",
    "no-verify": "require",
    "strict": "verify-full",
    "accept_invalid_certs": "require",
}
_SESSION_ATTRIBUTES = frozenset({"any", "primary", "standby", "read-write", "read-only", "prefer-standby"})
_UNUSED: Mapping[str, str] = {
    "channel_binding": "asyncpg binds no channel, and sslmode=verify-full keeps others out of the middle",
    **dict.fromkeys(
        ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        "the time limits of SalamBot apply",
    ),
    **dict.fromkeys(
        ("pool_timeout", "socket_timeout", "command_timeout", "max_idle_connection_lifetime", "max_conn_lifetime"),
        "the time limits of SalamBot apply",
    ),
    **dict.fromkeys(
        ("pool_max_conn_lifetime", "pool_max_conn_idle_time", "pool_min_conns", "max_overflow", "pool_recycle"),
        "the pool of SalamBot decides",
    ),
    **dict.fromkeys(("pool_pre_ping", "conn_max_age", "conn_health_checks"), "the pool of SalamBot decides"),
    **dict.fromkeys(("application_name", "fallback_application_name"), "SalamBot names its sessions itself"),
    **dict.fromkeys(
        ("sslcompression", "sslsni", "sslcertmode", "ssl_min_protocol_version"), "TLS 1.2 or newer is used"
    ),
    **dict.fromkeys(
        ("uselibpqcompat", "async_fallback", "workaround", "supa", "load_balance_hosts"), "nothing here reads it"
    ),
    **dict.fromkeys(("require_auth", "max_protocol_version", "min_protocol_version"), "asyncpg negotiates them itself"),
}
"""Parameters that other clients read and that change nothing here -> why they are left out."""
_ROLE_SETTINGS = frozenset(
    {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone", "datestyle", "jit"}
    | {"default_transaction_isolation", "default_transaction_read_only", "role", "work_mem", "session_replication_role"}
)
_REFUSED: Mapping[str, tuple[str, str]] = {
    "service": ("names a service file, which only this machine has", "write the values of the service into the URL"),
    "servicefile": (
        "names a service file, which only this machine has",
        "write the values of the service into the URL",
    ),
    "passfile": ("names a password file, which the services do not see", "write the password into the URL"),
    "sslcrl": ("is not supported", leave_out("sslcrl")),
    "sslcrldir": ("is not supported", leave_out("sslcrldir")),
    "sslidentity": ("is a PKCS#12 file of Prisma", "write sslcert and sslkey (PEM files)"),
    "replication": ("asks for a replication session", leave_out("replication")),
    "krbsrvname": ("asks for Kerberos, which is not supported", "use a password"),
    "gsslib": ("asks for Kerberos, which is not supported", "use a password"),
    "requirepeer": ("is not supported", leave_out("requirepeer")),
    "hostaddr": ("is not supported", "write the address as the host, or the name alone"),
}
_TRANSLATED = frozenset(
    {"host", "port", "user", "password", "dbname", "database", "sslmode", "ssl", "sslaccept", "sslrootcert", "sslcert"}
    | {"sslkey", "sslpassword", "sslnegotiation", "target_session_attrs", "targetServerType", "connect_timeout"}
    | {"pgbouncer", "statement_cache_size", "prepared_statement_cache_size", "prepare_threshold", "prepareThreshold"}
    | {"connection_limit", "pool_size", "max_pool_size", "pool_max_conns", "max", "options", "schema", "search_path"}
    | {"currentSchema", "client_encoding", "gssencmode", "charset"}
)
KNOWN_PARAMETERS = _TRANSLATED | frozenset(_UNUSED) | frozenset(_REFUSED)


def refuse_unknown(parameters: Parameters) -> None:
    """Raise UrlError for the first parameter that is refused or not understood."""
    for name in parameters:
        if name in _REFUSED:
            why, remedy = _REFUSED[name]
            raise UrlError(f"holds the parameter {name}, which {why}", remedy)
        if name in _ROLE_SETTINGS:
            raise _setting(name)
        if name not in KNOWN_PARAMETERS:
            raise unknown_parameter(name, KNOWN_PARAMETERS)


def left_out(parameters: Parameters) -> tuple[str, ...]:
    """Return a sentence for each parameter that changes nothing here."""
    return tuple(f"{name} is left out: {_UNUSED[name]}" for name in parameters if name in _UNUSED)


def read_sslmode(parameters: Parameters) -> SslMode | None:
    """Return the sslmode of a URL, also where Node.js, SQLAlchemy (`ssl`) or Prisma (`sslaccept`) wrote it."""
    mode = _mode("sslmode", parameters) or _mode("ssl", parameters)
    if _mode("sslaccept", parameters) == "verify-full" and mode != "disable":
        return "verify-full"
    return mode


def _mode(name: str, parameters: Parameters) -> SslMode | None:
    word = parameters.get(name, "").lower()
    mode = _SSL_WORDS.get(word, word)
    if mode and mode not in get_args(SslMode):
        raise UrlError(f"holds a {name} that does not exist", "write sslmode=verify-full")
    return cast("SslMode", mode) if mode else None


def read_certificate(parameters: Parameters) -> dict[str, str | None]:
    """Return the client's certificate; sslcert alone is Prisma's name of the server's CA, and refused."""
    names = ("sslcert", "sslkey", "sslpassword")
    found: dict[str, str | None] = {name: parameters.get(name) or None for name in names}
    if found["sslcert"] and not found["sslkey"]:
        raise UrlError("holds sslcert without sslkey", "write sslrootcert for the CA of the server")
    return found


def read_direct_tls(parameters: Parameters) -> bool:
    """Return True where TLS starts without asking (Postgres 17)."""
    word = parameters.get("sslnegotiation", "postgres")
    if word not in {"postgres", "direct"}:
        raise UrlError("holds sslnegotiation, which is neither postgres nor direct", leave_out("sslnegotiation"))
    if parameters.get("gssencmode", "disable") == "require":
        raise UrlError("holds gssencmode=require: Kerberos is not supported", leave_out("gssencmode"))
    return word == "direct"


def read_session_attributes(parameters: Parameters) -> str:
    """Return which of several hosts is wanted, in libpq's words."""
    word = parameters.get("target_session_attrs") or parameters.get("targetServerType") or "any"
    word = {"master": "primary", "secondary": "standby", "preferSecondary": "prefer-standby"}.get(word, word)
    if word not in _SESSION_ATTRIBUTES:
        raise UrlError("holds a target_session_attrs that does not exist", "write target_session_attrs=read-write")
    return word


def read_seconds(parameters: Parameters) -> float | None:
    """Return connect_timeout in seconds; 0 and less mean no limit to libpq, which nothing here has."""
    text = parameters.get("connect_timeout")
    if not text:
        return None
    seconds = _number("connect_timeout", text)
    return min(seconds, MAX_CONNECT_SECONDS) if seconds > 0 else None


def read_pool_size(parameters: Parameters) -> int | None:
    """Return how many connections a process may open, as Prisma, pgx, SQLAlchemy or Node.js name it."""
    names = ("connection_limit", "pool_size", "max_pool_size", "pool_max_conns", "max")
    sizes = [int(_number(name, parameters[name])) for name in names if parameters.get(name)]
    return max(1, min(sizes)) if sizes else None


def read_is_pooled(hosts: tuple[Host, ...], parameters: Parameters) -> bool:
    """Return True where the URL says that a pooler of transactions stands before the server."""
    if parameters.get("pgbouncer", "").lower() in {"true", "1", "yes"}:
        return True
    caches = ("statement_cache_size", "prepared_statement_cache_size", "prepareThreshold")
    if any(parameters.get(name) == "0" for name in caches) or parameters.get("prepare_threshold") in {"0", "None"}:
        return True
    return any(is_pooler(host) for host in hosts)


def is_pooler(host: Host) -> bool:
    """Return True for the endpoints at which providers put a pooler of transactions."""
    first, _, domain = host.name.partition(".")
    return (
        (first.endswith("-pooler") and domain.endswith("neon.tech"))
        or (domain.endswith("pooler.supabase.com") and host.port == 6543)
        or (domain.endswith("supabase.co") and host.port == 6543)
        or (domain.endswith("db.ondigitalocean.com") and host.port == 25061)
        or (domain.endswith("postgres.database.azure.com") and host.port == 6432)
        or ".proxy-" in host.name
        or host.port == 6432
    )


def read_options(user: str, parameters: Parameters) -> tuple[str, tuple[str, ...]]:
    """Translate `options`, schema and encoding: return the user (Supabase names the project there) and notes."""
    for name in ("schema", "currentSchema", "search_path"):
        _require_public(name, parameters.get(name, "public"))
    encoding = (parameters.get("client_encoding") or parameters.get("charset") or "utf8").lower()
    if encoding.replace("-", "").replace("_", "") not in {"utf8", "unicode", "auto"}:
        raise UrlError("asks for a client_encoding that is not UTF-8", leave_out("client_encoding"))
    notes: list[str] = []
    words = parameters.get("options", "").replace("+", " ").replace("-c ", "").split()
    for word in words:
        name, _, value = word.removeprefix("-c").removeprefix("--").partition("=")
        if name in {"endpoint", "project"}:
            notes.append(f"options={name} is left out: the host's name says it over TLS (SNI)")
        elif name == "reference" and value:
            user = user if user.endswith(f".{value}") else f"{user}.{value}"
        elif name == "search_path":
            _require_public(name, value)
        else:
            raise _setting(name.partition("=")[0])
    return user, tuple(notes)


def _require_public(name: str, value: str) -> None:
    schemas = {schema.strip(" \"'") for schema in value.split(",")}
    if not schemas <= {"public", "$user"} or "public" not in schemas:
        raise UrlError(f"asks for another schema ({name})", f"leave {name} out: the tables stand in schema public")


def _setting(name: str) -> UrlError:
    remedy = f"leave {name} out, and set it at the role: ALTER ROLE … SET {name} = …"
    return UrlError(f"holds the server setting {name}, which a pooler would refuse", remedy)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= abs(value) < float("inf"):
        raise UrlError(f"holds {name}, which is no number", leave_out(name))
    return value
