"""Every probe, in the order of printing: prerequisites, credentials, network … data, performance, security, cost."""

from salambot_cli.doctor import (
    access,
    containers,
    cost,
    edge,
    host,
    hygiene,
    jump,
    models,
    objects,
    postgres,
    postgres_session,
    redis,
    redis_session,
    security,
    stack,
    telemetry,
    vault,
    vectors,
)

PROBES = (
    *host.PROBES,
    *containers.PROBES,
    *access.PROBES,
    *vault.PROBES,
    *postgres.PROBES,
    *postgres_session.PROBES,
    *redis.PROBES,
    *redis_session.PROBES,
    *jump.PROBES,
    *objects.PROBES,
    *vectors.PROBES,
    *models.PROBES,
    *telemetry.PROBES,
    *stack.PROBES,
    *edge.PROBES,
    *security.PROBES,
    *hygiene.PROBES,
    *cost.PROBES,
)
GROUPS = tuple(dict.fromkeys(probe.group for probe in PROBES))
