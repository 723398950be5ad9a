"""The offline cloud: a healthy environment of each topology from real servers, and what it takes to break it."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import trustme
from aiohttp import ClientSession, web
from botocore.config import Config

from salambot_cli.config.load import load_environment
from salambot_cli.model.environment import Environment
from tests.doctor.wires import LOOPBACK, answers, application, closed_port, forwards, http, talking
from tests.fakes.pinecone_server import PineconeServer
from tests.servers import PostgresServer, ValkeyServer

REGION = "eu-west-1"
MY_IP = "203.0.113.7"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
Change = Callable[[web.Request, web.Response], Awaitable[web.Response]]
CANARY = "canary-5f1d0c-secret"
"""Stands in every secret of a healthy environment; must stand in no output."""


class Moto:
    """AWS as moto's server plays it, a process of its own."""

    def __init__(self) -> None:
        self.port = closed_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        command = [str(Path(sys.executable).with_name("moto_server")), "-H", LOOPBACK, "-p", str(self.port)]
        environ = {**os.environ, "AWS_DEFAULT_REGION": REGION}
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ)
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection((LOOPBACK, self.port), 1).close()
            except OSError:
                assert self._process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)

    def reset(self) -> None:
        """Forget every resource, and who may do what."""
        self.post("/moto-api/reset-auth", b"1000000000")
        self.post("/moto-api/reset")

    def demand_credentials(self) -> None:
        """From now on, IAM decides."""
        self.post("/moto-api/reset-auth", b"0")

    def post(self, path: str, body: bytes = b"") -> None:
        """Call moto's own API."""
        headers = {"Content-Type": "text/plain"}
        httpx.post(f"{self.url}{path}", content=body, headers=headers, timeout=10).raise_for_status()

    def client(self, service: str, region: str = REGION) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client of the world's owner."""
        return _client(self.url, service, region)


@cache
def _client(url: str, service: str, region: str) -> Any:  # noqa: ANN401 - a client of any service
    owner = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}
    config = Config(retries={"total_max_attempts": 1})
    return boto3.Session().client(service, region_name=region, endpoint_url=url, config=config, **owner)


@dataclass
class Account:
    """The healthy account: names of what stands in it."""

    vpc: str
    subnet: str
    group: str
    route_table: str
    acl: str
    bucket: str = "salambot-kb"
    instance: str = "salambot-demo"
    trail: str = "salambot-trail"
    secret: str = "salambot/demo"


def furnish(moto: Moto, *, database: bool = True, cache_cluster: bool = True) -> Account:
    """Make a healthy account: VPC with a way in, RDS, ElastiCache, bucket with a document, trail."""
    ec2, rds, s3 = moto.client("ec2"), moto.client("rds"), moto.client("s3")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    table = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    acl = ec2.describe_network_acls(Filters=filters)["NetworkAcls"][0]["NetworkAclId"]
    group = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
    if database:
        rds.create_db_subnet_group(DBSubnetGroupName="db", DBSubnetGroupDescription="db", SubnetIds=[subnet])
        rds.create_db_instance(
            DBInstanceIdentifier="salambot-demo",
            Engine="postgres",
            DBInstanceClass="db.t4g.micro",
            AllocatedStorage=20,
            MasterUsername="salambot",
            MasterUserPassword="unused-here",
            VpcSecurityGroupIds=[group],
            DBSubnetGroupName="db",
            PubliclyAccessible=True,
            StorageEncrypted=True,
            StorageType="gp3",
        )
    if cache_cluster:
        moto.client("elasticache").create_replication_group(
            ReplicationGroupId="salambot-cache",
            ReplicationGroupDescription="cache",
            Engine="redis",
            CacheNodeType="cache.t4g.micro",
            AtRestEncryptionEnabled=True,
            TransitEncryptionEnabled=True,
        )
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="salambot-kb", CreateBucketConfiguration=where)
    s3.put_object(Bucket="salambot-kb", Key="demo/faq.md", Body=b"# Livraison")
    s3.create_bucket(Bucket="salambot-audit", CreateBucketConfiguration=where)
    trail = moto.client("cloudtrail")
    trail.create_trail(Name="salambot-trail", S3BucketName="salambot-audit")
    trail.start_logging(Name="salambot-trail")
    return Account(vpc, subnet, group, table, acl)


