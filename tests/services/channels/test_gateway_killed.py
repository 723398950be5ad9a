"""A gateway that dies in the middle of a webhook: what it acknowledged is kept, and what it did not is sent again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import redis.asyncio

from tests import events
from tests.servers import PostgresServer, ValkeyServer, free_port
from tests.services.channels.conftest import ALL_DONE, Shop, StartWorker, World, wait_until_it_answers

STORING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%store_messages%'"


@pytest.fixture
def gateway(_empty: World) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Return a gateway as a process of its own."""
    port = free_port()
    names = {
        "JWT_JWKS": "jwt_jwks",
        "META_APP_SECRET": "meta_app_secret",
        "USER_HASH_KEY": "user_hash_key",
        "RAG_URL": "rag_url",
    }
    environ = _empty.environ | {name: str(_empty.settings[setting]) for name, setting in names.items()}
    command = [sys.executable, "-m", "salambot.http.server", "gateway", "--port", str(port)]
    with subprocess.Popen(command, env=os.environ | environ, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until_it_answers(process, f"http://127.0.0.1:{port}")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def test_every_message_is_answered_once_whenever_the_gateway_dies(
    shop: Shop, start_worker: StartWorker, gateway: tuple[subprocess.Popen[bytes], str]
) -> None:
    process, url = gateway
    bodies = [events.messenger(events.messenger_message(f"{n}", mid=f"m_{n}", sender=f"u{n}")) for n in range(40)]

    async def deliver(client: httpx.AsyncClient, body: bytes) -> bool:
        try:
            answer = await client.post("/v1/webhooks/messenger", content=body, headers=events.by_meta(body))
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        posts = [asyncio.create_task(deliver(client, body)) for body in bodies]
        await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        process.kill()
        acknowledged = await asyncio.gather(*posts)
    stored = {row["message_id"] for row in await shop.rows()}
    assert {f"m_{n}" for n, done in enumerate(acknowledged) if done} <= stored
    start_worker(shop)
    for body, done in zip(bodies, acknowledged, strict=True):
        if not done:  # as Meta does; what was stored before the kill is a duplicate now
            assert shop.post("messenger", body).status_code == 200
    await shop.until("SELECT count(*) = 40 FROM inbox WHERE state = 'done'", 60)
    await shop.until(ALL_DONE)
    assert sorted(message["to"] for message in shop.graph.sent) == sorted(f"u{n}" for n in range(40))


async def test_what_was_stored_by_a_gateway_that_died_before_its_200_is_answered_once(
    shop: Shop, start_worker: StartWorker, gateway: tuple[subprocess.Popen[bytes], str], postgres_server: PostgresServer
) -> None:
    process, url = gateway
    postgres_server.run(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;"
        "CREATE TRIGGER late AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION late()",
        "channels",
    )
    body = events.messenger(events.messenger_message())
    try:
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            post = client.post("/v1/webhooks/messenger", content=body, headers=events.by_meta(body))
            delivery = asyncio.create_task(post)
            await shop.until(STORING)
            process.kill()
            with pytest.raises(httpx.HTTPError):
                await delivery
    finally:
        postgres_server.run("DROP TRIGGER late ON inbox; DROP FUNCTION late", "channels")
    start_worker(shop)
    await shop.until(ALL_DONE)
    assert shop.post("messenger", body).json()["status"] == "duplicate"
    assert len(shop.graph.sent) == 1


@pytest.mark.parametrize("on_the_queue", [False, True])
async def test_what_a_gateway_acknowledged_just_before_it_died_is_answered(
    shop: Shop,
    start_worker: StartWorker,
    gateway: tuple[subprocess.Popen[bytes], str],
    valkey_server: ValkeyServer,
    on_the_queue: bool,
) -> None:
    process, url = gateway
    body = events.messenger(events.messenger_message())
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        answer = await client.post("/v1/webhooks/messenger", content=body, headers=events.by_meta(body))
        if on_the_queue:
            await until_it_is_on_the_queue(valkey_server)
        process.kill()
    assert answer.json()["status"] == "accepted"
    start_worker(shop)
    await shop.until(ALL_DONE)
    assert len(shop.graph.sent) == 1


async def until_it_is_on_the_queue(valkey_server: ValkeyServer) -> None:
    """Wait for the dispatch, which the gateway does after its answer."""
    async with redis.asyncio.Redis.from_url(valkey_server.url()) as client, asyncio.timeout(60):
        while not await client.keys("streaq:*:task:*"):  # noqa: ASYNC110 - another process's state raises no event here
            await asyncio.sleep(0.02)
