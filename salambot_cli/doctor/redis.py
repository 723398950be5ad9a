"""redis.*: the ladder to a cloud Redis: name, port, protocol and TLS, login, permissions, memory."""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from salambot_cli.doctor.cloud import cache_of
from salambot_cli.doctor.needs import needs_variables
from salambot_cli.doctor.probe import Examination, Needs, Probe, Run, fault, fine
from salambot_cli.doctor.rds_path import forward
from salambot_cli.doctor.wire import broken_url, ca_context, is_url, unreachable, untrusted
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.outside.aws import AwsFailure
from salambot_cli.outside.network import Contact, Reach, ask, handshake, reach, tls_context

if TYPE_CHECKING:
    from redis.asyncio import Redis

VARIABLE = "REDIS_URL"
PING = b"PING\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed REDIS_URL."""

    host: str
    port: int
    tls: bool
    user: str | None
    database: int
    ca: str | None
    password: str | None = field(repr=False)


def target_of(exam: Examination) -> Target | None:
    """Parse REDIS_URL; None where it is absent or no Redis URL."""
    text = exam.value(VARIABLE) or ""
    if not is_url(text, ("redis", "rediss")):
        return None
    parts = urlsplit(text)
    path = parts.path.strip("/")
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    ca = options.get("ssl_ca_certs") or (str(exam.environment.redis_ca) if exam.environment.redis_ca else None)
    return Target(
        host=parts.hostname or "",
        port=parts.port or 6379,
        tls=parts.scheme == "rediss",
        user=unquote(parts.username) if parts.username else None,
        database=int(path or options.get("db", "0")) if (path or options.get("db", "0")).isdigit() else 0,
        ca=str(exam.environment.root / ca) if ca else None,
        password=unquote(parts.password) if parts.password else None,
    )


async def contact_of(exam: Examination) -> Contact | None:
    """Reach the Redis port, once for each run."""
    target = target_of(exam)
    return None if target is None else await exam.once("contact:redis", lambda: reach(target.host, target.port))


async def check_name(exam: Examination) -> Finding:
    """Does the URL parse, does its host resolve?"""
    contact = await contact_of(exam)
    if contact is None:
        return broken_url(
            "redis.dns",
            VARIABLE,
            "expected rediss://:password@host:6379; @ : / # in a password are %40 %3A %2F %23",
        )
    if contact.reach is Reach.UNKNOWN_NAME:
        return unreachable("redis.dns", contact, VARIABLE) or fine("redis.dns", "")
    return fine("redis.dns", f"{contact.host} resolves", addresses=list(contact.addresses))


async def check_port(exam: Examination) -> Finding:
    """Open, refused, no route, or silent: silence means that we stand outside the VPC."""
    contact = await contact_of(exam)
    if contact is None or contact.is_open:
        return fine("redis.network", "The Redis port answers")
    return unreachable("redis.network", contact, VARIABLE) or await _outside(exam, contact)


async def _outside(exam: Examination, contact: Contact) -> Finding:
    found = await cache_of(exam, contact.host)
    cache = None if isinstance(found, AwsFailure) else found[0]
    evidence: Facts = {
        "host": contact.host,
        "port": contact.port,
        "addresses": list(contact.addresses),
        "resource": cache.id if cache else None,
        "resource_status": cache.status if cache else None,
        "not_seen": found.code if isinstance(found, AwsFailure) else None,
    }
    jump = exam.environment.aws.jump or "INSTANCE-ID"
    title = f"{contact.host}:{contact.port} does not answer: ElastiCache is reached from inside its VPC only"
    text = (
        "Use a VPN or an SSM port forward (`[aws] jump`); a security group rule for this machine's address changes "
        "nothing. On a VPN already, the cache's security group has to allow the VPN's network on the port: the forward "
        "below decides between the two."
    )
    return fault(
        "redis.outside-vpc", "redis.network", title, evidence, (forward(jump, contact.host, contact.port),), text=text
    )


async def check_protocol(exam: Examination) -> Finding:
    """Does it speak RESP, with TLS exactly where the URL says so, and does the certificate verify?"""
    target, contact = target_of(exam), await contact_of(exam)
    if target is None or contact is None:
        return fine("redis.tls", "")
    return await (_with_tls(exam, target, contact) if target.tls else _without_tls(target, contact))


async def _with_tls(exam: Examination, target: Target, contact: Contact) -> Finding:
    context = ca_context(target.ca)
    if isinstance(context, str):
        return broken_url("redis.tls", "[redis] ca", context)
    if "redis" in exam.environment.allow_insecure and not target.ca:
        context = tls_context(verify=False)
    shaken = await handshake(contact, context)
    match shaken.contact.reach:
        case Reach.OPEN:
            return fine("redis.tls", f"The certificate of {target.host} verifies")
        case Reach.UNTRUSTED:
            return untrusted("redis.tls", shaken, VARIABLE, target.ca)
        case _:
            pass
    plain = await _say_ping(contact)
    if plain[:1] in {b"+", b"-"}:
        return _mismatch(
            target, "plain-server", f"REDIS_URL says rediss, and {target.host}:{target.port} speaks no TLS"
        )
    return _wrong_service(target, plain)


