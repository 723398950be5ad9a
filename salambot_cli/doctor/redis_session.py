"""redis.*: what Redis itself says once it is reached: login, permissions, memory."""

import contextlib
import secrets
from typing import TYPE_CHECKING

from salambot_cli.doctor.probe import ProbeContext, fault, ok
from salambot_cli.doctor.redis import RedisTarget, redis_probe, target_of, wrong_service
from salambot_cli.model.finding import Facts, Finding

if TYPE_CHECKING:
    from redis.asyncio import Redis


def _client(exam: ProbeContext, target: RedisTarget) -> "Redis":
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


async def check_login(exam: ProbeContext) -> Finding:
    """Does Redis take this user and password?"""
    from redis.exceptions import ConnectionError as ConnectionLost
    from redis.exceptions import InvalidResponse, RedisError
    from redis.exceptions import TimeoutError as TimedOut

    target = target_of(exam)
    if target is None:
        return ok("redis.login", "")
    async with _client(exam, target) as client:
        try:
            await client.ping()
        except (InvalidResponse, ConnectionLost, TimedOut, OSError) as error:
            if not _told(str(error)):
                return wrong_service(target, f"{type(error).__name__}: {error}"[:40].encode())
            return _refused_login(target, str(error))
        except RedisError as error:
            return _refused_login(target, str(error))
    return ok("redis.login", "Login works")


def _told(message: str) -> bool:
    """Return whether Redis itself spoke: redis-py wraps its refusals in connection errors too."""
    words = ("auth", "password", "noperm", "permission", "loading", "masterdown", "max number of clients", "denied")
    return any(word in message.lower() for word in words)


def _refused_login(target: RedisTarget, message: str) -> Finding:
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
    return fault("redis.write-refused", "redis.login", title, evidence, text=_remedy_for(low))


def _token_command(target: RedisTarget) -> tuple[str, ...]:
    name = target.host.split(".")[1 if target.host.startswith("master.") else 0]
    command = (
        f"aws elasticache modify-replication-group --replication-group-id {name} --auth-token NEW "
        "--auth-token-update-strategy ROTATE --apply-immediately"
    )
    return (command,)


def _noperm(target: RedisTarget, message: str) -> Finding:
    title = f"The Redis user {target.user or 'default'} may not do this: {message[:160]}"
    command = (
        f"aws elasticache modify-user --user-id {target.user or 'default'} --access-string 'on ~* &* +@all -@dangerous'"
    )
    return fault("redis.acl-noperm", "redis.access", title, {"user": target.user, "message": message[:200]}, (command,))


async def check_access(exam: ProbeContext) -> Finding:
    """Do what the services do, on keys like theirs that live for 5 seconds."""
    from redis.exceptions import RedisError

    target = target_of(exam)
    if target is None:
        return ok("redis.access", "")
    mark = f"doctor-{secrets.token_hex(4)}"
    text, stream, turns = f"salambot:{mark}", f"salambot:telemetry:{mark}", f"salambot:{mark}:turns:web:doctor"
    async with _client(exam, target) as client:
        try:
            await client.set(text, "1", ex=_SECONDS)
            await client.get(text)
            await client.register_script("return redis.call('INCR', KEYS[1])")(keys=[text])
            await client.set(turns, "{}", ex=_SECONDS)
            async with client.pipeline() as pipe:
                pipe.xadd(stream, {"doctor": "1"}, maxlen=1)
                await pipe.execute()
            await client.xrevrange(stream, count=1)
            await client.delete(text, turns, stream)
        except (RedisError, OSError, TimeoutError) as error:
            return await _refused_write(client, target, str(error) or type(error).__name__)
    return ok("redis.access", "Redis can be written and read")


_SECONDS = 5


async def _refused_write(client: "Redis", target: RedisTarget, message: str) -> Finding:
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
    title = f"{target.host} refuses a write: {message[:160]}"
    return fault("redis.write-refused", "redis.access", title, evidence, text=_remedy_for(low))


def _remedy_for(message: str) -> str | None:
    return next((words for sign, words in _REMEDIES if sign in message), None)


_REMEDIES = (
    ("misconf", "Redis cannot save its snapshot, and takes no writes until it can: give its disk space."),
    ("loading", "Redis is loading its data after a start: look again in a minute."),
    ("moved", "This is a cluster: the services speak to one server. Turn cluster mode off, or use another cache."),
    ("crossslot", "This is a cluster: the services speak to one server. Turn cluster mode off, or use another cache."),
    ("clusterdown", "The cluster is down, and the services speak to one server: use a cache without cluster mode."),
    ("noreplicas", "Redis waits for replicas (min-replicas-to-write), and has too few: restore them, or lower it."),
    ("busy", "A script or a function holds Redis: end it with SCRIPT KILL or FUNCTION KILL."),
    ("timeout", "Redis takes the command and does not answer in time: look at its load and its slow log."),
    ("max number of clients", "Every connection is taken: raise maxclients, or close what holds them (CLIENT LIST)."),
)  # fmt: skip


async def _info(client: "Redis") -> dict[str, str]:
    from redis.exceptions import RedisError

    try:
        found = await client.info("everything")
    except (RedisError, OSError, TimeoutError):
        return {}
    return {str(key): str(value) for key, value in dict(found).items()}


async def _full(target: RedisTarget, facts: dict[str, str], evidence: Facts) -> Finding:
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


async def check_memory(exam: ProbeContext) -> Finding:
    """TTL and eviction, as `INFO` tells them (`CONFIG` is blocked on ElastiCache)."""
    from redis.exceptions import RedisError

    target = target_of(exam)
    if target is None:
        return ok("redis.memory", "")
    facts: dict[str, str] = {}
    with contextlib.suppress(RedisError, OSError, TimeoutError):  # the end of a TLS connection may be slow
        async with _client(exam, target) as client:
            facts = await _info(client)
    return ok(
        "redis.memory",
        f"Memory policy {facts.get('maxmemory_policy', 'not told')}",
        policy=facts.get("maxmemory_policy"),
        used_bytes=facts.get("used_memory"),
        max_bytes=facts.get("maxmemory"),
        keyspace=facts.get(f"db{target.database}", ""),
    )


PROBES = (
    redis_probe("redis.login", "Redis: login", check_login, ("redis.tls",), ("redis.auth",)),
    redis_probe(
        "redis.access",
        "Redis: reading and writing",
        check_access,
        ("redis.login",),
        ("redis.acl-noperm", "redis.noeviction", "redis.replica-endpoint", "redis.write-refused"),
    ),
    redis_probe("redis.memory", "Redis: TTL and eviction", check_memory, ("redis.access",), ("redis.noeviction",)),
)
