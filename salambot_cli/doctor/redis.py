"""redis.*: the ladder to a cloud Redis: name, port, protocol and TLS."""

from dataclasses import dataclass, field

from salambot_cli.aws.clients import AwsError
from salambot_cli.config.endpoints import ca_bundle
from salambot_cli.doctor.cloud import cache_of
from salambot_cli.doctor.connection_findings import (
    broken_url,
    by_hosts_file,
    ca_context,
    certificate_finding,
    connection_finding,
    dns_finding,
)
from salambot_cli.doctor.probe import Needs, Probe, ProbeContext, Run, fault, ok
from salambot_cli.doctor.rds_network import forward
from salambot_cli.host.probe_tcp import ConnectResult, Reach, connect, exchange
from salambot_cli.host.tls import handshake, tls_context
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_contracts.redis_url import parse_redis_url
from salambot_contracts.url_text import UrlError

VARIABLE = "REDIS_URL"
PING = b"PING\r\n"


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """A parsed REDIS_URL."""

    host: str
    port: int
    tls: bool
    user: str | None
    database: int
    ca: str | None
    password: str | None = field(repr=False)


def target_of(exam: ProbeContext) -> RedisTarget | None:
    """Parse REDIS_URL; None where it is absent or no Redis URL."""
    try:
        url = parse_redis_url(exam.value(VARIABLE) or "")
    except UrlError:
        return None
    ca = ca_bundle(exam.environment, "redis", exam.value(VARIABLE))
    return RedisTarget(
        host=url.host,
        port=url.port,
        tls=url.tls,
        user=url.user,
        database=url.database,
        ca=str(ca) if ca else None,
        password=url.password,
    )


async def contact_of(exam: ProbeContext) -> ConnectResult | None:
    """Reach the Redis port, once for each run."""
    target = target_of(exam)
    return None if target is None else await exam.once("contact:redis", lambda: connect(target.host, target.port))


async def check_name(exam: ProbeContext) -> Finding:
    """Does the URL parse, does its host resolve?"""
    return dns_finding("redis.dns", await contact_of(exam), VARIABLE, "rediss://:password@host:6379")


async def check_port(exam: ProbeContext) -> Finding:
    """Open, refused, no route, or silent: silence means that we stand outside the VPC."""
    contact = await contact_of(exam)
    if contact is None or contact.is_open:
        return ok("redis.network", "The Redis port answers")
    known = connection_finding("redis.network", contact, VARIABLE) or by_hosts_file("redis.network", contact, VARIABLE)
    return known or await _outside(exam, contact)


