"""rds.*: the ladder to a cloud Postgres: name, port, protocol, certificate, login, database, schema."""

import ssl
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from salambot_cli.aws.clients import AwsError
from salambot_cli.aws.databases import Cluster
from salambot_cli.config.endpoints import ca_bundle
from salambot_cli.doctor import rds_network
from salambot_cli.doctor.cloud import cluster_of, database_of
from salambot_cli.doctor.connection_findings import (
    broken_url,
    ca_context,
    certificate_finding,
    connection_finding,
    dns_finding,
    stalled,
)
from salambot_cli.doctor.probe import Needs, Probe, ProbeContext, Run, fault, ok
from salambot_cli.host.probe_tcp import ConnectResult, Reach, connect, exchange
from salambot_cli.host.time_limit import limit
from salambot_cli.host.tls import Handshake, asking, handshake, tls_context
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_contracts.postgres_url import PostgresUrl, parse_postgres_url
from salambot_contracts.url_text import UrlError

if TYPE_CHECKING:
    import asyncpg

VARIABLE = "POSTGRES_URL"
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_RESUME_SECONDS = 12.0
_LOGIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """Where POSTGRES_URL leads, as `up` and the services read it."""

    url: PostgresUrl = field(repr=False)
    host: str
    port: int
    user: str
    database: str
    sslmode: str
    ca: str | None


def target_of(exam: ProbeContext) -> PostgresTarget | None:
    """Parse POSTGRES_URL; None where it is absent or no Postgres URL."""
    try:
        url = parse_postgres_url(exam.value(VARIABLE) or "")
    except UrlError:
        return None
    environment = exam.environment
    ca = ca_bundle(environment, "postgres", exam.value(VARIABLE))
    usual = "prefer" if "postgres" in environment.allow_insecure else "verify-full"
    return PostgresTarget(
        url=url,
        host=url.host,
        port=url.port,
        user=url.user,
        database=url.database,
        sslmode=url.sslmode or usual,
        ca=str(ca) if ca else None,
    )


async def contact_of(exam: ProbeContext) -> ConnectResult | None:
    """Reach the database's port, once for each run."""
    target = target_of(exam)
    return None if target is None else await exam.once("contact:postgres", lambda: connect(target.host, target.port))


async def check_name(exam: ProbeContext) -> Finding:
    """Does the URL parse, does its host resolve?"""
    return dns_finding("rds.dns", await contact_of(exam), VARIABLE, "postgresql://user:password@host:5432/database")


async def check_port(exam: ProbeContext) -> Finding | list[Finding]:
    """Open, refused, no route, or silent: only silence suggests a security group."""
    contact = await contact_of(exam)
    if contact is None or contact.is_open:
        return ok("rds.network", "The Postgres port answers", rtt_ms=_rounded(contact))
    if contact.reach is Reach.SILENT:
        return await rds_network.explain_timeout(exam, contact)
    found = await database_of(exam, contact.host) if contact.reach is Reach.REFUSED else None
    if found is not None and not isinstance(found, AwsError) and found[0] and found[0].status != "available":
        return rds_network.stopped(found[0], contact, found[1])
    return connection_finding("rds.network", contact, VARIABLE) or await rds_network.explain_timeout(exam, contact)


def _rounded(contact: ConnectResult | None) -> float | None:
    return round(contact.rtt_ms, 1) if contact is not None and contact.rtt_ms is not None else None


async def greeting_of(exam: ProbeContext) -> bytes | Reach:
    """Return the first byte of the answer to SSLRequest, or how the connection ended."""
    contact = await contact_of(exam)

    async def greet() -> bytes | Reach:
        if contact is None:
            return Reach.RESET
        try:
            return await exchange(contact, SSL_REQUEST) or Reach.RESET
        except TimeoutError:
            return Reach.MUTE
        except OSError:
            return Reach.RESET

    return await exam.once("greeting:postgres", greet)


async def check_protocol(exam: ProbeContext) -> Finding:
    """Is it a Postgres at all, and does it speak TLS?"""
    target, greeting = target_of(exam), await greeting_of(exam)
    if target is None:
        return ok("rds.protocol", "")
    evidence: Facts = {"host": target.host, "port": target.port, "answer": _shown(greeting)}
    if greeting is Reach.MUTE:
        return await _mute(exam, target)
    if isinstance(greeting, bytes) and greeting[:1] == b"S":
        return ok("rds.protocol", "Postgres with TLS answers")
    if isinstance(greeting, bytes) and greeting == b"N":
        if target.sslmode in {"disable", "allow", "prefer"}:
            return ok("rds.protocol", "Postgres answers, without TLS", sslmode=target.sslmode)
        title = f"The Postgres at {target.host}:{target.port} offers no TLS"
        text = "Enable TLS on the server (`ssl = on`), or use the real RDS endpoint in POSTGRES_URL."
        return fault("rds.wrong-service", "rds.protocol", title, {**evidence, "kind": "no-tls"}, text=text)
    title = f"What answers at {target.host}:{target.port} is no Postgres"
    return fault("rds.wrong-service", "rds.protocol", title, {**evidence, "kind": "not-postgres"})


def _shown(greeting: bytes | Reach) -> str:
    return str(greeting) if isinstance(greeting, Reach) else ascii(greeting[:40].decode("latin-1"))


