"""Entries about the components: databases, objects, secrets, vectors, models, tunnel, telemetry, security, cost."""

from salambot_cli.doctor.catalogue_services import SERVICES
from salambot_cli.doctor.entry import Entry

_DATA: tuple[Entry, ...] = (
    Entry(
        "rds.stopped",
        "high",
        "Connections time out.",
        "`DBInstanceStatus` is not `available`.",
        "Start the instance. A stopped one starts by itself after 7 days.",
        "aws rds start-db-instance --db-instance-identifier ID",
    ),
    Entry(
        "rds.not-public",
        "high",
        "Connections time out.",
        "`PubliclyAccessible` is false: the name resolves to an address inside the VPC.",
        "Use a VPN or an SSM port forward (`[aws] jump`): safer than making the database public.",
        "aws ssm start-session --target INSTANCE --document-name AWS-StartPortForwardingSessionToRemoteHost "
        "--parameters host=HOST,portNumber=5432,localPortNumber=5432",
    ),
    Entry(
        "rds.sg-missing-my-ip",
        "critical",
        "Connections time out.",
        "The instance is available and public, and no rule of its security groups (CIDR, IPv6, prefix list) "
        "lets this machine's address in on the port.",
        "Allow this one address on this one port.",
        "aws ec2 authorize-security-group-ingress --group-id SG --protocol tcp --port 5432 --cidr ADDRESS/32",
    ),
    Entry(
        "rds.subnet-path",
        "high",
        "Connections time out although the security group is right.",
        "The subnet has no route to an internet gateway, or the first network ACL entry that matches denies the port "
        "inwards or the ephemeral ports outwards.",
        "Fix the route or the ACL entry.",
        "aws ec2 create-route --route-table-id RTB --destination-cidr-block 0.0.0.0/0 --gateway-id IGW",
    ),
    Entry(
        "rds.tcp-timeout",
        "high",
        "Connections time out, and AWS does not let us see why.",
        "Nothing answers; describing the instance or its network was denied or not possible, so the causes (stopped, "
        "not public, security group, subnet, a filter on the way) cannot be told apart from here.",
        "Ask somebody with `rds:DescribeDBInstances` and `ec2:Describe*` to run the doctor, or grant them.",
        "aws rds describe-db-instances",
    ),
    Entry(
        "rds.aurora-resuming",
        "medium",
        "The first connection after a pause hangs.",
        "The server accepts and says nothing; its minimum capacity is 0 ACU, or a retry within 30 s is answered.",
        "Give clients a connect timeout of at least 30 s, or set the minimum to 0.5 ACU.",
        "aws rds modify-db-cluster --db-cluster-identifier ID "
        "--serverless-v2-scaling-configuration MinCapacity=0.5,MaxCapacity=2",
    ),
    Entry(
        "rds.wrong-service",
        "high",
        "`rejected SSL upgrade`.",
        "The answer to Postgres' SSLRequest: `N` is a Postgres without TLS, anything else (or silence) no Postgres.",
        "Use the real endpoint; enable TLS on the server.",
    ),
    Entry(
        "rds.tls-required",
        "high",
        "Login is refused with 28000.",
        "The server's message says `no encryption`: it lets nobody in without TLS (`rds.force_ssl`).",
        "Use `sslmode=verify-full` in POSTGRES_URL.",
    ),
    Entry(
        "rds.bad-password",
        "critical",
        "Login is refused with 28P01.",
        "Postgres says the same for a wrong password, an unknown user and an expired `VALID UNTIL`: from here they "
        "cannot be told apart; `\\du` as an administrator decides.",
        "Correct user and password, or set a new password.",
        "aws rds modify-db-instance --db-instance-identifier ID --master-user-password NEW --apply-immediately",
    ),
    Entry(
        "rds.wrong-db",
        "high",
        "Login is refused with 3D000.",
        "The database in POSTGRES_URL does not exist on this server.",
        "Create it, or correct POSTGRES_URL.",
        "createdb NAME",
    ),
    Entry(
        "rds.no-privilege",
        "high",
        "42501, or 28000 for a role that may not log in.",
        "The message says whether CONNECT, LOGIN, a schema or a table is missing.",
        "Grant what is missing.",
        "psql -c 'GRANT CONNECT ON DATABASE salambot TO app'",
    ),
    Entry(
        "rds.too-many-connections",
        "high",
        "Login is refused with 53300.",
        "The message tells a role's limit from the server's; pg_stat_activity says who holds them.",
        "Shrink the pools, close idle sessions, or put RDS Proxy in front.",
    ),
    Entry(
        "rds.schema-missing",
        "high",
        "42P01 in a service's log.",
        "The named relation, or the `vector` extension (0A000), does not exist in this database.",
        "Run the migrations; create the extension.",
        "salambot up",
    ),
    Entry(
        "rds.read-only",
        "high",
        "Writes fail with 25006.",
        "The session is read-only: a reader endpoint or replica, or `default_transaction_read_only`.",
        "Use the writer's endpoint.",
    ),
    Entry(
        "rds.schema-newer",
        "high",
        "`salambot up` stops at the migration.",
        "`alembic_version` names a revision that this SalamBot's code does not have.",
        "Update SalamBot, or use another database.",
        "pip install --upgrade salambot",
    ),
    Entry(
        "rds.statement-timeout",
        "high",
        "Queries end with 57014 (canceling statement due to statement timeout).",
        "`statement_timeout` of the session, as role, database or server set it, is shorter than the services' "
        "queries.",
        "Reset it on the role or the database.",
        "psql -c 'ALTER ROLE app RESET statement_timeout'",
    ),
    Entry(
        "rds.wrong-encoding",
        "high",
        "Writing Arabic fails with 22P05.",
        "`server_encoding` of the database is not UTF8.",
        "Use a database with encoding UTF8.",
        "createdb -E UTF8 -T template0 salambot",
    ),
    Entry(
        "rds.locked",
        "high",
        "Everything that needs a table waits, then times out.",
        "`pg_locks`: another session has held one of our tables exclusively for more than 5 s.",
        "End that transaction where it was begun.",
        "psql -c 'select * from pg_stat_activity'",
    ),
    Entry(
        "rds.row-security",
        "critical",
        "Tenants see the rows of others.",
        "A table has policies by tenant, and row-level security is switched off on it.",
        "Switch it on again.",
        "psql -c 'ALTER TABLE documents ENABLE ROW LEVEL SECURITY'",
    ),
    Entry(
        "rds.wrong-port",
        "high",
        "Connections time out.",
        "AWS says that the instance listens on another port than POSTGRES_URL names.",
        "Correct the port in POSTGRES_URL; a rule for the wrong one changes nothing.",
        "aws rds describe-db-instances --query 'DBInstances[].Endpoint'",
    ),
    Entry(
        "rds.slow-storage",
        "medium",
        "Queries are slow.",
        "CloudWatch: read latency above 20 ms or burst balance below 20 % over the last hour; class, storage and IOPS.",
        "Move to gp3, with the IOPS that are needed.",
        "aws rds modify-db-instance --db-instance-identifier ID --storage-type gp3 --iops 3000 --apply-immediately",
    ),
    Entry(
        "redis.outside-vpc",
        "critical",
        "Connections time out.",
        "ElastiCache is reached from inside its VPC only; a rule for this machine's address changes nothing.",
        "Use a VPN or an SSM port forward (`[aws] jump`); then allow its security group on the port.",
        "aws ssm start-session --target INSTANCE --document-name AWS-StartPortForwardingSessionToRemoteHost "
        "--parameters host=HOST,portNumber=6379,localPortNumber=6379",
    ),
    Entry(
        "redis.tls-mismatch",
        "high",
        "The connection is reset, or times out like a dropped one.",
        "A plain `PING`: an answer means a server without TLS behind a `rediss://` URL; a reset with a TLS handshake "
        "that works means a server with TLS behind a `redis://` one.",
        "Use `rediss://`, and in-transit encryption on the server.",
    ),
    Entry(
        "redis.wrong-service",
        "high",
        "Protocol errors.",
        "What answers speaks no RESP, with or without TLS; or it accepts and says nothing.",
        "Correct host and port in REDIS_URL.",
    ),
    Entry(
        "redis.auth",
        "critical",
        "`NOAUTH`, `HELLO must be called`, `WRONGPASS`.",
        "`NOAUTH`: REDIS_URL has no password; `WRONGPASS`: its user or password is wrong.",
        "Refresh the AUTH token in REDIS_URL.",
    ),
    Entry(
        "redis.acl-noperm",
        "high",
        "`NOPERM`.",
        "The message names the command or the key that the user may not use.",
        "Widen the user's access string.",
        "aws elasticache modify-user --user-id ID --access-string 'on ~* +@all -@dangerous'",
    ),
    Entry(
        "redis.noeviction",
        "high",
        "`OOM command not allowed` on writes.",
        "`INFO memory`: full, with a policy that cannot evict (`noeviction`, or `volatile-*` while no key has a TTL).",
        "Set `allkeys-lru`, and a TTL on what is cached.",
        "aws elasticache modify-cache-parameter-group --cache-parameter-group-name NAME "
        "--parameter-name-values ParameterName=maxmemory-policy,ParameterValue=allkeys-lru",
    ),
    Entry(
        "redis.replica-endpoint",
        "high",
        "`READONLY You can't write against a read only replica`.",
        "`INFO replication` says role `slave`.",
        "Use the primary endpoint.",
    ),
    Entry(
        "redis.write-refused",
        "high",
        "Writes fail with `MISCONF`, `LOADING`, `MOVED`, `CLUSTERDOWN` or another error.",
        "The server's own words.",
        "Fix what the message names; for `MOVED` turn cluster mode off or use its configuration endpoint.",
    ),
)

CLOUD: tuple[Entry, ...] = (*_DATA, *SERVICES)