def allow_port(moto: Moto, account: Account, port: int, cidr: str = f"{MY_IP}/32") -> None:
    """Let an address in on a port."""
    ranges = [{"CidrIp": cidr}]
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": ranges}
    moto.client("ec2").authorize_security_group_ingress(GroupId=account.group, IpPermissions=[permission])


CA_FILE = "ca.pem"
"""The CA's certificate, in the environment's folder."""


@cache
def authority() -> trustme.CA:
    """The CA of the offline cloud."""
    return trustme.CA()


def server_tls(
    *names: str, ca: trustme.CA | None = None, start: datetime | None = None, end: datetime | None = None
) -> ssl.SSLContext:
    """Return a server's TLS settings with a certificate for these names."""
    issuer = ca or authority()
    certificate = issuer.issue_cert(*(names or ("localhost",)), not_before=start, not_after=end)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def yesterday() -> datetime:
    """A day ago."""
    return datetime.now(UTC) - timedelta(days=1)


@dataclass
class Parts:
    """The real servers behind the offline cloud, one set for each worker."""

    postgres: PostgresServer
    valkey: ValkeyServer
    moto: Moto
    folder: Path


@dataclass
class Cloud:
    """One environment, healthy until a scenario breaks it."""

    parts: Parts
    account: Account
    root: Path
    topology: tuple[str, ...]
    stack: AsyncExitStack
    variables: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    """Lines of salambot.toml before its tables."""
    tables: list[str] = field(default_factory=list)
    pinecone: PineconeServer = field(default_factory=PineconeServer)
    my_ip: tuple[str, ...] = (MY_IP,)
    consoles: set[int] = field(default_factory=set)
    """Where this scenario opens a console: one on another port is this machine's, and no finding of the scenario."""

    @property
    def moto(self) -> Moto:
        """AWS."""
        return self.parts.moto

    def load(self) -> Environment:
        """Write `salambot.toml` and load it as the command does."""
        lines = [f"topology = {list(self.topology)}".replace("'", '"')]
        lines += [f"{name} = {value}" for name, value in self.settings.items()]
        (self.root / "salambot.toml").write_text("\n".join([*lines, *self.tables]) + "\n")
        return load_environment(self.root, environ=self.variables)

    async def postgres_behind(self, tls: ssl.SSLContext, *, asleep: int = 0) -> int:
        """Put TLS before the real Postgres; return the port."""
        talk = forwards(self.parts.postgres.port, tls, postgres=True, asleep=asleep)
        return await self.stack.enter_async_context(talking(talk))

    async def redis_behind(self, tls: ssl.SSLContext) -> int:
        """Put TLS before the real Valkey; return the port."""
        return await self.stack.enter_async_context(talking(forwards(self.parts.valkey.port), tls))

    def postgres_at(self, port: int, *, host: str = "localhost", user: str = "salambot", query: str | None = None,
                    password: str | None = None, database: str = "postgres") -> None:  # fmt: skip
        """Point POSTGRES_URL somewhere."""
        secret = password if password is not None else self.parts.postgres.password
        options = query if query is not None else f"sslmode=verify-full&sslrootcert={self.root / CA_FILE}"
        self.variables["POSTGRES_URL"] = f"postgresql://{user}:{secret}@{host}:{port}/{database}?{options}"

    def redis_at(
        self, port: int, *, host: str = "localhost", scheme: str = "rediss", password: str | None = None
    ) -> None:
        """Point REDIS_URL somewhere."""
        secret = password if password is not None else self.parts.valkey.password
        self.variables["REDIS_URL"] = f"{scheme}://:{secret}@{host}:{port}/0"

    async def over_moto(self, change: Change) -> str:
        """Stand before moto and change its answers; return the base URL."""

        async def handle(request: web.Request) -> web.Response:
            headers = dict(request.headers)  # with its Host: the signature covers it
            url, body = f"{self.moto.url}{request.path_qs}", await request.read()
            async with (
                ClientSession(auto_decompress=False) as session,
                session.request(request.method, url, data=body, headers=headers) as answer,
            ):
                kept = {k: v for k, v in answer.headers.items() if k.lower().startswith(("x-amz", "content-type"))}
                return await change(request, web.Response(status=answer.status, body=await answer.read(), headers=kept))

        return await self.serve(handle)

    async def console(self, handler: Any, host: str, ports: Iterable[int]) -> None:  # noqa: ANN401 - any aiohttp handler
        """Serve HTTP on every interface, on the first of these ports that nobody has."""
        for port in ports:
            with suppress(OSError):
                self.consoles.add(await self.stack.enter_async_context(http(handler, port, host)))
                return
        pytest.skip("every port of a console is taken on this machine")

    async def serve(self, handler: Any) -> str:  # noqa: ANN401 - any aiohttp handler
        """Serve HTTP; return the base URL."""
        return f"http://{LOOPBACK}:{await self.stack.enter_async_context(http(handler))}"