async def _mute(exam: ProbeContext, target: PostgresTarget) -> Finding:
    """Accepted, then silent: an Aurora that wakes up answers on a second, patient try."""
    contact = await contact_of(exam)
    cluster = await cluster_of(exam, target.host)
    zero = isinstance(cluster, Cluster) and cluster.min_capacity == 0
    may_pause = zero or (isinstance(cluster, AwsError) and ".cluster-" in target.host)
    woke = False
    if contact is not None:
        try:
            woke = (await exchange(contact, SSL_REQUEST, seconds=_RESUME_SECONDS if zero else 4.0))[:1] in {b"S", b"N"}
        except OSError:
            woke = False
    evidence: Facts = {"host": target.host, "port": target.port, "answered_later": woke, "min_capacity_0": zero}
    if woke and not may_pause:
        return ok("rds.protocol", "Postgres answers, slowly", **evidence)
    if not woke and not zero:
        title = f"{target.host}:{target.port} accepts and then says nothing: no Postgres that works"
        text = "Check host and port in POSTGRES_URL; a forward or proxy in between may be hanging: restart it."
        return fault("rds.wrong-service", "rds.protocol", title, {**evidence, "kind": "mute"}, text=text)
    name = cluster.id if isinstance(cluster, Cluster) else "CLUSTER"
    command = (
        f"aws rds modify-db-cluster --db-cluster-identifier {name} "
        "--serverless-v2-scaling-configuration MinCapacity=0.5,MaxCapacity=2"
    )
    title = f"{target.host}:{target.port} accepts and hesitates: a paused Aurora is resuming"
    return fault("rds.aurora-resuming", "rds.protocol", title, evidence, (command,))


async def check_certificate(exam: ProbeContext) -> Finding:
    """Does the certificate verify for the host in the URL?"""
    target, contact = target_of(exam), await contact_of(exam)
    greeting = await greeting_of(exam)
    if target is None or contact is None or greeting == b"N" or target.sslmode == "disable":
        return ok("rds.tls", "No TLS is asked for")
    if "postgres" in exam.environment.allow_insecure and target.sslmode in {"allow", "prefer", "require"}:
        return ok("rds.tls", "The certificate is not verified (allow_insecure)")
    context = ca_context(target.ca)
    if isinstance(context, str):
        return broken_url("rds.tls", "sslrootcert", context)
    context.check_hostname = target.sslmode != "verify-ca"
    shaken = await handshake(contact, context, opening=asking(SSL_REQUEST, b"S"))
    match shaken.contact.reach:
        case Reach.OPEN:
            return ok("rds.tls", f"The certificate of {target.host} verifies")
        case Reach.UNTRUSTED:
            return certificate_finding("rds.tls", shaken, VARIABLE, target.ca)
        case Reach.MUTE:
            return stalled("rds.tls", target.host, target.port, VARIABLE)
        case _:
            return _broken_tls(target, shaken)


def _broken_tls(target: PostgresTarget, shaken: Handshake) -> Finding:
    evidence: Facts = {"host": target.host, "port": target.port, "kind": "tls-broken", "detail": shaken.contact.detail}
    title = f"{target.host}:{target.port} agrees to TLS and then breaks it off: {shaken.contact.detail}"
    return fault("rds.wrong-service", "rds.tls", title, evidence)


async def connection(exam: ProbeContext) -> "asyncpg.Connection[asyncpg.Record] | BaseException":
    """Log in, once for each run; a refusal comes back as a value."""
    return await exam.once("login:postgres", lambda: _log_in(exam))


async def _log_in(exam: ProbeContext) -> "asyncpg.Connection[asyncpg.Record] | BaseException":
    import asyncpg

    target = target_of(exam)
    if target is None:
        return ValueError("no URL")
    plain = target.sslmode == "disable" or await greeting_of(exam) == b"N"
    try:
        async with limit(_LOGIN_SECONDS):
            session = await asyncpg.connect(
                host=target.host,
                port=target.port,
                user=target.user,
                password=target.url.password or "",
                database=target.database,
                ssl=False if plain else _tls_of(exam, target),
                statement_cache_size=0,
                server_settings={"application_name": "salambot-doctor"},
            )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        return error
    exam.endings.append(partial(session.close, timeout=2))
    return session


def _tls_of(exam: ProbeContext, target: PostgresTarget) -> ssl.SSLContext:
    verify = target.sslmode.startswith("verify") or "postgres" not in exam.environment.allow_insecure
    context = tls_context(target.ca, verify=verify)
    context.check_hostname = verify and target.sslmode != "verify-ca"
    return context


def is_cloud(environment: Environment) -> bool:
    """Postgres stands in RDS, and is reached from here: behind `[aws] jump` only the services reach it."""
    return environment.placement("postgres") == "cloud" and environment.aws.jump is None


def _rung(name: str, about: str, run: Run, needs: Needs, finds: tuple[str, ...], after: tuple[str, ...] = ()) -> Probe:
    return Probe(
        name,
        "postgres",
        about,
        run,
        finds,
        needs,
        is_cloud,
        seconds=25,
        parts=("postgres",),
        cheap=True,
        reads=(VARIABLE,),
        after=after,
    )


_SILENCE = (
    "rds.stopped",
    "rds.not-public",
    "rds.sg-missing-my-ip",
    "rds.subnet-path",
    "rds.tcp-timeout",
    "net.egress-blocked",
)
PROBES = (
    _rung("rds.dns", "Postgres: the host name", check_name, (), ("net.dns", "config.invalid"), ("net.path",)),
    _rung("rds.network", "Postgres: the port", check_port, ("rds.dns",), ("net.refused", "net.no-route", *_SILENCE)),
    _rung(
        "rds.protocol",
        "Postgres: the protocol",
        check_protocol,
        ("rds.network",),
        ("rds.wrong-service", "rds.aurora-resuming"),
    ),
    _rung(
        "rds.tls",
        "Postgres: the certificate",
        check_certificate,
        ("rds.protocol",),
        ("net.tls-untrusted", "net.tls-stalled", "config.invalid"),
        ("host.clock",),
    ),
)
