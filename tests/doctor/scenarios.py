"""Faults that are really made: what is injected, and the root causes that the doctor has to name, exactly."""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import trustme
from aiohttp import web

from tests.doctor.cloud import CANARY, KEYS, Change, Cloud, allow_port, server_tls, yesterday
from tests.doctor.wires import answers, closed_port, hang_up, mute, says, silent_port, talking

Inject = Callable[[Cloud], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One fault, or several: the exact set of root causes, and the kind that the evidence has to name."""

    name: str
    topology: tuple[str, ...]
    inject: Inject
    roots: frozenset[str]
    kind: str | None = None
    warns: frozenset[str] = frozenset()


SCENARIOS: list[Scenario] = []


def scenario(
    *roots: str, on: tuple[str, ...] = ("t1",), kind: str | None = None, warns: str = ""
) -> Callable[[Inject], Inject]:
    """Register a fault under its function's name."""

    def register(inject: Inject) -> Inject:
        name = inject.__name__.lstrip("_")
        SCENARIOS.append(Scenario(name, on, inject, frozenset(roots), kind, frozenset(filter(None, [warns]))))
        return inject

    return register


async def _nothing(_: Cloud) -> None:
    """All is well."""


_TOPOLOGIES = (("local",), ("t1",), ("t2",), ("t3",), ("t1", "t3"), ("t2", "t3"))
SCENARIOS += [Scenario(f"healthy {'+'.join(names)}", names, _nothing, frozenset()) for names in _TOPOLOGIES]


# --- the wire to Postgres ---------------------------------------------------------------------------------------------


@scenario("net.dns")
async def postgres_name_unknown(cloud: Cloud) -> None:
    cloud.postgres_at(5432, host="salambot-demo.abc.invalid")


@scenario("net.refused")
async def postgres_refused(cloud: Cloud) -> None:
    cloud.postgres_at(closed_port())


async def _silence(cloud: Cloud) -> int:
    port = cloud.stack.enter_context(silent_port())
    cloud.postgres_at(port)
    ec2 = cloud.moto.client("ec2")
    (group,) = ec2.describe_security_groups(GroupIds=[cloud.account.group])["SecurityGroups"]
    ec2.revoke_security_group_ingress(GroupId=cloud.account.group, IpPermissions=group["IpPermissions"])
    return port


@scenario("rds.sg-missing-my-ip", kind="no-rule")
async def sg_without_my_ip(cloud: Cloud) -> None:
    port = await _silence(cloud)
    allow_port(cloud.moto, cloud.account, port, "198.51.100.0/24")


@scenario("rds.sg-missing-my-ip", kind="wrong-port")
async def sg_right_ip_wrong_port(cloud: Cloud) -> None:
    await _silence(cloud)
    allow_port(cloud.moto, cloud.account, 6543)


@scenario("rds.sg-missing-my-ip")
async def sg_that_references_a_group(cloud: Cloud) -> None:
    port = await _silence(cloud)
    pair = [{"GroupId": cloud.account.group}]
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pair}
    cloud.moto.client("ec2").authorize_security_group_ingress(GroupId=cloud.account.group, IpPermissions=[permission])


def _prefix_list(cloud: Cloud, port: int, cidr: str) -> None:
    ec2 = cloud.moto.client("ec2")
    entries = [{"Cidr": f"192.0.2.{n}/32"} for n in range(150)] + [{"Cidr": cidr}]
    made = ec2.create_managed_prefix_list(
        PrefixListName="office", MaxEntries=200, AddressFamily="IPv4", Entries=entries
    )
    listed = [{"PrefixListId": made["PrefixList"]["PrefixListId"]}]
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "PrefixListIds": listed}
    ec2.authorize_security_group_ingress(GroupId=cloud.account.group, IpPermissions=[permission])


@scenario("rds.sg-missing-my-ip")
async def prefix_list_without_my_ip(cloud: Cloud) -> None:
    _prefix_list(cloud, await _silence(cloud), "198.51.100.0/24")


@scenario("net.egress-blocked")
async def prefix_list_with_my_ip(cloud: Cloud) -> None:
    _prefix_list(cloud, await _silence(cloud), "203.0.113.0/24")


@scenario("net.egress-blocked")
async def egress_blocked(cloud: Cloud) -> None:
    allow_port(cloud.moto, cloud.account, await _silence(cloud))


@scenario("rds.stopped")
async def rds_stopped(cloud: Cloud) -> None:
    await _silence(cloud)
    cloud.moto.client("rds").stop_db_instance(DBInstanceIdentifier=cloud.account.instance)


@scenario("rds.not-public")
async def rds_not_public(cloud: Cloud) -> None:
    allow_port(cloud.moto, cloud.account, await _silence(cloud))
    rds = cloud.moto.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=cloud.account.instance, PubliclyAccessible=False)


@scenario("rds.subnet-path", kind="route")
async def no_route_to_the_internet(cloud: Cloud) -> None:
    allow_port(cloud.moto, cloud.account, await _silence(cloud))
    cloud.moto.client("ec2").delete_route(RouteTableId=cloud.account.route_table, DestinationCidrBlock="0.0.0.0/0")


def _deny(cloud: Cloud, *, egress: bool, first: int, last: int) -> None:
    cloud.moto.client("ec2").create_network_acl_entry(
        NetworkAclId=cloud.account.acl,
        RuleNumber=50,
        Protocol="6",
        RuleAction="deny",
        Egress=egress,
        CidrBlock="203.0.113.0/24",
        PortRange={"From": first, "To": last},
    )


