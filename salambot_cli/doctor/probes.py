"""Every probe, in the order of printing: prerequisites, credentials, network … data, performance, cost."""

from salambot_cli.doctor import access, host, postgres, postgres_session, redis, stack

PROBES = (
    *host.PROBES,
    *access.PROBES,
    *postgres.PROBES,
    *postgres_session.PROBES,
    *redis.PROBES,
    *stack.PROBES,
)
GROUPS = tuple(dict.fromkeys(probe.group for probe in PROBES))
