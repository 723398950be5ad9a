"""Stop and start what AWS allows: an RDS instance, or its Aurora cluster."""

from dataclasses import dataclass
from typing import Literal

from salambot_cli.aws.clients import Aws, translate_errors
from salambot_cli.aws.databases import Cluster, Database, clusters, databases, find_by_host

Wanted = Literal["stopped", "available"]


@dataclass(frozen=True, slots=True)
class StoppableDatabase:
    """A database that can be stopped, and how it is."""

    id: str
    kind: Literal["instance", "cluster"]
    status: str


def parkable(aws: Aws, host: str) -> StoppableDatabase | None:
    """Find what answers at a host; None where no instance of the region does.

    Raises:
        AwsError: databases may not be described.
    """
    database = find_by_host(host, databases(aws), _host_of, forwarded=False)[0]
    if database is not None and database.cluster is None:
        return StoppableDatabase(database.id, "instance", database.status)
    every = clusters(aws)
    cluster = find_by_host(host, every, _hosts_of, forwarded=False)[0]
    if cluster is None and database is not None:
        cluster = next((item for item in every if item.id == database.cluster), None)
    return StoppableDatabase(cluster.id, "cluster", cluster.status) if cluster is not None else None


def set_state(aws: Aws, what: StoppableDatabase, wanted: Wanted) -> str:
    """Stop or start it; return the state that it goes through.

    Raises:
        AwsError: this may not be done, or not in the state it is in.
    """
    with translate_errors():
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