@scenario("rds.subnet-path", kind="acl-in")
async def acl_denies_the_port(cloud: Cloud) -> None:
    port = await _silence(cloud)
    allow_port(cloud.moto, cloud.account, port)
    _deny(cloud, egress=False, first=port, last=port)


@scenario("rds.subnet-path", kind="acl-out")
async def acl_denies_the_way_back(cloud: Cloud) -> None:
    allow_port(cloud.moto, cloud.account, await _silence(cloud))
    _deny(cloud, egress=True, first=1024, last=65535)


def _user(cloud: Cloud, *allowed: tuple[str, str], denied: tuple[str, ...] = ()) -> None:
    """Let the environment's caller be an IAM user with these actions on these resources."""
    iam = cloud.moto.client("iam")
    iam.create_user(UserName="dev")
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed]
    statements += [{"Effect": "Deny", "Action": action, "Resource": "*"} for action in denied]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="dev", PolicyName="dev", PolicyDocument=policy)
    key = iam.create_access_key(UserName="dev")["AccessKey"]
    cloud.variables["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
    cloud.variables["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]
    cloud.moto.demand_credentials()


_SEES = [(f"{service}:*", "*") for service in ("rds", "ec2", "elasticache", "cloudtrail", "iam", "cloudwatch", "sts")]


@scenario("rds.tcp-timeout")
async def timeout_without_describe_rights(cloud: Cloud) -> None:
    await _silence(cloud)
    _user(cloud, ("s3:*", "*"), ("sts:*", "*"))


@scenario("rds.wrong-service", kind="not-postgres")
async def http_on_the_postgres_port(cloud: Cloud) -> None:
    answer = says(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    cloud.postgres_at(await cloud.stack.enter_async_context(talking(answer)))


@scenario("rds.wrong-service", kind="not-postgres")
async def banner_of_a_megabyte(cloud: Cloud) -> None:
    cloud.postgres_at(await cloud.stack.enter_async_context(talking(says(b"x" * 1_000_000))))


@scenario("rds.wrong-service", kind="no-tls")
async def postgres_without_tls(cloud: Cloud) -> None:
    cloud.postgres_at(cloud.parts.postgres.port)


@scenario("rds.wrong-service", kind="mute")
async def postgres_port_mute(cloud: Cloud) -> None:
    cloud.postgres_at(await cloud.stack.enter_async_context(talking(mute)))


@scenario("rds.aurora-resuming")
async def aurora_resumes(cloud: Cloud) -> None:
    rds = cloud.moto.client("rds")
    rds.create_db_cluster(
        DBClusterIdentifier="salambot-aurora",
        Engine="aurora-postgresql",
        MasterUsername="salambot",
        MasterUserPassword="unused-here",
        StorageEncrypted=True,
        ServerlessV2ScalingConfiguration={"MinCapacity": 0, "MaxCapacity": 2},
    )
    # The health of the stack is asked beside the ladder: in whichever order, the ladder's first request is one of two.
    port = await cloud.postgres_behind(server_tls(), asleep=2)
    cloud.postgres_at(port)


# --- certificates -----------------------------------------------------------------------------------------------------


@scenario("net.tls-untrusted", kind="expired")
async def postgres_certificate_expired(cloud: Cloud) -> None:
    tls = server_tls(start=datetime(2025, 1, 1, tzinfo=UTC), end=yesterday())
    cloud.postgres_at(await cloud.postgres_behind(tls))


@scenario("net.tls-untrusted", kind="not-yet-valid")
async def postgres_certificate_of_the_future(cloud: Cloud) -> None:
    tls = server_tls(start=datetime.now(UTC) + timedelta(days=30), end=datetime.now(UTC) + timedelta(days=60))
    cloud.postgres_at(await cloud.postgres_behind(tls))


@scenario("net.tls-untrusted", kind="other-name")
async def postgres_certificate_of_another_host(cloud: Cloud) -> None:
    cloud.postgres_at(await cloud.postgres_behind(server_tls("db.example.com")))


@scenario("net.tls-untrusted", kind="unknown-issuer")
async def postgres_certificate_of_another_ca(cloud: Cloud) -> None:
    cloud.postgres_at(await cloud.postgres_behind(server_tls(ca=trustme.CA())))


@scenario("net.tls-untrusted", kind="expired")
async def redis_certificate_expired(cloud: Cloud) -> None:
    tls = server_tls(start=datetime(2025, 1, 1, tzinfo=UTC), end=yesterday())
    cloud.redis_at(await cloud.redis_behind(tls))


@scenario("net.tls-untrusted")
async def a_proxy_opens_every_connection(cloud: Cloud) -> None:
    tls = server_tls(ca=trustme.CA())
    cloud.postgres_at(await cloud.postgres_behind(tls))
    cloud.redis_at(await cloud.redis_behind(tls))


# --- what Postgres says -----------------------------------------------------------------------------------------------


@scenario("rds.bad-password")
async def wrong_password(cloud: Cloud) -> None:
    cloud.postgres_at(await cloud.postgres_behind(server_tls()), password=f"wrong-{CANARY}")


@scenario("rds.bad-password")
async def absent_user(cloud: Cloud) -> None:
    cloud.postgres_at(await cloud.postgres_behind(server_tls()), user="nobody")


@scenario("rds.wrong-db")
async def wrong_database(cloud: Cloud) -> None:
    cloud.postgres_at(await cloud.postgres_behind(server_tls()), database="salambotte")


async def _role(cloud: Cloud, name: str, options: str, *more: str, database: str | None = None) -> None:
    server = cloud.parts.postgres
    server.run(f"DROP DATABASE IF EXISTS {name}_db WITH (FORCE)")
    server.run(f"DROP ROLE IF EXISTS {name}")
    server.run(f"CREATE ROLE {name} PASSWORD 'p-{CANARY}' {options}")
    server.run(f"CREATE DATABASE {name}_db")
    server.run("CREATE EXTENSION vector", f"{name}_db")  # only an administrator may, so an owner's database has it
    for statement in more:
        server.run(statement, f"{name}_db")
    cloud.postgres_at(
        await cloud.postgres_behind(server_tls()), user=name, password=f"p-{CANARY}", database=database or f"{name}_db"
    )


@scenario("rds.no-privilege", kind="login")
async def role_without_login(cloud: Cloud) -> None:
    await _role(cloud, "nologin_role", "NOLOGIN")


@scenario("rds.no-privilege", kind="connect")
async def connect_revoked(cloud: Cloud) -> None:
    await _role(cloud, "noconnect", "LOGIN", "REVOKE CONNECT ON DATABASE noconnect_db FROM PUBLIC")


@scenario("rds.no-privilege", kind="table")
async def table_revoked(cloud: Cloud) -> None:
    await _role(cloud, "notable", "LOGIN", "CREATE TABLE conversations (id int)")


@scenario("rds.no-privilege", kind="schema")
async def schema_revoked(cloud: Cloud) -> None:
    await _role(cloud, "noschema", "LOGIN", "REVOKE ALL ON SCHEMA public FROM PUBLIC")


@scenario("rds.too-many-connections", kind="role-limit")
async def role_limit(cloud: Cloud) -> None:
    await _role(cloud, "limited", "LOGIN CONNECTION LIMIT 0")


@scenario("rds.schema-missing", kind="table")
async def half_a_schema(cloud: Cloud) -> None:
    grant = "GRANT ALL ON ALL TABLES IN SCHEMA public TO halfway"
    await _role(cloud, "halfway", "LOGIN", "CREATE TABLE alembic_version (version_num text)", grant)


@scenario("rds.read-only")
async def read_only_default(cloud: Cloud) -> None:
    await _role(cloud, "reader", "LOGIN", "ALTER ROLE reader SET default_transaction_read_only = on")


@scenario("rds.tls-required")
async def tls_required(cloud: Cloud) -> None:
    """pg_hba speaks of TLS only, and the URL asks for none."""
    words = 'no pg_hba.conf entry for host "127.0.0.1", user "salambot", database "postgres", no encryption'
    reply = _postgres_that_says("28000", words)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(8)
        writer.write(b"S" if head[4:] == b"\x04\xd2\x16\x2f" else reply)
        await writer.drain()
        await reader.read(1024)

    cloud.settings["allow_insecure"] = '["postgres", "vector", "objects", "telemetry", "llm"]'
    cloud.postgres_at(await cloud.stack.enter_async_context(talking(talk)), query="sslmode=disable")


@scenario("rds.slow-storage")
async def slow_storage(cloud: Cloud) -> None:
    dimension = [{"Name": "DBInstanceIdentifier", "Value": cloud.account.instance}]
    data = {"MetricName": "ReadLatency", "Dimensions": dimension, "Timestamp": datetime.now(UTC), "Value": 0.08}
    cloud.moto.client("cloudwatch").put_metric_data(Namespace="AWS/RDS", MetricData=[data])


def _postgres_that_says(code: str, words: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{code}\0M{words}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


async def _refusing_postgres(cloud: Cloud, code: str, words: str) -> None:
    """A Postgres with TLS that ends every login with the same error."""
    reply, tls = _postgres_that_says(code, words), server_tls()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(tls)
        await reader.read(1024)
        writer.write(reply)
        await writer.drain()

    cloud.postgres_at(await cloud.stack.enter_async_context(talking(talk)))


@scenario("rds.too-many-connections", kind="server-limit")
async def no_slot_is_left(cloud: Cloud) -> None:
    await _refusing_postgres(cloud, "53300", "sorry, too many clients already")


@scenario("rds.stopped")
async def postgres_is_starting(cloud: Cloud) -> None:
    await _refusing_postgres(cloud, "57P03", "the database system is starting up")


@scenario("config.invalid")
async def postgres_url_is_no_url(cloud: Cloud) -> None:
    cloud.variables["POSTGRES_URL"] = f"postgresql://app:p@ss/{CANARY}@localhost:5432/x?sslmode=verify-full"


# --- Redis ------------------------------------------------------------------------------------------------------------


@scenario("redis.outside-vpc")
async def redis_silent(cloud: Cloud) -> None:
    cloud.redis_at(cloud.stack.enter_context(silent_port()))


@scenario("net.refused")
async def redis_refused(cloud: Cloud) -> None:
    cloud.redis_at(closed_port())


@scenario("redis.tls-mismatch", kind="plain-server")
async def redis_server_without_tls(cloud: Cloud) -> None:
    cloud.redis_at(cloud.parts.valkey.port)


@scenario("redis.tls-mismatch", kind="tls-server")
async def redis_url_without_tls(cloud: Cloud) -> None:
    cloud.settings["allow_insecure"] = '["redis", "vector", "objects", "telemetry", "llm"]'
    cloud.redis_at(await cloud.redis_behind(server_tls()), scheme="redis")


@scenario("redis.wrong-service")
async def redis_is_http(cloud: Cloud) -> None:
    cloud.redis_at(await cloud.stack.enter_async_context(talking(says(b"HTTP/1.1 400 Bad Request\r\n\r\n"))))


@scenario("redis.wrong-service")
async def redis_mute(cloud: Cloud) -> None:
    cloud.redis_at(await cloud.stack.enter_async_context(talking(mute)))


@scenario("redis.auth", kind="wrong")
async def redis_wrong_password(cloud: Cloud) -> None:
    cloud.redis_at(await cloud.redis_behind(server_tls()), password=f"wrong-{CANARY}")


@scenario("redis.auth", kind="missing")
async def redis_without_password(cloud: Cloud) -> None:
    port = await cloud.redis_behind(server_tls())
    cloud.variables["REDIS_URL"] = f"rediss://localhost:{port}/0"


async def _own_redis(cloud: Cloud, *commands: tuple[str, ...]) -> None:
    """Talk to the worker's Valkey as its owner, and undo at the end."""
    from redis.asyncio import Redis

    async with Redis(host="127.0.0.1", port=cloud.parts.valkey.port, password=cloud.parts.valkey.password) as client:
        for command in commands:
            await client.execute_command(*command)


@scenario("redis.acl-noperm")
async def redis_acl(cloud: Cloud) -> None:
    await _own_redis(
        cloud, ("ACL", "SETUSER", "narrow", "on", f">p-{CANARY}", "~*", "+get", "+ping", "+client", "+select", "+info")
    )
    port = await cloud.redis_behind(server_tls())
    cloud.variables["REDIS_URL"] = f"rediss://narrow:p-{CANARY}@localhost:{port}/0"


def _undo_redis(cloud: Cloud, *commands: tuple[str, ...]) -> None:
    cloud.stack.push_async_callback(_own_redis, cloud, *commands)


@scenario("redis.noeviction")
async def redis_full(cloud: Cloud) -> None:
    await _own_redis(cloud, ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory-policy", "noeviction"))
    _undo_redis(cloud, ("CONFIG", "SET", "maxmemory", "0"))


@scenario("redis.replica-endpoint")
async def redis_replica(cloud: Cloud) -> None:
    await _own_redis(
        cloud, ("REPLICAOF", "127.0.0.1", str(closed_port())), ("CONFIG", "SET", "replica-serve-stale-data", "yes")
    )
    _undo_redis(cloud, ("REPLICAOF", "NO", "ONE"))


# --- AWS: access, objects, secrets ------------------------------------------------------------------------------------


@scenario("aws.no-credentials")
async def no_credentials(cloud: Cloud) -> None:
    for name in KEYS:
        cloud.variables.pop(name)


@scenario("aws.no-credentials")
async def unknown_profile(cloud: Cloud) -> None:
    for name in KEYS:
        cloud.variables.pop(name)
    cloud.variables["AWS_PROFILE"] = "no-such-profile"


@scenario("aws.bad-credentials", kind="key")
async def unknown_key(cloud: Cloud) -> None:
    cloud.moto.demand_credentials()


@scenario("aws.bad-credentials", kind="secret")
async def wrong_secret_key(cloud: Cloud) -> None:
    _user(cloud, ("s3:*", "*"), *_SEES)
    cloud.variables["AWS_SECRET_ACCESS_KEY"] = f"wrong{CANARY}"


@scenario("net.refused")
async def aws_endpoint_refused(cloud: Cloud) -> None:
    cloud.variables["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{closed_port()}"


def _sts_error(code: str, message: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    error = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    text = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=403, text=text, content_type="text/xml")

    return handle


@scenario("aws.bad-credentials", kind="session", on=("t2",))
async def session_expired(cloud: Cloud) -> None:
    answer = _sts_error("ExpiredToken", "The security token included in the request is expired")
    cloud.variables["AWS_ENDPOINT_URL_STS"] = await cloud.serve(answer)


@scenario("host.clock-skew", on=("t2",))
async def clock_behind_by_twenty_minutes(cloud: Cloud) -> None:
    late = format_datetime(datetime.now(UTC) + timedelta(minutes=20), usegmt=True)
    cloud.variables["AWS_ENDPOINT_URL_STS"] = await cloud.serve(answers(403, {}, Date=late))


@scenario("host.clock-skew", on=("t2",))
async def clock_wrong_by_a_year(cloud: Cloud) -> None:
    late = format_datetime(datetime.now(UTC) + timedelta(days=365), usegmt=True)
    for name in ("AWS_ENDPOINT_URL_STS", "OPENAI_BASE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        cloud.variables[name] = await cloud.serve(answers(403, {}, Date=late))


@scenario("s3.not-found", kind="no-bucket", on=("t2",))
async def bucket_missing(cloud: Cloud) -> None:
    cloud.variables["S3_BUCKET"] = "salambot-kbb"


@scenario("s3.not-found", kind="other-region", on=("t2",))
async def bucket_in_another_region(cloud: Cloud) -> None:
    where = {"LocationConstraint": "eu-central-1"}
    far = cloud.moto.client("s3", region="eu-central-1")
    far.create_bucket(Bucket="salambot-far", CreateBucketConfiguration=where)
    cloud.variables["S3_BUCKET"] = "salambot-far"


@scenario("s3.iam-denied", on=("t2",))
async def no_get_no_put(cloud: Cloud) -> None:
    _user(cloud, ("s3:ListBucket", "*"), ("s3:GetBucket*", "*"), ("s3:GetLifecycle*", "*"), *_SEES)


@scenario("s3.iam-denied", on=("t2",))
async def no_put(cloud: Cloud) -> None:
    _user(cloud, ("s3:Get*", "*"), ("s3:List*", "*"), *_SEES)


@scenario("s3.iam-denied", on=("t2",))
async def no_rights_at_all(cloud: Cloud) -> None:
    _user(cloud, ("sts:*", "*"))


@scenario(on=("t2",))
async def get_and_put_alone_are_enough(cloud: Cloud) -> None:
    _user(cloud, ("s3:GetObject", "*"), ("s3:PutObject", "*"))


@scenario("s3.policy-deny", on=("t2",))
async def bucket_policy_denies(cloud: Cloud) -> None:
    statement = {
        "Sid": "NoDevelopers",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": f"arn:aws:s3:::{cloud.account.bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.moto.client("s3").put_bucket_policy(Bucket=cloud.account.bucket, Policy=policy)
    _user(cloud, ("s3:*", "*"), *_SEES)


@scenario("s3.kms-denied", on=("t2",))
async def kms_key_refused(cloud: Cloud) -> None:
    """moto ignores a disabled key: S3's own words, from a server that refuses the encrypted object."""
    text = (
        "<Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/dev is not authorized to perform: "
        "kms:Decrypt on the resource associated with this ciphertext</Message></Error>"
    )

    async def refuse(request: web.Request, answer: web.Response) -> web.Response:
        if request.method == "GET" and "demo" in request.path:
            return web.Response(status=403, text=text, content_type="application/xml")
        return answer

    cloud.variables["AWS_ENDPOINT_URL_S3"] = await cloud.over_moto(refuse)


@scenario("secret.unavailable", kind="missing", on=("t3",))
async def secret_missing(cloud: Cloud) -> None:
    client = cloud.moto.client("secretsmanager")
    client.delete_secret(SecretId=cloud.account.secret, ForceDeleteWithoutRecovery=True)


@scenario("secret.unavailable", kind="deletion-scheduled", on=("t3",))
async def secret_to_be_deleted(cloud: Cloud) -> None:
    cloud.moto.client("secretsmanager").delete_secret(SecretId=cloud.account.secret, RecoveryWindowInDays=7)


@scenario("secret.unavailable", kind="denied", on=("t3",))
async def secret_denied(cloud: Cloud) -> None:
    _user(cloud, ("s3:*", "*"), *_SEES)


@scenario("secret.unavailable", kind="no-json", on=("t3",))
async def secret_that_is_no_json(cloud: Cloud) -> None:
    cloud.moto.client("secretsmanager").put_secret_value(SecretId=cloud.account.secret, SecretString="sk-123")


def _aged(pattern: str, days: int, shape: str) -> Change:
    """Let every date that matches lie some days back."""
    then = (datetime.now(UTC) - timedelta(days=days)).strftime(shape)

    async def age(_: web.Request, answer: web.Response) -> web.Response:
        answer.text = re.sub(pattern, rf"\g<1>{then}", answer.text or "")
        return answer

    return age


@scenario("secret.stale", on=("t3",))
async def secret_of_last_year(cloud: Cloud) -> None:
    client = cloud.moto.client("secretsmanager")
    assert client.list_secret_version_ids(SecretId=cloud.account.secret)["Versions"]
    aged = _aged(r'("CreatedDate": ?)[0-9.]+', 200, "%s")
    cloud.variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = await cloud.over_moto(aged)


@scenario("sec.weak-credentials", kind="key-age", on=("t2",))
async def access_key_of_last_year(cloud: Cloud) -> None:
    _user(cloud, ("s3:*", "*"), *_SEES)
    aged = _aged(r"(<CreateDate>)[^<]+", 200, "%Y-%m-%dT%H:%M:%SZ")
    cloud.variables["AWS_ENDPOINT_URL_IAM"] = await cloud.over_moto(aged)


@scenario("rds.tcp-timeout")
async def aws_throttles(cloud: Cloud) -> None:
    await _silence(cloud)
    error = (
        "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow</Message></Error></Errors></Response>"
    )

    async def throttle(_: web.Request, answer: web.Response) -> web.Response:
        del answer
        return web.Response(status=503, text=error, content_type="text/xml")

    cloud.variables["AWS_ENDPOINT_URL_EC2"] = await cloud.over_moto(throttle)


@scenario("local.env-missing", on=("t1", "t3"))
async def secret_without_a_member(cloud: Cloud) -> None:
    secrets = cloud.moto.client("secretsmanager")
    whole = json.loads(secrets.get_secret_value(SecretId=cloud.account.secret)["SecretString"])
    value = json.dumps({"POSTGRES_URL": whole["POSTGRES_URL"]})
    secrets.put_secret_value(SecretId=cloud.account.secret, SecretString=value)


# --- managed services over HTTPS --------------------------------------------------------------------------------------


@scenario("vector.bad-key")
async def pinecone_key(cloud: Cloud) -> None:
    cloud.variables["PINECONE_API_KEY"] = "pcsk_bad"


@scenario("vector.index-missing")
async def pinecone_index(cloud: Cloud) -> None:
    cloud.variables["PINECONE_INDEX"] = "salambot-prod"


@scenario("vector.dim-mismatch")
async def pinecone_dimension(cloud: Cloud) -> None:
    cloud.pinecone.dimension = 768


@scenario()
async def pinecone_filled_by_openai(cloud: Cloud) -> None:
    cloud.variables["EMBEDDER"] = "openai"  # which is asked for 1024 numbers, whatever its model makes by itself


@scenario()
async def pinecone_filled_by_a_longer_model(cloud: Cloud) -> None:
    cloud.variables |= {"EMBEDDER": "openai", "OPENAI_EMBEDDING_DIMENSIONS": "1536"}
    cloud.pinecone.dimension = 1536


@scenario("vector.unavailable")
async def pinecone_down(cloud: Cloud) -> None:
    cloud.pinecone.always = "unavailable"


@scenario("vector.bad-key")
async def qdrant_key(cloud: Cloud) -> None:
    cloud.tables[0] = '[placement]\ntunnel = "none"\nvector = "qdrant"'
    cloud.variables["QDRANT_URL"] = await cloud.serve(answers(403, {"status": {"error": "forbidden"}}))


@scenario("openai.quota", kind="quota", on=("t2",))
async def openai_quota(cloud: Cloud) -> None:
    error = {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}
    cloud.variables["OPENAI_BASE_URL"] = await cloud.serve(answers(429, error))


@scenario("openai.quota", kind="rate", on=("t2",))
async def openai_rate_limit(cloud: Cloud) -> None:
    error = {"error": {"code": "rate_limit_exceeded", "message": "Rate limit reached"}}
    cloud.variables["OPENAI_BASE_URL"] = await cloud.serve(answers(429, error, Retry_After="20"))


@scenario("openai.bad-key", on=("t2",))
async def openai_key(cloud: Cloud) -> None:
    cloud.variables["OPENAI_BASE_URL"] = await cloud.serve(answers(401, {"error": {"code": "invalid_api_key"}}))


@scenario("otlp.wrong-path", on=("t2",))
async def otlp_path(cloud: Cloud) -> None:
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = await cloud.serve(answers(404))


@scenario("otlp.unauthorized", kind="refused", on=("t2",))
async def otlp_token(cloud: Cloud) -> None:
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = await cloud.serve(answers(401))


@scenario("otlp.unauthorized", kind="syntax", on=("t2",))
async def otlp_header_with_a_colon(cloud: Cloud) -> None:
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = await cloud.serve(answers(401))
    cloud.variables["OTEL_EXPORTER_OTLP_HEADERS"] = f"Authorization: Basic {CANARY}"


@scenario("otlp.protocol", kind="content-type", on=("t2",))
async def otlp_content_type(cloud: Cloud) -> None:
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = await cloud.serve(answers(415))


@scenario("otlp.protocol", kind="grpc-port", on=("t2",))
async def otlp_grpc_port(cloud: Cloud) -> None:
    frame = b"\x00\x00\x18\x04\x00\x00\x00\x00\x00" + b"\x00" * 24
    port = await cloud.stack.enter_async_context(talking(says(frame)))
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"


@scenario("otlp.protocol", kind="configured", on=("t2",))
async def otlp_configured_for_grpc(cloud: Cloud) -> None:
    cloud.variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"


@scenario("otlp.redirect-loss", on=("t2",))
async def otlp_redirect(cloud: Cloud) -> None:
    location = "https://otlp.example.com/otlp/v1/traces"
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = await cloud.serve(answers(301, Location=location))


@scenario("otlp.throttled", on=("t2",))
async def otlp_throttled(cloud: Cloud) -> None:
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = await cloud.serve(answers(429, Retry_After="30"))


@scenario("openai.unavailable", "otlp.unavailable", "vector.unavailable")
async def three_servers_that_say_nothing(cloud: Cloud) -> None:
    port = await cloud.stack.enter_async_context(talking(mute))
    for name in ("OPENAI_BASE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "PINECONE_CONTROLLER_HOST"):
        cloud.variables[name] = f"http://127.0.0.1:{port}"


@scenario("net.tls-untrusted", kind="unknown-issuer", on=("t2",))
async def otlp_certificate_of_another_ca(cloud: Cloud) -> None:
    port = await cloud.stack.enter_async_context(talking(says(b"HTTP/1.1 200 OK\r\n\r\n"), server_tls()))
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"https://localhost:{port}"


@scenario("net.tls-untrusted", kind="unknown-issuer", on=("t2",))
async def aws_certificate_of_another_ca(cloud: Cloud) -> None:
    port = await cloud.stack.enter_async_context(talking(says(b"HTTP/1.1 200 OK\r\n\r\n"), server_tls()))
    cloud.variables["AWS_ENDPOINT_URL_STS"] = f"https://localhost:{port}"


@scenario("aws.jump-down")
async def jump_instance_stopped(cloud: Cloud) -> None:
    ec2 = cloud.moto.client("ec2")
    (made,) = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"]
    ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    folder = cloud.root / "bin"
    folder.mkdir()
    (folder / "session-manager-plugin").write_text("#!/bin/sh\n")
    (folder / "session-manager-plugin").chmod(0o755)
    cloud.tables.append(f'[aws]\njump = "{made["InstanceId"]}"')
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    cloud.stack.callback(os.environ.__setitem__, "PATH", before)


# --- this machine -----------------------------------------------------------------------------------------------------


@scenario("config.invalid", on=("local",))
async def toml_does_not_parse(cloud: Cloud) -> None:
    cloud.tables.append("[placement\n")


@scenario("config.invalid", on=("local",))
async def unknown_key_in_toml(cloud: Cloud) -> None:
    cloud.tables.append('[placemnet]\nvector = "qdrant"')


@scenario("local.env-missing")
async def variables_missing(cloud: Cloud) -> None:
    del cloud.variables["PINECONE_API_KEY"]
    del cloud.variables["POSTGRES_URL"]


@scenario("local.port-busy", on=("local",))
async def port_taken(cloud: Cloud) -> None:
    port = await cloud.stack.enter_async_context(talking(hang_up))
    cloud.tables[1] = (
        f"[ports]\ngateway = {port}\norchestrateur = {closed_port()}\nnlu = {closed_port()}\nrag = {closed_port()}"
    )


@scenario("local.port-busy", on=("local",))
async def port_taken_by_a_web_server(cloud: Cloud) -> None:
    port = int((await cloud.serve(answers(200, {"status": "ok"}))).rsplit(":", 1)[1])
    cloud.tables[1] = (
        f"[ports]\ngateway = {port}\norchestrateur = {closed_port()}\nnlu = {closed_port()}\nrag = {closed_port()}"
    )


@scenario("webhook.bad-hmac", kind="whitespace", on=("local",))
async def newline_in_the_app_secret(cloud: Cloud) -> None:
    cloud.variables["META_APP_SECRET"] = f"{CANARY}\n"


async def _gateway(
    cloud: Cloud, *, metrics: str = "# TYPE up gauge\nup 1\n", webhook: int = 200, subscription: int = 200
) -> int:
    """A gateway by its contract: health, metrics, webhooks."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        if request.path == "/metrics":
            return web.Response(text=metrics)
        if request.path.startswith("/v1/webhooks"):
            if request.method == "GET" and subscription == 200:  # as Meta is answered
                return web.Response(text=request.query["hub.challenge"])
            return web.json_response({}, status=subscription if request.method == "GET" else webhook)
        return web.json_response({"status": "ok", "service": "gateway"})

    port = int((await cloud.serve(handle)).rsplit(":", 1)[1])
    index = next(i for i, table in enumerate(cloud.tables) if table.startswith("[ports]"))
    cloud.tables[index] = f"[ports]\ngateway = {port}\n" + "\n".join(cloud.tables[index].splitlines()[2:])
    return port


@scenario("webhook.bad-hmac", kind="refused", on=("t2",))
async def gateway_refuses_raw_bytes(cloud: Cloud) -> None:
    cloud.variables["META_APP_SECRET"] = CANARY
    await _gateway(cloud, webhook=401)


@scenario("metrics.missing", on=("t2",))
async def metrics_are_html(cloud: Cloud) -> None:
    await _gateway(cloud, metrics="<html>not here</html>")


async def _tunnel(cloud: Cloud, status: int, host: str | None = None) -> None:
    """cloudflared's metrics, which tell whether it is connected and to what name."""

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/quicktunnel":
            return web.json_response({"hostname": host or ""})
        return web.json_response({"status": status, "readyConnections": 4 if status == 200 else 0}, status=status)

    cloud.tables[0] = '[placement]\ntunnel = "cloudflared"'
    os.environ["TUNNEL_METRICS"] = (await cloud.serve(handle)).removeprefix("http://")
    cloud.stack.callback(os.environ.pop, "TUNNEL_METRICS")


@scenario("tunnel.down", on=("t2",))
async def tunnel_without_an_edge(cloud: Cloud) -> None:
    await _tunnel(cloud, 503)


@scenario("tunnel.down", on=("t2",))
async def tunnel_not_running(cloud: Cloud) -> None:
    await _gateway(cloud)
    await _tunnel(cloud, 200)
    os.environ["TUNNEL_METRICS"] = f"127.0.0.1:{closed_port()}"
    cloud.variables["PUBLIC_BASE_URL"] = "https://bot.example.ma"


@scenario("tunnel.origin-down", on=("t2",))
async def tunnel_to_nothing(cloud: Cloud) -> None:
    await _tunnel(cloud, 200)


@scenario("tunnel.ephemeral", on=("t2",))
async def tunnel_with_another_name(cloud: Cloud) -> None:
    await _gateway(cloud)
    await _tunnel(cloud, 200, "brave-new-name.trycloudflare.com")
    cloud.variables["PUBLIC_BASE_URL"] = "https://old-name.trycloudflare.com"


@scenario(on=("t2",))
async def tunnel_that_stands(cloud: Cloud) -> None:
    port = await _gateway(cloud)
    await _tunnel(cloud, 200)
    cloud.variables |= {"PUBLIC_BASE_URL": f"http://127.0.0.1:{port}", "META_VERIFY_TOKEN": "a-token"}


@scenario("net.dns", on=("t2",))
async def tunnel_whose_name_was_never_routed(cloud: Cloud) -> None:
    await _gateway(cloud)
    await _tunnel(cloud, 200)
    cloud.variables |= {"PUBLIC_BASE_URL": "https://bot.shop.invalid", "META_VERIFY_TOKEN": "a-token"}


@scenario("tunnel.down", on=("t2",), kind="no-answer")
async def tunnel_that_hangs(cloud: Cloud) -> None:
    await _tunnel(cloud, 200)
    os.environ["TUNNEL_METRICS"] = f"127.0.0.1:{await cloud.stack.enter_async_context(talking(mute))}"


@scenario("webhook.bad-hmac", on=("t2",), kind="verify-token")
async def gateway_with_another_verify_token(cloud: Cloud) -> None:
    await _gateway(cloud, subscription=403)
    cloud.variables["META_VERIFY_TOKEN"] = "a-token"
    cloud.variables["META_APP_SECRET"] = "a-secret"


@scenario("tunnel.origin-down", on=("t2",), kind="not-ours")
async def tunnel_to_another_program(cloud: Cloud) -> None:
    await _gateway(cloud)
    await _tunnel(cloud, 200)
    cloud.variables["PUBLIC_BASE_URL"] = await cloud.serve(answers(502))
    cloud.variables["META_VERIFY_TOKEN"] = "a-token"


@scenario("sec.console-public", on=("local",))
async def prometheus_for_everybody_by_ipv6(cloud: Cloud) -> None:
    await cloud.console(answers(200, "Prometheus Server is Healthy."), "::", range(9090, 9100))


@scenario("sec.console-public", on=("local",))
async def grafana_for_everybody(cloud: Cloud) -> None:
    await cloud.console(answers(200, {"database": "ok"}), "0.0.0.0", range(3001, 3011))  # noqa: S104 - the fault


# --- security and cost ------------------------------------------------------------------------------------------------


@scenario("sec.open-world")
async def rule_for_everybody(cloud: Cloud) -> None:
    allow_port(cloud.moto, cloud.account, 5432, "0.0.0.0/0")


@scenario("sec.open-world", on=("t2",))
async def public_bucket(cloud: Cloud) -> None:
    arn = f"arn:aws:s3:::{cloud.account.bucket}/*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.moto.client("s3").put_bucket_policy(Bucket=cloud.account.bucket, Policy=policy)


@scenario("sec.unencrypted")
async def storage_not_encrypted(cloud: Cloud) -> None:
    rds = cloud.moto.client("rds")
    rds.delete_db_instance(DBInstanceIdentifier=cloud.account.instance, SkipFinalSnapshot=True)
    rds.create_db_instance(
        DBInstanceIdentifier=cloud.account.instance,
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="salambot",
        MasterUserPassword="unused-here",
        VpcSecurityGroupIds=[cloud.account.group],
        PubliclyAccessible=True,
    )


@scenario("sec.cloudtrail-off", on=("t2",))
async def no_trail(cloud: Cloud) -> None:
    cloud.moto.client("cloudtrail").delete_trail(Name=cloud.account.trail)


@scenario("sec.cloudtrail-off", on=("t2",))
async def trail_that_records_nothing(cloud: Cloud) -> None:
    cloud.moto.client("cloudtrail").stop_logging(Name=cloud.account.trail)


@scenario("sec.weak-credentials", kind="clear", on=("t3",))
async def secrets_in_clear_beside_the_vault(cloud: Cloud) -> None:
    (cloud.root / ".env").write_text(f"META_APP_SECRET={CANARY}\n")


@scenario(on=("t2",), warns="sec.weak-credentials")
async def caller_who_may_do_everything(cloud: Cloud) -> None:
    _user(cloud, ("*", "*"))


@scenario("sec.pii-telemetry", on=("local",))
async def phone_number_in_a_log(cloud: Cloud) -> None:
    logs = cloud.root / ".salambot" / "logs"
    logs.mkdir(parents=True)
    (logs / "gateway.log").write_text('2026-01-01T00:00:00Z {"event":"reply","customer":"+212 6 12 34 56 78"}\n')


@scenario(warns="cost.idle")
async def oversized_instance(cloud: Cloud) -> None:
    rds = cloud.moto.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=cloud.account.instance, DBInstanceClass="db.r6g.4xlarge")


# --- several at once --------------------------------------------------------------------------------------------------


@scenario("rds.sg-missing-my-ip", "redis.auth")
async def group_and_token(cloud: Cloud) -> None:
    await sg_without_my_ip(cloud)
    await redis_wrong_password(cloud)


@scenario("rds.bad-password", "otlp.unauthorized", "vector.bad-key")
async def three_credentials(cloud: Cloud) -> None:
    await wrong_password(cloud)
    await otlp_token(cloud)
    await pinecone_key(cloud)


@scenario("aws.no-credentials", "redis.tls-mismatch")
async def no_credentials_and_plain_redis(cloud: Cloud) -> None:
    await no_credentials(cloud)
    await redis_server_without_tls(cloud)


@scenario("net.dns")
async def every_database_name_unknown(cloud: Cloud) -> None:
    cloud.postgres_at(5432, host="db.salambot.invalid")
    cloud.redis_at(6379, host="cache.salambot.invalid")


@scenario("rds.stopped", "sec.open-world")
async def stopped_and_open(cloud: Cloud) -> None:
    await rds_stopped(cloud)
    await rule_for_everybody(cloud)


@scenario("s3.policy-deny", "sec.cloudtrail-off", on=("t2",))
async def policy_and_no_trail(cloud: Cloud) -> None:
    await no_trail(cloud)
    await bucket_policy_denies(cloud)


@scenario("secret.unavailable", on=("t1", "t3"))
async def everything_waits_for_the_secret(cloud: Cloud) -> None:
    await secret_to_be_deleted(cloud)