async def _without_tls(target: Target, contact: Contact) -> Finding:
    plain = await _say_ping(contact)
    if plain[:1] in {b"+", b"-"}:
        return fine("redis.tls", "Redis answers, without TLS")
    shaken = await handshake(contact, tls_context(verify=False))
    if shaken.contact.reach is Reach.OPEN:
        return _mismatch(target, "tls-server", f"REDIS_URL says redis, and {target.host}:{target.port} speaks TLS only")
    return _wrong_service(target, plain)


async def _say_ping(contact: Contact) -> bytes:
    try:
        return await ask(contact, PING)
    except TimeoutError:
        return b""
    except OSError:
        return b""


def _mismatch(target: Target, kind: str, title: str) -> Finding:
    evidence: Facts = {
        "host": target.host,
        "port": target.port,
        "kind": kind,
        "scheme": "rediss" if target.tls else "redis",
    }
    text = (
        f"Write rediss://…@{target.host}:{target.port} in REDIS_URL."
        if kind == "tls-server"
        else "Enable encryption in transit on the server (it looks like a dropped connection to clients)."
    )
    return fault("redis.tls-mismatch", "redis.tls", title, evidence, text=text)


def _wrong_service(target: Target, answer: bytes) -> Finding:
    shown = ascii(answer[:40].decode("latin-1")) if answer else "nothing"
    title = f"What answers at {target.host}:{target.port} is no Redis: it says {shown}"
    return fault("redis.wrong-service", "redis.tls", title, {"host": target.host, "port": target.port, "answer": shown})


def _client(exam: Examination, target: Target) -> "Redis":
    import ssl

    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    lenient = "redis" in exam.environment.allow_insecure and not target.ca
    return Redis(
        host=target.host,
        port=target.port,
        db=target.database,
        username=target.user,
        password=target.password,
        ssl=target.tls,
        ssl_ca_certs=target.ca if target.tls else None,
        ssl_cert_reqs=ssl.CERT_NONE if lenient else ssl.CERT_REQUIRED,
        ssl_check_hostname=not lenient,
        socket_timeout=5,
        socket_connect_timeout=5,
        retry=Retry(NoBackoff(), 1),
        client_name="salambot-doctor",
        protocol=2,
    )


async def check_login(exam: Examination) -> Finding:
    """Does Redis take this user and password?"""
    from redis.exceptions import ConnectionError as ConnectionLost
    from redis.exceptions import InvalidResponse, RedisError
    from redis.exceptions import TimeoutError as TimedOut

    target = target_of(exam)
    if target is None:
        return fine("redis.login", "")
    async with _client(exam, target) as client:
        try:
            await client.ping()
        except (InvalidResponse, ConnectionLost, TimedOut, OSError) as error:
            if not _told(str(error)):
                return _wrong_service(target, f"{type(error).__name__}: {error}"[:40].encode())
            return _refused_login(target, str(error))
        except RedisError as error:
            return _refused_login(target, str(error))
    return fine("redis.login", "Login works")


def _told(message: str) -> bool:
    """Tell whether Redis itself spoke: redis-py wraps its refusals in connection errors too."""
    words = ("auth", "password", "noperm", "permission", "loading", "masterdown", "max number of clients", "denied")
    return any(word in message.lower() for word in words)


def _refused_login(target: Target, message: str) -> Finding:
    low = message.lower()
    evidence: Facts = {"host": target.host, "port": target.port, "user": target.user, "message": message[:200]}
    if "noperm" in low or "no permissions" in low:
        return _noperm(target, message)
    if any(word in low for word in ("noauth", "authentication required", "hello must be called")):
        title = f"{target.host} asks for a password, and REDIS_URL has none"
        return fault("redis.auth", "redis.login", title, {**evidence, "kind": "missing"}, _token_command(target))
    if "wrongpass" in low or "invalid username-password" in low or "invalid password" in low:
        title = f"{target.host} refuses the user or password in REDIS_URL"
        return fault("redis.auth", "redis.login", title, {**evidence, "kind": "wrong"}, _token_command(target))
    if "without any password configured" in low:
        title = f"{target.host} has no password, and REDIS_URL sends one"
        text = "Set an AUTH token on the server, or take the password out of REDIS_URL."
        return fault("redis.auth", "redis.login", title, {**evidence, "kind": "not-wanted"}, text=text)
    title = f"{target.host} refuses to work: {message[:160]}"
    return fault("redis.write-refused", "redis.login", title, evidence)


def _token_command(target: Target) -> tuple[str, ...]:
    name = target.host.split(".")[1 if target.host.startswith("master.") else 0]
    command = (
        f"aws elasticache modify-replication-group --replication-group-id {name} --auth-token NEW "
        "--auth-token-update-strategy ROTATE --apply-immediately"
    )
    return (command,)


