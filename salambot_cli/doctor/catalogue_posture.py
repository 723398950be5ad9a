"""Entries about security and cost: they stand beside root causes and explain nothing."""

from salambot_cli.doctor.entry import Entry

POSTURE: tuple[Entry, ...] = (
    Entry(
        "sec.open-world",
        "critical",
        "A database or bucket is open to everybody.",
        "A security group lets 0.0.0.0/0 or ::/0 in on the port, or the bucket's policy or ACL is public.",
        "Take the rule away; block public access.",
        "aws ec2 revoke-security-group-ingress --group-id SG --protocol tcp --port 5432 --cidr 0.0.0.0/0",
    ),
    Entry(
        "sec.unencrypted",
        "high",
        "Data lies or travels in clear.",
        "StorageEncrypted or encryption at rest is false, or a cloud URL does without TLS.",
        "Copy a snapshot with encryption and restore it; use a TLS URL.",
    ),
    Entry(
        "sec.cloudtrail-off",
        "high",
        "Nobody can say who did what.",
        "No trail exists, or none is logging.",
        "Create a trail, or start it.",
        "aws cloudtrail start-logging --name NAME",
    ),
    Entry(
        "sec.console-public",
        "critical",
        "Grafana, Prometheus or MinIO can be reached from outside.",
        "A console answers on a wildcard address of this machine.",
        "Bind it to 127.0.0.1; reach it by VPN or SSO.",
    ),
    Entry(
        "sec.weak-credentials",
        "high",
        "A default or long-lived credential is in use.",
        "A well-known password in a cloud URL, secrets in `.env` beside Secrets Manager, `.env` known to git, the AWS "
        "root user, an access key older than 90 days, or a policy that allows everything.",
        "Rotate it, keep it in Secrets Manager, narrow the policy.",
    ),
    Entry(
        "sec.pii-telemetry",
        "high",
        "Customers' data leaves through logs or labels.",
        "A phone number, e-mail address, CIN or IBAN in a log line, a metric label or a resource attribute. The field "
        "is named, the value never.",
        "Drop the attribute; see docs/security/pii.md.",
    ),
    Entry(
        "cost.idle",
        "low",
        "A bill for what nobody uses.",
        "An instance without connections, an oversized node, a bucket without Intelligent-Tiering, an empty index.",
        "Stop, shrink or tier it.",
        "aws rds stop-db-instance --db-instance-identifier ID",
    ),
)