async def _outside(exam: ProbeContext, contact: ConnectResult) -> Finding:
    found = await cache_of(exam, contact.host)
    cache = None if isinstance(found, AwsError) else found[0]
    evidence: Facts = {
        "host": contact.host,
        "port": contact.port,
        "addresses": list(contact.addresses),
        "resource": cache.id if cache else None,
        "resource_status": cache.status if cache else None,
        "not_seen": found.code if isinstance(found, AwsError) else None,
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


async def check_protocol(exam: ProbeContext) -> Finding:
    """Does it speak RESP, with TLS exactly where the URL says so, and does the certificate verify?"""
    target, contact = target_of(exam), await contact_of(exam)
    if target is None or contact is None:
        return ok("redis.tls", "")
    return await (_with_tls(exam, target, contact) if target.tls else _without_tls(target, contact))


async def _with_tls(exam: ProbeContext, target: RedisTarget, contact: ConnectResult) -> Finding:
    context = ca_context(target.ca)
    if isinstance(context, str):
        return broken_url("redis.tls", "[redis] ca", context)
    if "redis" in exam.environment.allow_insecure and not target.ca:
        context = tls_context(verify=False)
    shaken = await handshake(contact, context)
    match shaken.contact.reach:
        case Reach.OPEN:
            return ok("redis.tls", f"The certificate of {target.host} verifies")
        case Reach.UNTRUSTED:
            return certificate_finding("redis.tls", shaken, VARIABLE, target.ca)
        case _:
            pass
    plain = await _say_ping(contact)
    if plain[:1] in {b"+", b"-"}:
        return _mismatch(
            target, "plain-server", f"REDIS_URL says rediss, and {target.host}:{target.port} speaks no TLS"
        )
    return neither(target, shaken.contact.reach, plain)


def neither(target: RedisTarget, how: Reach, plain: bytes) -> Finding:
    """Say what answers neither a TLS handshake nor a plain PING as Redis does."""
    if how is Reach.RESET and not plain and target.host.endswith(_ELASTICACHE):
        return _closed_at_once(target)
    return wrong_service(target, plain)


_ELASTICACHE = (".cache.amazonaws.com", ".cache.amazonaws.com.cn")


def _closed_at_once(target: RedisTarget) -> Finding:
    """A Redis with TLS that has no room for one more connection ends it before the handshake, without a word."""
    title = f"{target.host}:{target.port} takes each connection and closes it at once"
    text = (
        "Every connection is taken (maxclients), or the node is being replaced: look at CurrConnections, close what "
        "holds them, or take a larger node."
    )
    name = target.host.split(".")[1 if target.host.startswith("master.") else 0]
    command = (
        "aws cloudwatch get-metric-statistics --namespace AWS/ElastiCache --metric-name CurrConnections "
        f"--dimensions Name=CacheClusterId,Value={name}-001 --statistics Maximum --period 300 "
        "--start-time $(date -u -d -1hour +%FT%TZ) --end-time $(date -u +%FT%TZ)"
    )
    evidence: Facts = {"host": target.host, "port": target.port, "kind": "max-clients"}
    return fault("redis.write-refused", "redis.tls", title, evidence, (command,), text=text)


async def _without_tls(target: RedisTarget, contact: ConnectResult) -> Finding:
    plain = await _say_ping(contact)
    if plain[:1] in {b"+", b"-"}:
        return ok("redis.tls", "Redis answers, without TLS")
    shaken = await handshake(contact, tls_context(verify=False))
    if shaken.contact.reach is Reach.OPEN:
        return _mismatch(target, "tls-server", f"REDIS_URL says redis, and {target.host}:{target.port} speaks TLS only")
    return wrong_service(target, plain)


async def _say_ping(contact: ConnectResult) -> bytes:
    try:
        return await exchange(contact, PING)
    except TimeoutError:
        return b""
    except OSError:
        return b""


def _mismatch(target: RedisTarget, kind: str, title: str) -> Finding:
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


def wrong_service(target: RedisTarget, answer: bytes) -> Finding:
    shown = ascii(answer[:40].decode("latin-1")) if answer else "nothing"
    title = f"What answers at {target.host}:{target.port} is no Redis: it says {shown}"
    return fault("redis.wrong-service", "redis.tls", title, {"host": target.host, "port": target.port, "answer": shown})


def is_cloud(environment: Environment) -> bool:
    """Redis stands in ElastiCache, and is reached from here: behind `[aws] jump` only the services reach it."""
    return environment.placement("redis") == "cloud" and environment.aws.jump is None


def redis_probe(
    name: str, about: str, run: Run, needs: Needs, finds: tuple[str, ...], after: tuple[str, ...] = ()
) -> Probe:
    """A step of the ladder: each needs the one before."""
    return Probe(
        name,
        "redis",
        about,
        run,
        finds,
        needs,
        is_cloud,
        seconds=15,
        parts=("redis",),
        cheap=True,
        reads=(VARIABLE,),
        after=after,
    )


PROBES = (
    redis_probe("redis.dns", "Redis: the host name", check_name, (), ("net.dns", "config.invalid"), ("net.path",)),
    redis_probe(
        "redis.network",
        "Redis: the port",
        check_port,
        ("redis.dns",),
        ("redis.outside-vpc", "net.refused", "net.no-route"),
    ),
    redis_probe(
        "redis.tls",
        "Redis: protocol and certificate",
        check_protocol,
        ("redis.network",),
        (
            "redis.tls-mismatch",
            "redis.wrong-service",
            "redis.write-refused",
            "net.tls-untrusted",
            "net.tls-stalled",
            "config.invalid",
        ),
        ("host.clock",),
    ),
)
