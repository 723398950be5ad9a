"""Databases and caches as described by AWS, reduced to the facts that decide whether they can be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from salambot_cli.aws.clients import Aws, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef


@dataclass(frozen=True, slots=True)
class Database:
    """An RDS instance, or an Aurora cluster with the instance that answers for it."""

    id: str
    host: str
    port: int
    status: str
    public: bool
    vpc: str | None
    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    encrypted: bool
    instance_class: str
    storage_type: str
    iops: int | None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """An Aurora cluster. `min_capacity` (ACU) is None where it is not Serverless v2."""

    id: str
    hosts: tuple[str, ...]
    status: str
    min_capacity: float | None
    encrypted: bool
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cache:
    """An ElastiCache cluster or replication group."""

    id: str
    hosts: tuple[str, ...]
    status: str
    node_type: str
    groups: tuple[str, ...]
    encrypted_at_rest: bool | None
    encrypted_in_transit: bool | None


def databases(aws: Aws) -> tuple[Database, ...]:
    """Describe every RDS instance of the region, page by page."""
    with translate_errors():
        pages = aws.rds.get_paginator("describe_db_instances").paginate()
        found = [instance for page in pages for instance in page["DBInstances"]]
    return tuple(
        Database(
            id=item["DBInstanceIdentifier"],
            host=item.get("Endpoint", {}).get("Address", ""),
            port=int(item.get("Endpoint", {}).get("Port", 5432)),
            status=item.get("DBInstanceStatus", "unknown"),
            public=bool(item.get("PubliclyAccessible")),
            vpc=item.get("DBSubnetGroup", {}).get("VpcId"),
            subnets=_subnets(item),
            groups=tuple(g.get("VpcSecurityGroupId", "") for g in item.get("VpcSecurityGroups", [])),
            encrypted=bool(item.get("StorageEncrypted")),
            instance_class=item.get("DBInstanceClass", ""),
            storage_type=item.get("StorageType", ""),
            iops=item.get("Iops"),
            cluster=item.get("DBClusterIdentifier"),
        )
        for item in found
        if "postgres" in item.get("Engine", "postgres")
    )


def _subnets(item: "DBInstanceTypeDef") -> tuple[str, ...]:
    """Return the subnets of the instance, limited to its zone if that is known."""
    every = item.get("DBSubnetGroup", {}).get("Subnets", [])
    zone = item.get("AvailabilityZone")
    here = [s for s in every if zone and s.get("SubnetAvailabilityZone", {}).get("Name") == zone]
    return tuple(s.get("SubnetIdentifier", "") for s in here or every)


def clusters(aws: Aws) -> tuple[Cluster, ...]:
    """Describe every Aurora PostgreSQL cluster of the region, page by page."""
    with translate_errors():
        pages = aws.rds.get_paginator("describe_db_clusters").paginate()
        found = [cluster for page in pages for cluster in page["DBClusters"]]
    return tuple(
        Cluster(
            id=item["DBClusterIdentifier"],
            hosts=tuple(h for h in (item.get("Endpoint"), item.get("ReaderEndpoint")) if h),
            status=item.get("Status", "unknown"),
            min_capacity=item.get("ServerlessV2ScalingConfiguration", {}).get("MinCapacity"),
            encrypted=bool(item.get("StorageEncrypted")),
            groups=tuple(g.get("VpcSecurityGroupId", "") for g in item.get("VpcSecurityGroups", [])),
        )
        for item in found
        if "postgres" in item.get("Engine", "postgres")
    )


def caches(aws: Aws) -> tuple[Cache, ...]:
    """Describe every ElastiCache replication group and cluster of the region, page by page."""
    with translate_errors():
        groups = aws.elasticache.get_paginator("describe_replication_groups").paginate()
        replicated = [group for page in groups for group in page["ReplicationGroups"]]
        pages = aws.elasticache.get_paginator("describe_cache_clusters").paginate(ShowCacheNodeInfo=True)
        single = [cluster for page in pages for cluster in page["CacheClusters"]]
    found = [
        Cache(
            id=item.get("ReplicationGroupId", ""),
            hosts=_hosts(
                item.get("ConfigurationEndpoint"), *(n.get("PrimaryEndpoint") for n in item.get("NodeGroups", []))
            ),
            status=item.get("Status", "unknown"),
            node_type=item.get("CacheNodeType", ""),
            groups=(),
            encrypted_at_rest=item.get("AtRestEncryptionEnabled"),
            encrypted_in_transit=item.get("TransitEncryptionEnabled"),
        )
        for item in replicated
    ]
    found += [
        Cache(
            id=item.get("CacheClusterId", ""),
            hosts=_hosts(item.get("ConfigurationEndpoint"), *(n.get("Endpoint") for n in item.get("CacheNodes", []))),
            status=item.get("CacheClusterStatus", "unknown"),
            node_type=item.get("CacheNodeType", ""),
            groups=tuple(g.get("SecurityGroupId", "") for g in item.get("SecurityGroups", [])),
            encrypted_at_rest=item.get("AtRestEncryptionEnabled"),
            encrypted_in_transit=item.get("TransitEncryptionEnabled"),
        )
        for item in single
        if not item.get("ReplicationGroupId")
    ]
    return tuple(found)


def _hosts(*endpoints: object) -> tuple[str, ...]:
    return tuple(str(e["Address"]) for e in endpoints if isinstance(e, dict) and e.get("Address"))


@dataclass(frozen=True, slots=True)
class InstanceLoad:
    """Averages of the last hour; None where CloudWatch has no data points."""

    read_latency_ms: float | None
    burst_balance: float | None
    connections: float | None


def recent_load(aws: Aws, database: str) -> InstanceLoad:
    """Read an instance's metrics of the last hour."""
    latency = _average(aws, database, "ReadLatency", timedelta(hours=1))
    return InstanceLoad(
        read_latency_ms=latency * 1000 if latency is not None else None,
        burst_balance=_average(aws, database, "BurstBalance", timedelta(hours=1)),
        connections=_average(aws, database, "DatabaseConnections", timedelta(days=7)),
    )


def _average(aws: Aws, database: str, metric: str, back: timedelta) -> float | None:
    now = datetime.now(UTC)
    with translate_errors():
        reply = aws.cloudwatch.get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName=metric,
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": database}],
            StartTime=now - back,
            EndTime=now + timedelta(minutes=5),
            Period=int(back.total_seconds()),
            Statistics=["Average"],
        )
    points = [point["Average"] for point in reply["Datapoints"] if "Average" in point]
    return sum(points) / len(points) if points else None


T = TypeVar("T")


def find_by_host(
    host: str, known: tuple[T, ...], hosts: Callable[[T], tuple[str, ...]], *, forwarded: bool
) -> tuple[T | None, str]:
    """Find the resource behind a host: by its endpoint, or by the first label as its id.

    A host that is a forward or an alias (`forwarded`: its addresses are private) can be the only one there is.

    Returns the resource (or None) and how it was found, for the evidence.
    """
    host = host.lower().rstrip(".")
    for item in known:
        if host in (name.lower() for name in hosts(item)):
            return item, "endpoint"
    for item in known:
        if host.split(".")[0] == str(getattr(item, "id", "")).lower():
            return item, "name"
    only = len(known) == 1 and forwarded
    return (known[0], "the only one in the region") if only else (None, "none matches the host")
