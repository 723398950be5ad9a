"""Webhooks while all around them is killed: what is accepted is answered, in order, once where the channel allows.

`python -m bench.chaos [MESSAGES]`.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import aiohttp
import asyncpg

from bench.chain import await_answer
from bench.table import Row, markdown
from salambot.jobs.migrate import migrate
from tests.events import by_meta, messenger, messenger_message
from tests.fakes.graph_server import TOKENS, Fault, Graph
from tests.fakes.peers import Peers
from tests.servers import PostgresServer, ValkeyServer, free_port, serving

MESSAGES = 10_000
USERS = 200
WORKERS = 2
CONCURRENCY = 16
"""Conversations that one worker answers at once: its default."""
KILL_EVERY_S = 2.0
AWAY_S = 2.0
PATIENCE_S = 900.0
SECRET = "app_secret_demo"  # noqa: S105 - of the tests
_dice = random.SystemRandom()
FAULTS: tuple[Fault, ...] = ("busy", "fails", "hangs_after", "nonsense")


@dataclass
class Fire:
    """The processes that are killed and come back, and how often they were."""

    environ: dict[str, str]
    gateway_port: int
    log: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    kills: int = 0

    def start(self, name: str) -> None:
        """Start a gateway or a worker."""
        if name == "gateway":
            words = ["salambot.http.server", "gateway", "--port", str(self.gateway_port)]
        else:
            words = ["salambot.worker", "--port", str(free_port())]
        with self.log.open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", *words], env=os.environ | self.environ, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """End one as a crash would, and start it again."""
        self.running[name].kill()
        self.running[name].wait()
        self.kills += 1
        self.start(name)

    def stop(self) -> None:
        """End all."""
        for process in self.running.values():
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Stores:
    """What keeps the messages: killed and started again as well."""

    postgres: PostgresServer
    redis: ValkeyServer


async def deliver(url: str, messages: int) -> None:
    """Deliver every message until it is acknowledged, as Meta does; each user's one after the other."""
    numbers: dict[int, list[int]] = defaultdict(list)
    for number in range(messages):
        numbers[number % USERS].append(number)
    began = time.time()

    async def user(client: aiohttp.ClientSession, who: int) -> None:
        for number in numbers[who]:
            item = messenger_message(f"{number}", mid=f"m_{number}", sender=f"u{who}", at=began + number / 1000)
            body = messenger(item)
            while not await accepted(client, body):  # noqa: ASYNC110 - a sender that tries again
                await asyncio.sleep(_dice.uniform(0.1, 0.5))

    async def accepted(client: aiohttp.ClientSession, body: bytes) -> bool:
        try:
            async with client.post(url, data=body, headers=by_meta(body, SECRET)) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    timeout = aiohttp.ClientTimeout(10)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64), timeout=timeout) as client:
        await asyncio.gather(*(user(client, who) for who in range(USERS)))


async def burn(fire: Fire, graph: Graph, stores: Stores, done: asyncio.Event) -> None:
    """Kill something every now and then, and let the Graph API have its moods."""
    while not done.is_set():
        await asyncio.sleep(_dice.uniform(0.5, 2 * KILL_EVERY_S))
        graph.faults.append(_dice.choice(FAULTS))
        victim = _dice.choice([*fire.running, "redis", "postgres"])
        if victim in fire.running:
            fire.kill(victim)
        else:
            await _shake(stores, victim)
            fire.kills += 1


async def _shake(stores: Stores, victim: str) -> None:
    """Kill a store; it stays away for a moment. Half of the time Redis has lost everything."""
    store = stores.postgres if victim == "postgres" else stores.redis
    store.kill()
    await asyncio.sleep(_dice.uniform(0, AWAY_S))
    if victim == "redis" and _dice.random() < 0.5:
        stores.redis.forget()
    store.start()


async def pending(database_url: str) -> int:
    """Return how many messages are not answered yet."""
    connection = await asyncpg.connect(database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM inbox WHERE state <> 'done'"))
    finally:
        await connection.close()


async def run(messages: int, fire: Fire, graph: Graph, stores: Stores) -> None:
    """Deliver under fire, then wait until all is answered."""
    done = asyncio.Event()
    burning = asyncio.create_task(burn(fire, graph, stores, done))
    await deliver(f"http://127.0.0.1:{fire.gateway_port}/v1/webhooks/messenger", messages)
    done.set()
    await burning
    deadline = time.monotonic() + PATIENCE_S
    while await pending(stores.postgres.url()) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes work
        await asyncio.sleep(0.5)


def verdict(messages: int, graph: Graph, fire: Fire) -> list[Row]:
    """Return what holds: all answered, nothing out of order, no duplicate but the unavoidable."""
    texts: dict[str, list[int]] = defaultdict(list)
    for sent in graph.sent:
        texts[sent["to"]].append(int(sent["text"]))
    answered = {number for numbers in texts.values() for number in numbers}
    disorder = sum(one > other for numbers in texts.values() for one, other in pairwise(numbers))
    duplicates = len(graph.sent) - len(answered)
    # A worker that dies after a send was accepted cannot know it, nor can one whose answer never came.
    unavoidable = graph.unanswered + fire.kills * CONCURRENCY
    return [
        Row("accepted and answered", len(answered), messages, "", messages, "all", more_is_better=True),
        Row("answered out of order", disorder, None, "", 0, "none"),
        Row(
            "sent twice",
            duplicates,
            None,
            "",
            unavoidable,
            f"≤ {unavoidable}: under way in what was killed, or never answered",
        ),
        Row("killed meanwhile", fire.kills, None, "", float("inf"), ""),
    ]


def measure(messages: int = MESSAGES) -> list[Row]:
    """Build a stack of real stores, a gateway, two workers and the fakes, and set fire to it."""
    graph, peers = Graph(), Peers()
    peers.echo = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="salambot-chaos-")))
        folder.chmod(0o755)
        (home := folder / "postgres" / "home").mkdir(parents=True)
        (folder / "redis").mkdir()
        postgres, redis = PostgresServer(home), ValkeyServer(folder / "redis")
        for server in (postgres, redis):
            server.start()
        stack.callback(redis.kill)
        stack.callback(postgres.stop)
        asyncio.run(migrate(postgres.url()))
        behind, sending = stack.enter_context(serving(peers.app)), stack.enter_context(serving(graph.app))
        stack.callback(graph.go_on.set)
        (folder / "jwks.json").write_text(json.dumps({"keys": []}))
        environ = {
            "INTERNAL_TOKEN": "chaos", "POSTGRES_URL": postgres.url(), "REDIS_URL": redis.url(),
            "ORCHESTRATEUR_URL": behind, "RAG_URL": behind, "JWT_JWKS": str(folder / "jwks.json"),
            "META_APP_SECRET": SECRET, "META_PAGE_TOKEN": TOKENS["messenger"], "GRAPH_BASE_URL": sending,
            "SEND_TIMEOUT_S": "1", "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        fire = Fire(environ, free_port(), folder / "log")
        stack.callback(fire.stop)
        for name in ("gateway", *(f"worker {n}" for n in range(WORKERS))):
            fire.start(name)
        await_answer(f"http://127.0.0.1:{fire.gateway_port}/health")
        asyncio.run(run(messages, fire, graph, Stores(postgres, redis)))
        return verdict(messages, graph, fire)


if __name__ == "__main__":
    print(markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES)))
