"""A gateway that receives, before a real Postgres and Valkey; workers as processes of their own; a Graph to send to."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from salambot.gateway.app import create_app
from salambot.gateway.settings import GatewaySettings
from tests import events
from tests.fakes.graph_server import TOKENS, Graph
from tests.fakes.peers import Peers
from tests.fakes.telegram_server import TOKEN as TELEGRAM_TOKEN
from tests.fakes.telegram_server import Telegram
from tests.servers import PostgresServer, ValkeyServer, free_port, serving, wait_until_it_answers

INTERNAL_TOKEN = "internal-canary"
ALL_DONE = "SELECT count(*) > 0 AND bool_and(state = 'done') FROM inbox"
FAILED = "SELECT count(*) > 0 AND bool_and(state = 'failed') FROM inbox"


@dataclass
class Shop:
    """One environment: what receives, what is behind it, what was stored."""

    client: httpx.Client
    peers: Peers
    graph: Graph
    telegram: Telegram
    database_url: str
    environ: dict[str, str]

    def post(self, channel: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """Deliver a webhook, signed as it should be unless `headers` say otherwise."""
        sign = {"generic": events.by_standard, "telegram": events.by_telegram}.get(channel, events.by_meta)
        return self.client.post(f"/v1/webhooks/{channel}", content=body, headers=headers or sign(body))

    async def rows(self, query: str = "SELECT * FROM inbox ORDER BY number") -> list[dict[str, Any]]:
        """Return what a superuser sees in the database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def until(self, query: str, seconds: float = 90) -> None:
        """Wait until a query answers true."""
        deadline = time.monotonic() + seconds
        connection = await asyncpg.connect(self.database_url)
        try:
            while not await connection.fetchval(query):
                assert time.monotonic() < deadline, await connection.fetch(
                    "SELECT message_id, state, outcome FROM inbox"
                )
                await connection.fetchval("SELECT pg_sleep(0.05)")
        finally:
            await connection.close()

    def metric(self, line: str) -> float:
        """Return the value of one metric of the gateway."""
        for found in self.client.get("/metrics").text.splitlines():
            if found.startswith(f"{line} "):
                return float(found.rpartition(" ")[2])
        return 0.0


@dataclass(frozen=True)
class World:
    """What the shops of this test process share; each test finds it empty."""

    settings: dict[str, object]
    peers: Peers
    graph: Graph
    telegram: Telegram
    environ: dict[str, str]
    usual_url: str


@pytest.fixture(scope="session")
def _world(
    postgres_server: PostgresServer,
    _migrated: str,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    postgres_server.run(f"CREATE DATABASE channels TEMPLATE {_migrated}")
    database_url, peers, graph, telegram = postgres_server.url("channels"), Peers(), Graph(), Telegram()
    jwks = tmp_path_factory.mktemp("channels") / "jwks.json"
    jwks.write_text('{"keys": []}')
    with serving(peers.app) as behind, serving(graph.app) as sending, serving(telegram.app) as bots:
        settings: dict[str, object] = {
            "internal_token": INTERNAL_TOKEN,
            "user_hash_key": "user-hash-canary",
            "redis_url": valkey_server.url(),
            "postgres_url": database_url,
            "orchestrateur_url": behind,
            "rag_url": behind,
            "jwt_jwks": str(jwks),
            "meta_app_secret": events.APP_SECRET,
            "meta_verify_token": "verify-canary",
            "webhook_secret": events.WEBHOOK_SECRET,
            "channel_values": {"TELEGRAM_WEBHOOK_SECRET": events.TELEGRAM_SECRET},
        }
        environ = {
            "PYTHONPATH": ":".join(sys.path),
            "INTERNAL_TOKEN": INTERNAL_TOKEN,
            "POSTGRES_URL": database_url,
            "REDIS_URL": valkey_server.url(),
            "ORCHESTRATEUR_URL": behind,
            "GRAPH_BASE_URL": sending,
            "META_PAGE_TOKEN": TOKENS["messenger"],
            "WHATSAPP_TOKEN": TOKENS["whatsapp"],
            "TELEGRAM_BASE_URL": bots,
            "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN,
            "SEND_TIMEOUT_S": "1",
        }
        with serving(create_app(GatewaySettings.model_validate(settings))) as url:
            yield World(settings, peers, graph, telegram, environ, url)


@pytest.fixture
def _empty(_world: World, postgres_server: PostgresServer, redis_url: str) -> Iterator[World]:
    del redis_url
    postgres_server.run("TRUNCATE inbox, outbox, conversations, turns, identities, writing_reminders", "channels")
    _world.peers.reset()
    _world.graph.reset()
    _world.telegram.reset()
    yield _world
    _world.peers.go_on.set()
    _world.graph.go_on.set()


StartShop = Callable[..., Shop]


@pytest.fixture
def start_shop(_empty: World) -> Iterator[StartShop]:
    """Return a function that starts a gateway whose settings differ like this."""
    with ExitStack() as stack:

        def start(**changes: object) -> Shop:
            app = create_app(GatewaySettings.model_validate({**_empty.settings, **changes}))
            return _shop(_empty, stack, stack.enter_context(serving(app)))

        yield start


@pytest.fixture
def shop(_empty: World) -> Iterator[Shop]:
    """Return an environment as it usually is, with nothing in it."""
    with ExitStack() as stack:
        yield _shop(_empty, stack, _empty.usual_url)


def _shop(world: World, stack: ExitStack, url: str) -> Shop:
    client = stack.enter_context(httpx.Client(base_url=url, timeout=60, verify=False, trust_env=False))  # noqa: S501 - it is plain HTTP
    return Shop(client, world.peers, world.graph, world.telegram, str(world.settings["postgres_url"]), world.environ)


@dataclass
class WorkerProcess:
    """`python -m salambot.worker`, running."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(timeout=60)

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    async def until_it_says(self, event: str, seconds: float = 90) -> None:
        """Wait for a line of its log."""
        deadline = time.monotonic() + seconds
        while not any(str(line.get("event", "")).startswith(event) for line in self.lines()):
            assert time.monotonic() < deadline, self.log.read_text()
            await asyncio.sleep(0.05)

    def lines(self) -> list[dict[str, Any]]:
        """Return what it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def _usual_worker(_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    with _running(_world.environ, tmp_path_factory.mktemp("worker") / "worker.log") as worker:
        yield worker


@pytest.fixture
def worker(_usual_worker: WorkerProcess, _empty: World) -> WorkerProcess:
    """Return a worker as it usually runs; the tests of a module share it."""
    del _empty
    return _usual_worker


StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Return a function that starts a worker of a shop; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def start(shop: Shop, **environ: str) -> WorkerProcess:
            number = len(list(tmp_path.glob("worker-*.log")))
            return stack.enter_context(_running(shop.environ | environ, tmp_path / f"worker-{number}.log"))

        yield start


@contextmanager
def _running(environ: dict[str, str], log: Path) -> Iterator[WorkerProcess]:
    port = free_port()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "salambot.worker", "--port", str(port)],
            env=os.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    worker = WorkerProcess(process, f"http://127.0.0.1:{port}", log)
    try:
        wait_until_it_answers(process, worker.url)
        yield worker
    finally:
        worker.kill()