@asynccontextmanager
async def healthy(
    parts: Parts, root: Path, *topology: str, make: Callable[[Moto], Account] = furnish
) -> AsyncIterator[Cloud]:
    """Yield an environment in which all is well, in an account that `make` furnishes."""
    parts.moto.reset()
    async with AsyncExitStack() as stack:
        aws = bool({"t1", "t2", "t3"} & set(topology))
        account = make(parts.moto) if aws else Account("", "", "", "", "")
        cloud = Cloud(parts, account, root, topology, stack)
        cloud.variables["PATH"] = os.environ["PATH"]
        cloud.settings["allow_insecure"] = '["vector", "objects", "secrets", "telemetry", "llm"]'
        cloud.tables.append('[placement]\ntunnel = "none"' if topology != ("local",) else "")
        cloud.tables.append(
            "[ports]\n" + "\n".join(f"{s} = {closed_port()}" for s in ("gateway", "orchestrateur", "nlu", "rag"))
        )
        authority().cert_pem.write_to_path(root / CA_FILE)
        cloud.tables.append(f'[redis]\nca = "{root / CA_FILE}"')
        if aws:
            cloud.variables |= {
                **KEYS,
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL": parts.moto.url,
                "S3_BUCKET": account.bucket,
            }
        if "t1" in topology:
            await _databases(cloud)
            await _pinecone(cloud)
        if "t1" in topology or "t2" in topology:
            await _telemetry(cloud)
        if aws:
            await _model(cloud)
        if "t3" in topology:
            _secrets(cloud)
        yield cloud


async def _databases(cloud: Cloud) -> None:
    port = await cloud.postgres_behind(server_tls())
    cloud.postgres_at(port)
    allow_port(cloud.moto, cloud.account, port)
    cloud.redis_at(await cloud.redis_behind(server_tls()))


async def _pinecone(cloud: Cloud) -> None:
    port = await cloud.stack.enter_async_context(application(cloud.pinecone.app()))
    cloud.variables |= {
        "PINECONE_CONTROLLER_HOST": f"http://{LOOPBACK}:{port}",
        "PINECONE_API_KEY": f"pcsk_{CANARY}",
        "PINECONE_INDEX": "salambot-kb",
    }


async def _telemetry(cloud: Cloud) -> None:
    cloud.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"{await cloud.serve(answers(200))}/otlp"
    cloud.variables["OTEL_EXPORTER_OTLP_HEADERS"] = f"Authorization=Basic%20{CANARY}"


async def _model(cloud: Cloud) -> None:
    async def handle(request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        if request.path.endswith("/embeddings"):
            return web.json_response({"data": [{"embedding": [0.1] * int(body.get("dimensions", 1536))}]})
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": "1"}}], "data": []})

    cloud.variables["OPENAI_BASE_URL"] = f"{await cloud.serve(handle)}/v1"
    cloud.variables["OPENAI_API_KEY"] = f"sk-{CANARY}"


def _secrets(cloud: Cloud) -> None:
    """Move every secret variable into one JSON secret."""
    import json

    names = ("POSTGRES_URL", "REDIS_URL", "PINECONE_API_KEY", "OPENAI_API_KEY", "OTEL_EXPORTER_OTLP_HEADERS")
    values = {name: cloud.variables.pop(name) for name in names if name in cloud.variables}
    client = cloud.moto.client("secretsmanager")
    client.create_secret(Name=cloud.account.secret, SecretString=json.dumps(values))
    cloud.tables.append(f'[aws]\nsecret = "{cloud.account.secret}"')


@contextmanager
def running(folder: Path) -> Iterator[Parts]:
    """Start the real servers that need a process; stop them at the end."""
    folder.chmod(0o755)
    homes = [folder / name for name in ("pg", "valkey")]
    for home in homes:
        home.mkdir()
    parts = Parts(PostgresServer(homes[0]), ValkeyServer(homes[1]), Moto(), folder)
    try:
        parts.moto.start()
        parts.postgres.start()
        parts.valkey.start()
        yield parts
    finally:
        parts.valkey.kill()
        parts.postgres.stop()
        parts.moto.stop()
