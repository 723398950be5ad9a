"""Facts from AWS about this environment, asked once for each run; a refusal is a fact too."""

import ipaddress
from collections.abc import Callable
from typing import TypeVar

from salambot_cli.aws.clients import Aws, AwsError, aws_clients
from salambot_cli.aws.databases import Cache, Cluster, Database, caches, clusters, databases, find_by_host
from salambot_cli.doctor.probe import Address, ProbeContext
from salambot_cli.host.probe_tcp import resolve
from salambot_cli.model.environment import Environment

T = TypeVar("T")


def uses_aws(environment: Environment) -> bool:
    """Return whether the environment cannot do without AWS credentials."""
    return environment.placement("objects") == "s3" or environment.placement("secrets") == "aws"


def touches_aws(environment: Environment) -> bool:
    """Return whether any component stands in AWS."""
    placed = {environment.placement("postgres"), environment.placement("redis")}
    return uses_aws(environment) or "cloud" in placed


async def account(exam: ProbeContext) -> Aws:
    """Return the clients of this environment's account."""

    async def make() -> Aws:
        return aws_clients(exam.environment)

    return await exam.once("aws", make)


async def call_aws_once(exam: ProbeContext, key: str, question: Callable[[Aws], T]) -> T | AwsError:
    """Ask AWS once for each run, in a thread; a refusal comes back as a value."""

    async def answer() -> T | AwsError:
        aws = await account(exam)
        try:
            return await exam.blocking(lambda: question(aws))
        except AwsError as failure:
            return failure

    return await exam.once(f"aws:{key}", answer)


async def database_of(exam: ProbeContext, host: str) -> tuple[Database | None, str] | AwsError:
    """Find the RDS instance behind a host (through its cluster where it is Aurora), and how it was found."""
    known = await call_aws_once(exam, "databases", databases)
    if isinstance(known, AwsError):
        return known
    cluster = await cluster_of(exam, host)
    if isinstance(cluster, Cluster) and host in cluster.hosts:
        member = next((d for d in known if d.cluster == cluster.id), None)
        if member is not None:
            return member, "cluster endpoint"
    return find_by_host(host, known, lambda item: (item.host,), forwarded=await is_private(host))


async def cluster_of(exam: ProbeContext, host: str) -> Cluster | AwsError | None:
    """Find the Aurora cluster behind a host."""
    known = await call_aws_once(exam, "clusters", clusters)
    return (
        known
        if isinstance(known, AwsError)
        else find_by_host(host, known, lambda item: item.hosts, forwarded=await is_private(host))[0]
    )


async def cache_of(exam: ProbeContext, host: str) -> tuple[Cache | None, str] | AwsError:
    """Find the ElastiCache resource behind a host, and how it was found."""
    known = await call_aws_once(exam, "caches", caches)
    if isinstance(known, AwsError):
        return known
    found: tuple[Cache | None, str] = find_by_host(host, known, _cache_hosts, forwarded=await is_private(host))
    return found


async def my_addresses(exam: ProbeContext) -> tuple[Address, ...]:
    """Return this machine's public addresses: as told by `--my-ip`, else as two sources agree."""
    from salambot_cli.host.public_ip import public_addresses

    if exam.my_ip or exam.offline:
        return exam.my_ip
    return await exam.once("my-ip", public_addresses)


def _cache_hosts(cache: Cache | None) -> tuple[str, ...]:
    return cache.hosts if cache else ()


async def is_private(host: str) -> bool:
    """Return whether a host's addresses are all of this machine or of a private network; an unknown name is not."""
    try:
        addresses = await resolve(host, 0)
    except OSError:
        return False
    return bool(addresses) and not any(ipaddress.ip_address(a.split("%")[0]).is_global for a in addresses)
