"""Stopping and starting what AWS lets one stop: an RDS instance, or the Aurora cluster it belongs to."""

from dataclasses import dataclass
from typing import Literal

from salambot_cli.outside.aws import Aws, translated
from salambot_cli.outside.aws_data import Cluster, Database, clusters, databases, match

Wanted = Literal["stopped", "available"]


@dataclass(frozen=True, slots=True)
class Parkable:
    """A database that can be stopped, and how it is."""

    id: str
    kind: Literal["instance", "cluster"]
    status: str


def parkable(aws: Aws, host: str) -> Parkable | None:
    """Find what answers at a host; None where no instance of the region does.

    Raises:
        AwsFailure: databases may not be described.
    """
    database = match(host, databases(aws), _host_of, forwarded=False)[0]
    if database is not None and database.cluster is None:
        return Parkable(database.id, "instance", database.status)
    every = clusters(aws)
    cluster = match(host, every, _hosts_of, forwarded=False)[0]
    if cluster is None and database is not None:
        cluster = next((item for item in every if item.id == database.cluster), None)
    return Parkable(cluster.id, "cluster", cluster.status) if cluster is not None else None


def bring(aws: Aws, what: Parkable, wanted: Wanted) -> str:
    """Stop or start it; return the state that it goes through.

    Raises:
        AwsFailure: this may not be done, or not in the state it is in.
    """
    with translated():
        if what.kind == "cluster":
            call = aws.rds.stop_db_cluster if wanted == "stopped" else aws.rds.start_db_cluster
            return call(DBClusterIdentifier=what.id)["DBCluster"].get("Status", "unknown")
        if wanted == "stopped":
            reply = aws.rds.stop_db_instance(DBInstanceIdentifier=what.id)["DBInstance"]
        else:
            reply = aws.rds.start_db_instance(DBInstanceIdentifier=what.id)["DBInstance"]
        return reply.get("DBInstanceStatus", "unknown")


def _host_of(database: Database) -> tuple[str, ...]:
    return (database.host,)


def _hosts_of(cluster: Cluster) -> tuple[str, ...]:
    return cluster.hosts
