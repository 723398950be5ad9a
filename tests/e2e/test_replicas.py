"""Several replicas of each service are one service, while they are asked at random, restarted and killed."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from salambot.jobs.migrate import migrate
from salambot.migrations import revisions
from tests import events
from tests.e2e.fleet import Fleet
from tests.fakes.graph_server import TOKENS, Graph
from tests.fakes.issuer import Issuer
from tests.fakes.peers import Peers
from tests.servers import PostgresServer, ValkeyServer, serving

pytestmark = [pytest.mark.nginx, pytest.mark.timeout(600), pytest.mark.xdist_group("replicas")]

GATEWAYS = ("gateway-1", "gateway-2", "gateway-3")
ORCHESTRATEURS = ("orchestrateur-1", "orchestrateur-2")
WORKERS = ("worker-1", "worker-2")
EVERY_REPLICA = (*GATEWAYS, *ORCHESTRATEURS, *WORKERS)
CLIENTS, USERS = 4, 8
PAUSE_S = 0.3
"""Nobody asks or writes again before having read what came."""
UNANSWERED = 5
"""Messages of one user; a slow machine gets no more than it answers."""
A_CLIENT_MAY = 40
"""Requests a minute: the load's clients are many, so that only who means to meets it."""
PATIENCE_S = 180
FIRST_KEYS, LATER_KEY = ("RS256", "ES256"), "EdDSA"


