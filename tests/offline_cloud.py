"""A cloud on this machine, outside any Compose project: what `examples/offline-cloud` and the end-to-end tests use.

TLS-only Postgres and Redis with a CA of their own, S3, Secrets Manager, EC2 and RDS (moto), Pinecone, an OTLP
collector, an OpenAI-compatible model. Everything listens on one address that containers and this machine reach.
"""

import asyncio
import json
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import trustme
from aiohttp import web
from moto.server import ThreadedMotoServer

from tests.fakes.openai_server import OpenAiServer
from tests.fakes.otlp_receiver import OtlpReceiver
from tests.fakes.pinecone_server import PineconeServer
from tests.fakes.session_manager_plugin import install
from tests.fakes.ssm_server import SsmServer
from tests.fakes.tls_front import TlsFront
from tests.servers import PostgresServer, ValkeyServer

REGION = "eu-west-1"
BUCKET = "salambot-kb"
SECRET = "salambot/demo"
DATABASE_NAME = "db.vpc.salambot.internal"
CACHE_NAME = "cache.vpc.salambot.internal"
SECRET_NAMES = ("POSTGRES_URL", "REDIS_URL", "PINECONE_API_KEY", "OPENAI_API_KEY")


@dataclass
class OfflineCloud:
    """Everything that runs, and what an environment needs to know of it."""

    address: str
    ca: Path
    variables: dict[str, str]
    credentials: dict[str, str]
    pinecone: PineconeServer
    openai: OpenAiServer
    collector: OtlpReceiver
    postgres: TlsFront
    redis: TlsFront
    ssm: SsmServer
    instance: str
    """The id of the EC2 instance that leads to the names of the VPC."""

    async def cut(self) -> None:
        """Lose the network to the database and the cache."""
        await self.postgres.cut()
        await self.redis.cut()

    async def mend(self) -> None:
        """Find it again."""
        await self.postgres.mend()
        await self.redis.mend()

    def write_project(self, folder: Path, topology: list[str], *, jump: bool = False) -> None:
        """Write `salambot.toml`, `.env` and the CA of a project that uses this cloud.

        With t3 the secrets are in Secrets Manager alone, and the AWS credentials in neither file. With `jump` the
        database and the cache have names that only their VPC knows; the plugin that leads there is in `bin/`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.ca, folder / "cloud-ca.pem")
        line = f'jump = "{self.instance}"' if jump else ""
        toml = _TOML.format(topology=json.dumps(topology), region=REGION, secret=SECRET, jump=line)
        (folder / "salambot.toml").write_text(toml)
        hidden = (*SECRET_NAMES, *self.credentials) if "t3" in topology else ()
        variables = self.variables | (self._into_vpc(folder) if jump else {})
        lines = [f'{name}="{value}"\n' for name, value in variables.items() if name not in hidden]
        env = folder / ".env"
        env.touch(mode=0o600)
        env.write_text("".join(lines))

    def _into_vpc(self, folder: Path) -> dict[str, str]:
        here = {name: urlsplit(self.variables[name]) for name in ("POSTGRES_URL", "REDIS_URL")}
        inside = {"POSTGRES_URL": f"{DATABASE_NAME}:5432", "REDIS_URL": f"{CACHE_NAME}:6379"}
        install(folder / "bin", {inside[name]: f"{url.hostname}:{url.port}" for name, url in here.items()})
        return {
            name: url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@{inside[name]}").geturl()
            for name, url in here.items()
        }


_TOML = """topology = {topology}
allow_insecure = ["vector", "objects", "secrets", "telemetry", "llm"]   # the stand-ins speak plain HTTP

[placement]
tunnel = "none"

[postgres]
ca = "cloud-ca.pem"

[redis]
ca = "cloud-ca.pem"

[aws]
region = "{region}"
secret = "{secret}"
{jump}
"""


def reachable_address() -> str:
    """Return an address that containers reach too: Docker's own bridge, or loopback where there is no Docker."""
    if shutil.which("docker") is None:
        return "127.0.0.1"
    command = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return answer.stdout.strip() if answer.returncode == 0 and answer.stdout.strip() else "127.0.0.1"


