"""Which faults look alike: each group shows in one way, and what tells its members apart is their `told_by`."""

_GROUPS: tuple[tuple[str, ...], ...] = (
    (  # the database does not answer in time
        "rds.stopped", "rds.not-public", "rds.sg-missing-my-ip", "rds.subnet-path", "rds.tcp-timeout",
        "rds.aurora-resuming", "rds.wrong-port", "net.egress-blocked",
    ),
    ("rds.locked", "rds.statement-timeout", "rds.slow-storage", "vector.far-region"),  # queries take long
    ("rds.bad-password", "rds.tls-required", "rds.no-privilege", "rds.wrong-db", "rds.too-many-connections"),
    ("rds.schema-missing", "rds.schema-newer", "rds.wrong-db", "rds.no-privilege"),  # a table is not there
    ("rds.row-security", "vector.index-missing", "vector.dim-mismatch"),  # answers cite nothing
    ("redis.outside-vpc", "redis.tls-mismatch", "net.egress-blocked", "net.tls-stalled"),  # the cache does not answer
    ("redis.auth", "redis.acl-noperm", "redis.wrong-service"),  # the cache refuses
    ("redis.noeviction", "redis.write-refused", "redis.replica-endpoint", "rds.read-only"),  # no writes
    ("net.dns", "net.no-route", "net.refused", "net.egress-blocked", "net.proxy"),  # a host is not reached
    ("net.tls-untrusted", "net.tls-stalled", "net.proxy", "host.clock-skew"),  # TLS fails everywhere
    ("aws.no-credentials", "aws.bad-credentials", "host.clock-skew", "aws.unavailable"),  # every call to AWS fails
    ("s3.iam-denied", "s3.policy-deny", "s3.kms-denied", "s3.not-found"),  # the bucket refuses
    ("secret.unavailable", "local.env-missing", "config.invalid"),  # a value is not there
    ("vector.bad-key", "vector.unavailable", "vector.index-missing"),  # the vector database refuses
    ("openai.quota", "openai.bad-key", "openai.unavailable"),  # the model refuses
    (  # no telemetry arrives
        "otlp.wrong-path", "otlp.unauthorized", "otlp.protocol", "otlp.redirect-loss", "otlp.throttled",
        "otlp.unavailable", "otlp.rejected", "otlp.never-sampled",
    ),
    ("tunnel.down", "tunnel.origin-down", "tunnel.ephemeral", "webhook.bad-hmac"),  # no webhook arrives
    ("local.unhealthy", "local.stack-down", "local.docker-down", "local.port-busy", "local.limits"),  # nothing answers
    ("local.no-disk", "local.not-writable", "local.state-broken", "local.data-version"),  # it does not start
)  # fmt: skip


def lookalikes(finding_id: str) -> tuple[str, ...]:
    """Return the faults that look like this one, the nearest group first."""
    return tuple(dict.fromkeys(n for group in _GROUPS if finding_id in group for n in group if n != finding_id))