@dataclass(frozen=True)
class World:
    """The fleet, and what stands around it."""

    fleet: Fleet
    graph: Graph
    issuer: Issuer
    jwks: Path
    database_url: str
    numbers: "count[int]" = field(default_factory=count)

    def headers(self, client: str, key: str = FIRST_KEYS[-1]) -> dict[str, str]:
        """Return the headers of one client of the tenant, its token signed by this key."""
        return {"Authorization": f"Bearer {self.issuer.token(key, sub=client)}", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def world(
    postgres_server: PostgresServer, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Run all of it, on a schema one revision back."""
    folder = tmp_path_factory.mktemp("fleet")
    graph, peers, issuer = Graph(), Peers(), Issuer()
    peers.echo = True
    postgres_server.run("CREATE DATABASE fleet")
    database_url = postgres_server.url("fleet")
    asyncio.run(migrate(database_url, revisions()[-2]))
    jwks = folder / "jwks.json"
    jwks.write_text(issuer.jwks(*FIRST_KEYS))
    with serving(peers.app) as behind, serving(graph.app) as sending:
        environ = {
            "INTERNAL_TOKEN": "between-services", "POSTGRES_URL": database_url, "REDIS_URL": valkey_server.url(),
            "RAG_URL": behind, "NLU_URL": behind, "JWT_JWKS": str(jwks), "META_APP_SECRET": events.APP_SECRET,
            "META_PAGE_TOKEN": TOKENS["messenger"], "GRAPH_BASE_URL": sending, "SEND_TIMEOUT_S": "30",
            "RATE_LIMIT_GENERATE": "1000000/minute", "RATE_LIMIT_CLIENT": f"{A_CLIENT_MAY}/minute",
        }  # fmt: skip
        with Fleet(folder, EVERY_REPLICA, environ) as fleet:
            yield World(fleet, graph, issuer, jwks, database_url)


def body(number: int) -> bytes:
    """Return a request for a reply that only this number has."""
    return json.dumps(
        {
            "schema_version": "1.0",
            "tenant": "demo",
            "channel": "webchat",
            "message_id": f"msg_{number}",
            "correlation_id": f"corr_{number}",
            "timestamp": "2026-01-05T09:12:44.120Z",
            "locale": "fr-MA",
            "data": {"prompt": f"question {number}", "context": []},
        }
    ).encode()


@dataclass
class Load:
    """Clients that ask one question after the other, and users who write one message after the other."""

    world: World
    url: str
    statuses: Counter[int] = field(default_factory=Counter)
    unequal: list[str] = field(default_factory=list)
    delivered: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    over: bool = False

    async def ask(self, http: aiohttp.ClientSession) -> None:
        """Ask; while an answer with this key is being made elsewhere, wait as the 409 says."""
        while not self.over:
            number = next(self.world.numbers)
            headers = {**self.world.headers(f"client-{number}"), "Idempotency-Key": f"key-{number}"}
            while True:
                async with http.post(f"{self.url}/v1/generate/reply", data=body(number), headers=headers) as response:
                    answer = await response.json(content_type=None)
                    if response.status != 409:
                        break
                    await asyncio.sleep(float(response.headers["Retry-After"]))
            self.statuses[response.status] += 1
            if response.status != 200 or answer["data"]["reply"] != f"question {number}":
                self.unequal.append(f"{response.status} {answer}")
            await asyncio.sleep(PAUSE_S)

    async def write(self, http: aiohttp.ClientSession, user: str) -> None:
        """Write; each message is acknowledged before the next one is written."""
        while not self.over:
            if len(self.delivered[user]) - self._answered(user) >= UNANSWERED:
                await asyncio.sleep(PAUSE_S)
                continue
            number = next(self.world.numbers)
            message = events.messenger_message(f"message {number}", mid=f"m_{number}", sender=user, at=time.time())
            webhook = events.messenger(message)
            url = f"{self.url}/v1/webhooks/messenger"
            async with http.post(url, data=webhook, headers=events.by_meta(webhook)) as response:
                self.statuses[response.status] += 1
                if response.status != 200:
                    self.unequal.append(f"{response.status} {await response.text()}")
            self.delivered[user].append(f"message {number}")
            await asyncio.sleep(PAUSE_S)

    def _answered(self, user: str) -> int:
        return len({*self.sent_to(user)})

    def sent_to(self, user: str) -> list[str]:
        """Return what a user was sent, in order."""
        return [message["text"] for message in self.world.graph.sent if message["to"] == user]


@asynccontextmanager
async def load_on(world: World, url: str) -> AsyncIterator[Load]:
    """Put the load on until the block ends; then every message has been answered, or the test fails."""
    load = Load(world, url)
    run = f"{next(world.numbers)}"
    timeout = aiohttp.ClientTimeout(60)
    async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(load.ask(http))
        for user in range(USERS):
            group.create_task(load.write(http, f"user-{run}-{user}"))
        yield load
        load.over = True
    await until_all_are_answered(world.database_url)


async def until_all_are_answered(database_url: str) -> None:
    """Wait until nothing is pending."""
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while await connection.fetchval("SELECT count(*) FROM inbox WHERE state <> 'done'"):
                await connection.fetchval("SELECT pg_sleep(0.1)")
    finally:
        await connection.close()


def sent_to(load: Load) -> dict[str, list[str]]:
    """Return what each user of a load was sent, in its order."""
    return {user: load.sent_to(user) for user in load.delivered}


async def under_way(database_url: str) -> set[str]:
    """Return the texts whose sending was begun and is not noted as done."""
    connection = await asyncpg.connect(database_url)
    try:
        return {row["content"] for row in await connection.fetch("SELECT content FROM outbox WHERE state = 'sending'")}
    finally:
        await connection.close()


async def one_by_one(names: tuple[str, ...], disturb: Callable[[str], None]) -> None:
    """Disturb each replica, and wait until it is back."""
    for name in names:
        await asyncio.to_thread(disturb, name)


async def test_a_rolling_restart_with_a_migration_loses_and_doubles_nothing(world: World) -> None:
    async with load_on(world, world.fleet.strict("gateway")) as load:
        assert await migrate(world.database_url) == revisions()[-1]
        await one_by_one(EVERY_REPLICA, world.fleet.restart)
    assert load.unequal == []
    assert load.statuses[200] > 100
    assert sent_to(load) == load.delivered


async def test_replicas_that_are_killed_lose_nothing_and_repeat_only_what_they_were_just_sending(world: World) -> None:
    await migrate(world.database_url)  # where this test comes first
    repeatable: set[str] = set()
    async with load_on(world, world.fleet.repeating("gateway")) as load:
        await one_by_one((*GATEWAYS[:2], *ORCHESTRATEURS), world.fleet.kill)
        for name in WORKERS:
            killing = asyncio.create_task(asyncio.to_thread(world.fleet.kill, name))
            while not killing.done():
                repeatable |= await under_way(world.database_url)
    assert load.unequal == []
    received = sent_to(load)
    assert {user: list(dict.fromkeys(texts)) for user, texts in received.items()} == load.delivered
    twice = {text for texts in received.values() for text, times in Counter(texts).items() if times > 1}
    assert twice <= repeatable
    assert await turns_of_messages(world.database_url) == {2}


async def turns_of_messages(database_url: str) -> set[int]:
    """Return how many turns the conversations hold of a message of a channel: a question and an answer of each."""
    connection = await asyncpg.connect(database_url)
    query = "SELECT count(*) FROM turns WHERE channel = 'messenger' GROUP BY tenant, party, message_id"
    try:
        return {row[0] for row in await connection.fetch(query)}
    finally:
        await connection.close()


async def test_one_key_has_one_answer_whichever_gateway_is_asked(world: World) -> None:
    number = next(world.numbers)
    headers = {**world.headers("keyed"), "Idempotency-Key": f"key-{number}"}
    urls = [f"{world.fleet.url(name)}/v1/generate/reply" for name in GATEWAYS]

    async def ask(http: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
        async with http.post(url, data=body(number), headers=headers) as response:
            return response.status, await response.read()

    async with aiohttp.ClientSession() as http:
        at_once = await asyncio.gather(*(ask(http, url) for url in urls * 3))
        later = await asyncio.gather(*(ask(http, url) for url in urls))
    assert {status for status, _ in at_once} <= {200, 409}
    assert len({answer for status, answer in (*at_once, *later) if status == 200}) == 1
    assert {status for status, _ in later} == {200}


async def test_one_webhook_is_one_message_whichever_gateway_it_comes_to(world: World) -> None:
    number = next(world.numbers)
    webhook = events.messenger(events.messenger_message(f"once {number}", mid=f"m_{number}", sender="twice"))

    async def deliver(http: aiohttp.ClientSession, name: str) -> str:
        url = f"{world.fleet.url(name)}/v1/webhooks/messenger"
        async with http.post(url, data=webhook, headers=events.by_meta(webhook)) as response:
            return str((await response.json())["status"])

    async with aiohttp.ClientSession() as http:
        said = await asyncio.gather(*(deliver(http, name) for name in GATEWAYS * 3))
    assert Counter(said) == {"accepted": 1, "duplicate": 8}
    await until_all_are_answered(world.database_url)
    assert [sent["text"] for sent in world.graph.sent if sent["to"] == "twice"] == [f"once {number}"]


async def test_a_limit_counts_what_all_gateways_admit(world: World) -> None:
    headers = world.headers("greedy")

    async def ask(http: aiohttp.ClientSession, name: str) -> int:
        url = f"{world.fleet.url(name)}/v1/generate/reply"
        async with http.post(url, data=body(next(world.numbers)), headers=headers) as response:
            return response.status

    async with aiohttp.ClientSession() as http:
        statuses = await asyncio.gather(*(ask(http, name) for name in GATEWAYS * A_CLIENT_MAY))
    assert Counter(statuses) == {200: A_CLIENT_MAY, 429: 2 * A_CLIENT_MAY}


async def test_a_key_that_the_issuer_adds_is_soon_good_at_every_gateway(world: World) -> None:
    headers = world.headers("rotated", LATER_KEY)

    async def ask(http: aiohttp.ClientSession, name: str) -> int:
        url = f"{world.fleet.url(name)}/v1/generate/reply"
        async with http.post(url, data=body(next(world.numbers)), headers=headers) as response:
            return response.status

    async with aiohttp.ClientSession() as http:
        assert {await ask(http, name) for name in GATEWAYS} == {401}
        world.jwks.write_text(world.issuer.jwks())
        async with asyncio.timeout(PATIENCE_S):
            for name in GATEWAYS:
                while (status := await ask(http, name)) != 200:
                    assert status == 401
                    await asyncio.sleep(PAUSE_S)
        assert {await ask(http, name) for name in GATEWAYS * 3} == {200}
