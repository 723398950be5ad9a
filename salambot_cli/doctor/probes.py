"""Every probe, in the order of printing: prerequisites, credentials, network … data, performance, security, cost."""

from salambot_cli.doctor import (
    aws_access,
    containers,
    cost,
    host,
    jump,
    machine,
    models,
    objects,
    paths,
    pii_and_exposure,
    postgres,
    postgres_session,
    project_checks,
    redis,
    redis_session,
    secrets,
    security,
    stack,
    telemetry,
    tunnel,
    values,
    vectors,
    webhook_signature,
)
from salambot_cli.doctor.probe import Probe
from salambot_cli.model.environment import Environment

PROBES = (
    *host.PROBES,
    *machine.PROBES,
    *values.PROBES,
    *containers.PROBES,
    *paths.PROBES,
    *aws_access.PROBES,
    *secrets.PROBES,
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
    *tunnel.PROBES,
    *webhook_signature.PROBES,
    *security.PROBES,
    *pii_and_exposure.PROBES,
    *cost.PROBES,
)
GROUPS = (*dict.fromkeys(probe.group for probe in PROBES), "project")


def probes_for(environment: Environment) -> tuple[Probe, ...]:
    """Return every probe, with those that the project itself asks for."""
    return (*PROBES, *project_checks.project_probes(environment))