@asynccontextmanager
async def offline_cloud(address: str) -> AsyncIterator[OfflineCloud]:
    """Start the cloud; everything ends with the block."""
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="salambot-cloud-"))
        await asyncio.to_thread(folder.chmod, 0o755)  # Postgres runs as another user
        stack.callback(shutil.rmtree, folder)
        authority = trustme.CA(organization_name="SalamBot offline cloud")
        ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(ca))
        postgres, database = await _database(stack, folder, authority, address)
        redis, cache = await _cache(stack, folder, authority, address)
        pinecone, openai, collector = PineconeServer(region=REGION), OpenAiServer(), OtlpReceiver()
        ssm = SsmServer()
        variables = {
            "POSTGRES_URL": database,
            "REDIS_URL": cache,
            "PINECONE_API_KEY": "pcsk_offline_cloud",
            "PINECONE_INDEX": pinecone.index,
            "PINECONE_CONTROLLER_HOST": await _serve(stack, pinecone.app(), address),
            "OPENAI_API_KEY": "sk-offline-cloud",
            "OPENAI_BASE_URL": await _serve(stack, openai.app(), address) + "/v1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": await _serve(stack, collector.app(), address),
            "AWS_ENDPOINT_URL_SSM": await _serve(stack, ssm.app(), address),
            "AWS_REGION": REGION,
            "S3_BUCKET": BUCKET,
        }
        credentials = {"AWS_ACCESS_KEY_ID": "offline", "AWS_SECRET_ACCESS_KEY": "offline-cloud-secret"}
        endpoint, instance = await asyncio.to_thread(_aws, stack, address, credentials, variables)
        variables["AWS_ENDPOINT_URL"] = endpoint
        variables |= credentials
        yield OfflineCloud(
            address, ca, variables, credentials, pinecone, openai, collector, postgres, redis, ssm, instance
        )


async def _database(stack: AsyncExitStack, folder: Path, authority: trustme.CA, address: str) -> tuple[TlsFront, str]:
    home = folder / "postgres"
    home.mkdir()
    server = PostgresServer(home)
    server.start()
    stack.callback(server.stop)
    server.run("CREATE DATABASE salambot")
    front = TlsFront(server.port, _context(authority, address), "postgres")
    port = await front.start(address)
    stack.push_async_callback(front.cut)
    return front, f"postgres://salambot:{server.password}@{address}:{port}/salambot?sslmode=verify-full"


async def _cache(stack: AsyncExitStack, folder: Path, authority: trustme.CA, address: str) -> tuple[TlsFront, str]:
    home = folder / "redis"
    home.mkdir()
    server = ValkeyServer(home)
    server.start()
    stack.callback(server.kill)
    front = TlsFront(server.port, _context(authority, address), "redis")
    port = await front.start(address)
    stack.push_async_callback(front.cut)
    return front, f"rediss://:{server.password}@{address}:{port}/0"


def _context(authority: trustme.CA, address: str) -> ssl.SSLContext:

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(address, DATABASE_NAME, CACHE_NAME).configure_cert(context)
    return context


async def _serve(stack: AsyncExitStack, app: web.Application, address: str) -> str:
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, address, 0)
    await site.start()
    return f"http://{address}:{runner.addresses[0][1]}"


def _aws(
    stack: AsyncExitStack, address: str, credentials: dict[str, str], variables: dict[str, str]
) -> tuple[str, str]:
    """Return the endpoint, and the id of the instance inside the VPC."""
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    stack.callback(server.stop)
    port = server.get_host_and_port()[1]
    endpoint = f"http://{address}:{port}"
    reset = HTTPConnection(address, port, timeout=10)  # its state is the process's: an earlier cloud may have left some
    reset.request("POST", "/moto-api/reset")
    reset.getresponse().read()
    reset.close()

    def client(name: Any) -> Any:  # noqa: ANN401 - one of many clients
        return boto3.client(
            name,
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        )

    client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    secrets = {name: variables[name] for name in SECRET_NAMES}
    client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(secrets))
    trail = client("cloudtrail")
    trail.create_trail(Name="salambot", S3BucketName=BUCKET)
    trail.start_logging(Name="salambot")
    client("rds").create_db_instance(
        DBInstanceIdentifier="salambot",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="salambot",
        MasterUserPassword="offline-cloud",
        StorageEncrypted=True,
    )
    made = client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    return endpoint, made["Instances"][0]["InstanceId"]
