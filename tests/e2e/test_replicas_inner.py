"""What rag remembers and what nlu knows of its model is each process's own: several of them still answer as one."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from salambot.orchestrateur.settings import OrchestrateurSettings
from tests.e2e.fleet import Fleet
from tests.fakes.openai_server import OpenAiServer, openai_server
from tests.knowledge import KnowledgeBase
from tests.servers import PostgresServer, ValkeyServer, database_from

pytestmark = [pytest.mark.nginx, pytest.mark.timeout(600), pytest.mark.xdist_group("replicas")]

RAGS = ("rag-1", "rag-2")
NLUS = ("nlu-1", "nlu-2")
TOKEN = "between-services"
PATIENCE_S = 180
PAUSE_S = 0.02
"""Between two questions of one asker, so that all of them get a turn."""
FAILURES, ATTEMPTS = 2, 2
UNTIL_IT_OPENS = FAILURES * ATTEMPTS
"""Requests to a model that fails, until one nlu leaves it alone."""
LONG_S, SHORT_S = 600, 1
"""Circuits that stay open for a whole test, and those that do not."""


@asynccontextmanager
async def client(patience_s: float = PATIENCE_S) -> AsyncIterator[aiohttp.ClientSession]:
    """Ask as another service does."""
    headers, timeout = {"X-SalamBot-Internal": TOKEN}, aiohttp.ClientTimeout(patience_s)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
        yield http


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(PAUSE_S)


@dataclass(frozen=True)
class Shelves:
    """Several rags, and the Redis that they share."""

    fleet: Fleet
    valkey: ValkeyServer
    database_url: str


@pytest.fixture(scope="module")
def shelves(
    postgres_server: PostgresServer,
    valkey_server: ValkeyServer,
    _migrated: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shelves]:
    """Run the rags; each test has a tenant of its own."""
    with contextmanager(database_from)(postgres_server, _migrated) as database_url:
        environ = {"INTERNAL_TOKEN": TOKEN, "POSTGRES_URL": database_url, "REDIS_URL": valkey_server.url()}
        with Fleet(tmp_path_factory.mktemp("shelves"), RAGS, environ) as fleet:
            yield Shelves(fleet, valkey_server, database_url)


class Shop:
    """A tenant whose one document names a price, which only rises."""

    def __init__(self, shelves: Shelves, tenant: str, folder: Path) -> None:
        self.tenant = tenant
        self.base = KnowledgeBase(folder, shelves.database_url, tenant, REDIS_URL=shelves.valkey.url())
        self.price = 0

    async def raise_price(self) -> None:
        """Return when the real job has indexed a higher price."""
        price = self.price + 1
        self.base.write({"a.md": f"# Livraison\n\nLa livraison coûte {price} DH.\n"})
        await self.base.seed()
        self.price = price

    async def found(self, http: aiohttp.ClientSession, url: str, top_k: int = 5) -> bytes:
        """Return the passages as they come over the wire; for another `top_k` they are looked up again."""
        body = {"query": "prix de la livraison", "tenant": self.tenant, "top_k": top_k}
        async with http.post(f"{url}/internal/search", json=body) as response:
            answer = await response.read()
            assert response.status == 200, answer
        return answer.partition(b',"took_ms":')[0]

    async def told(self, http: aiohttp.ClientSession, url: str) -> int:
        """Return the price that is found."""
        found = re.search(r"coûte (\d+) DH", (await self.found(http, url)).decode())
        assert found is not None
        return int(found[1])


@dataclass
class Watch:
    """What askers were told, how often, and what was wrong with it."""

    shop: Shop
    told: Counter[int] = field(default_factory=Counter)
    old: list[str] = field(default_factory=list)
    """Answers of before a seed that had ended when the question was asked."""
    went_back: list[str] = field(default_factory=list)
    """Answers that are older than one given before at the same URL."""
    over: bool = False

    async def ask(self, http: aiohttp.ClientSession, url: str) -> None:
        """Ask again and again."""
        before = 0
        while not self.over:
            seeded = self.shop.price
            try:
                price = await self.shop.told(http, url)
            except aiohttp.ClientPayloadError:  # its rag was killed between the head and the body of its answer
                continue
            if price < seeded:
                self.old.append(f"{url} said {price} after {seeded}")
            if price < before:
                self.went_back.append(f"{url} said {price} after {before}")
            before = price
            self.told[price] += 1
            await asyncio.sleep(PAUSE_S)

    async def until_told(self, price: int) -> None:
        """Wait until it was told some more times."""
        wanted = self.told[price] + 5
        await until(lambda: self.told[price] >= wanted)


@asynccontextmanager
async def asking(shop: Shop, *urls: str) -> AsyncIterator[Watch]:
    """Have one asker at each URL until the block ends."""
    watch = Watch(shop)
    async with client() as http, asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(watch.ask(http, url))
        try:
            yield watch
        finally:
            watch.over = True


async def searches(http: aiohttp.ClientSession, url: str) -> Counter[str]:
    """Return how many answers one rag has given, by where each came from."""
    async with http.get(f"{url}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    return Counter(
        {
            sample.labels["source"]: int(sample.value)
            for family in families
            for sample in family.samples
            if sample.name == "salambot_retrieval_duration_seconds_count"
        }
    )


async def test_what_one_rag_found_the_other_gives_again_byte_for_byte(shelves: Shelves, tmp_path: Path) -> None:
    fleet, shop = shelves.fleet, Shop(shelves, "shared", tmp_path)
    for name in RAGS:  # one that has just missed Redis does without it for a while
        await asyncio.to_thread(fleet.restart, name)
    await shop.raise_price()
    async with client() as http:
        finder, other = map(fleet.url, RAGS)
        found = await shop.found(http, finder)
        before = await searches(http, other)
        assert await shop.found(http, other) == found
        assert await searches(http, other) - before == {"redis": 1}
        await asyncio.to_thread(fleet.kill, RAGS[1])
        assert await shop.found(http, other) == found
        assert +await searches(http, other) == {"redis": 1}, "it searched again after it came back"
        assert {await shop.found(http, fleet.strict("rag")) for _ in range(6)} == {found}


async def test_once_a_seed_has_ended_no_rag_gives_the_answer_of_before(shelves: Shelves, tmp_path: Path) -> None:
    fleet, shop = shelves.fleet, Shop(shelves, "seeded", tmp_path)
    await shop.raise_price()
    async with asking(shop, *map(fleet.url, RAGS), *[fleet.strict("rag")] * 4) as watch:
        for _ in range(4):
            await shop.raise_price()
            await watch.until_told(shop.price)
    assert watch.old == []


async def test_a_rag_that_was_away_while_the_index_changed_knows_it_when_it_comes_back(
    shelves: Shelves, tmp_path: Path
) -> None:
    fleet, shop = shelves.fleet, Shop(shelves, "away", tmp_path)
    await shop.raise_price()
    async with asking(shop, *[fleet.repeating("rag")] * 4) as watch, client() as http:
        for name in RAGS:
            await watch.until_told(shop.price)
            await asyncio.to_thread(fleet.crash, name)
            try:
                await shop.raise_price()
                await watch.until_told(shop.price)
            finally:
                await asyncio.to_thread(fleet.start, name)
            assert await shop.told(http, fleet.url(name)) == shop.price
    assert watch.old == []


async def test_while_redis_is_away_every_rag_is_right_and_stays_so_when_it_is_back(
    shelves: Shelves, tmp_path: Path
) -> None:
    fleet, shop = shelves.fleet, Shop(shelves, "without-redis", tmp_path)
    await shop.raise_price()
    async with asking(shop, *map(fleet.url, RAGS), *map(fleet.url, RAGS)) as watch, client() as http:
        await watch.until_told(shop.price)
        found = await shop.found(http, fleet.url(RAGS[0]))
        shelves.valkey.kill()
        try:
            assert {await shop.found(http, fleet.url(name)) for name in RAGS} == {found}
            seeding = asyncio.create_task(shop.raise_price())
            await watch.until_told(shop.price + 1)
        finally:
            shelves.valkey.start()
        await watch.until_told(shop.price + 1)
        await seeding
        await watch.until_told(shop.price)
    assert (watch.old, watch.went_back) == ([], [])


async def test_a_redis_that_says_nothing_holds_up_no_search_for_longer_than_its_caller_waits(
    shelves: Shelves, tmp_path: Path
) -> None:
    fleet, shop = shelves.fleet, Shop(shelves, "silence", tmp_path)
    await shop.raise_price()
    async with client(OrchestrateurSettings.model_fields["search_timeout_s"].default) as http:
        found = await shop.found(http, fleet.url(RAGS[0]))
        shelves.valkey.freeze()
        try:
            for top_k in (1, 2, 3):
                assert {await shop.found(http, fleet.url(name), top_k) for name in RAGS} == {found}
        finally:
            shelves.valkey.thaw()


@pytest.fixture
async def model() -> AsyncIterator[tuple[OpenAiServer, str]]:
    """Serve a model that can be taken down."""
    async with openai_server() as server:
        yield server


@dataclass(frozen=True)
class Answer:
    """What an nlu said: a reply, or the problem in its place."""

    status: int
    code: str | None
    may_come_back: bool


REPLIED = Answer(200, None, may_come_back=False)
LEFT_ALONE = Answer(503, "llm_unavailable", may_come_back=True)


@dataclass(frozen=True)
class Brains:
    """Several nlus in front of one model."""

    fleet: Fleet
    model: OpenAiServer

    async def ask(self, http: aiohttp.ClientSession, url: str) -> Answer:
        """Ask for a whole reply."""
        body = {"tenant": "demo", "prompt": "Quel est le délai de livraison ?"}
        async with http.post(f"{url}/internal/generate", json=body) as response:
            answer = orjson.loads(await response.read())
            wait = response.headers.get("Retry-After", "0")
            return Answer(response.status, answer.get("code"), may_come_back=int(wait) >= 1)

    async def ask_in_turn(self, http: aiohttp.ClientSession, times: int) -> set[Answer]:
        """Ask the balancer, which gives the questions to the nlus in turn."""
        return {await self.ask(http, self.fleet.strict("nlu")) for _ in range(times)}

    async def until_all_reply(self, http: aiohttp.ClientSession) -> None:
        """Wait until each nlu replies; until then it says that it does not."""
        async with asyncio.timeout(PATIENCE_S):
            for name in NLUS:
                while (answer := await self.ask(http, self.fleet.url(name))) != REPLIED:
                    assert answer == LEFT_ALONE
                    await asyncio.sleep(PAUSE_S)


MakeBrains = Callable[[float], Brains]


@pytest.fixture
def make_brains(model: tuple[OpenAiServer, str], tmp_path: Path) -> Iterator[MakeBrains]:
    """Return what starts the nlus, their circuits open for so many seconds."""
    with ExitStack() as stack:

        def make(circuit_s: float) -> Brains:
            environ = {
                "INTERNAL_TOKEN": TOKEN, "LLM": "openai", "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model[1],
                "LLM_TIMEOUT_S": "60", "LLM_ATTEMPTS": f"{ATTEMPTS}", "LLM_CIRCUIT_FAILURES": f"{FAILURES}",
                "LLM_CIRCUIT_S": f"{circuit_s}",
            }  # fmt: skip
            return Brains(stack.enter_context(Fleet(tmp_path, NLUS, environ)), model[0])

        yield make


async def test_while_a_model_is_down_every_nlu_says_the_same_and_soon_leaves_it_alone(make_brains: MakeBrains) -> None:
    brains = make_brains(LONG_S)
    brains.model.always = "error_500"
    async with client() as http:
        assert await brains.ask_in_turn(http, 20) == {LEFT_ALONE}
        assert len(brains.model.requests) == len(NLUS) * UNTIL_IT_OPENS
        url = brains.fleet.strict("nlu")
        assert set(await asyncio.gather(*(brains.ask(http, url) for _ in range(20)))) == {LEFT_ALONE}
        assert len(brains.model.requests) == len(NLUS) * UNTIL_IT_OPENS

        await asyncio.to_thread(brains.fleet.kill, NLUS[0])
        assert await brains.ask_in_turn(http, 20) == {LEFT_ALONE}
        assert len(brains.model.requests) == (len(NLUS) + 1) * UNTIL_IT_OPENS, "only the new one asked it again"


async def test_one_nlu_that_knows_nothing_yet_makes_no_other_answer_than_a_reply_or_the_same_problem(
    make_brains: MakeBrains,
) -> None:
    brains = make_brains(LONG_S)
    brains.model.always = "error_500"
    async with client() as http:
        await brains.ask_in_turn(http, 20)
        brains.model.always = None
        asked = len(brains.model.requests)
        await asyncio.to_thread(brains.fleet.restart, NLUS[0])
        assert await brains.ask_in_turn(http, 20) == {REPLIED, LEFT_ALONE}
        assert len(brains.model.requests) == asked + 10, "the other leaves it alone for its time"


async def test_once_the_model_is_back_every_nlu_replies_again(make_brains: MakeBrains) -> None:
    brains = make_brains(SHORT_S)
    async with client() as http:
        for restarted in (None, NLUS[1]):
            brains.model.always = "error_500"
            assert await brains.ask_in_turn(http, 10) == {LEFT_ALONE}
            if restarted is not None:
                await asyncio.to_thread(brains.fleet.kill, restarted)
            brains.model.always = None
            await brains.until_all_reply(http)
            assert await brains.ask_in_turn(http, 10) == {REPLIED}


async def test_a_model_that_was_left_alone_is_tried_by_one_reply_of_each_nlu(make_brains: MakeBrains) -> None:
    brains = make_brains(SHORT_S)
    refused: Counter[str] = Counter()

    async def ask_again_and_again(url: str) -> None:
        while await brains.ask(http, url) == LEFT_ALONE:
            refused[url] += 1
            await asyncio.sleep(PAUSE_S)

    async with client() as http:
        brains.model.always = "error_500"
        await brains.ask_in_turn(http, 10)
        brains.model.always = "slow"
        tried = len(brains.model.requests) + len(NLUS)
        urls = [brains.fleet.url(name) for name in NLUS]
        askers = [asyncio.create_task(ask_again_and_again(url)) for url in urls * 6]
        try:
            await until(lambda: len(brains.model.requests) >= tried)
            refused.clear()
            await until(lambda: len(brains.model.requests) > tried or all(refused[url] >= 20 for url in urls))
            assert len(brains.model.requests) == tried
        finally:
            for asker in askers:
                asker.cancel()
            await asyncio.wait(askers)
        brains.model.always = None
        await brains.until_all_reply(http)