def _noperm(target: Target, message: str) -> Finding:
    title = f"The Redis user {target.user or 'default'} may not do this: {message[:160]}"
    command = (
        f"aws elasticache modify-user --user-id {target.user or 'default'} --access-string 'on ~* &* +@all -@dangerous'"
    )
    return fault("redis.acl-noperm", "redis.access", title, {"user": target.user, "message": message[:200]}, (command,))


async def check_access(exam: Examination) -> Finding:
    """Write a key that lives for 5 seconds, and read it back."""
    from redis.exceptions import RedisError

    target = target_of(exam)
    if target is None:
        return fine("redis.access", "")
    key = f"salambot:doctor:{secrets.token_hex(4)}"
    async with _client(exam, target) as client:
        try:
            await client.set(key, "1", ex=5)
            await client.get(key)
            await client.xlen(key + ":none")
            await client.eval("return 1", 0)
            await client.delete(key)
        except (RedisError, OSError, TimeoutError) as error:
            return await _refused_write(client, target, str(error))
    return fine("redis.access", "Redis can be written and read")


async def _refused_write(client: "Redis", target: Target, message: str) -> Finding:
    low = message.lower()
    if "noperm" in low or "no permissions" in low:
        return _noperm(target, message)
    facts = await _info(client)
    role = facts.get("role")
    evidence: Facts = {"host": target.host, "port": target.port, "message": message[:200], "role": role}
    if "readonly" in low or "read only replica" in low:
        title = f"{target.host}:{target.port} is a replica: it takes no writes"
        text = f"Use the primary endpoint in REDIS_URL (this one replicates {facts.get('master_host') or 'another'})."
        return fault("redis.replica-endpoint", "redis.access", title, evidence, text=text)
    if "oom" in low or "maxmemory" in low:
        return await _full(target, facts, evidence)
    return fault("redis.write-refused", "redis.access", f"{target.host} refuses a write: {message[:160]}", evidence)


async def _info(client: "Redis") -> dict[str, str]:
    from redis.exceptions import RedisError

    try:
        found = await client.info("everything")
    except (RedisError, OSError, TimeoutError):
        return {}
    return {str(key): str(value) for key, value in dict(found).items()}


async def _full(target: Target, facts: dict[str, str], evidence: Facts) -> Finding:
    policy = facts.get("maxmemory_policy", "unknown")
    keyspace = facts.get(f"db{target.database}", "")
    title = f"Redis at {target.host} is full and evicts nothing (policy {policy})"
    group = "PARAMETER-GROUP"
    command = (
        f"aws elasticache modify-cache-parameter-group --cache-parameter-group-name {group} "
        "--parameter-name-values ParameterName=maxmemory-policy,ParameterValue=allkeys-lru"
    )
    memory: Facts = {
        "policy": policy,
        "used_bytes": facts.get("used_memory"),
        "max_bytes": facts.get("maxmemory"),
        "keyspace": keyspace,
        "kind": "volatile-without-ttl" if policy.startswith("volatile") else policy,
    }
    return fault("redis.noeviction", "redis.access", title, {**evidence, **memory}, (command,))


async def check_memory(exam: Examination) -> Finding:
    """TTL and eviction, as `INFO` tells them (`CONFIG` is blocked on ElastiCache)."""
    target = target_of(exam)
    if target is None:
        return fine("redis.memory", "")
    async with _client(exam, target) as client:
        facts = await _info(client)
    return fine(
        "redis.memory",
        f"Memory policy {facts.get('maxmemory_policy', 'not told')}",
        policy=facts.get("maxmemory_policy"),
        used_bytes=facts.get("used_memory"),
        max_bytes=facts.get("maxmemory"),
        keyspace=facts.get(f"db{target.database}", ""),
    )


def is_cloud(environment: Environment) -> bool:
    """Redis stands in ElastiCache, and is reached from here: behind `[aws] jump` only the services reach it."""
    return environment.placement("redis") == "cloud" and environment.aws.jump is None


def _rung(name: str, about: str, run: Run, needs: Needs, finds: tuple[str, ...]) -> Probe:
    return Probe(name, "redis", about, run, finds, needs, is_cloud, seconds=15, parts=("redis",), cheap=True)


PROBES = (
    _rung("redis.dns", "Redis: the host name", check_name, needs_variables(VARIABLE), ("net.dns", "config.invalid")),
    _rung(
        "redis.network",
        "Redis: the port",
        check_port,
        ("redis.dns",),
        ("redis.outside-vpc", "net.refused", "net.no-route"),
    ),
    _rung(
        "redis.tls",
        "Redis: protocol and certificate",
        check_protocol,
        ("redis.network", "host.clock"),
        ("redis.tls-mismatch", "redis.wrong-service", "net.tls-untrusted"),
    ),
    _rung("redis.login", "Redis: login", check_login, ("redis.tls",), ("redis.auth",)),
    _rung(
        "redis.access",
        "Redis: reading and writing",
        check_access,
        ("redis.login",),
        ("redis.acl-noperm", "redis.noeviction", "redis.replica-endpoint", "redis.write-refused"),
    ),
    _rung("redis.memory", "Redis: TTL and eviction", check_memory, ("redis.access",), ("redis.noeviction",)),
)
