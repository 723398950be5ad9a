"""Stores that are full or stand still: webhooks are refused soon and with a reason; the worker goes on by itself."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import redis

from tests.events import messenger, messenger_message
from tests.servers import PostgresServer
from tests.services.channels.conftest import ALL_DONE, Shop, StartWorker, WorkerProcess

FULL = """
CREATE FUNCTION be_full() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON inbox EXECUTE FUNCTION be_full()
"""
"""As Postgres reports a full disk."""


@contextmanager
def full_disk(server: PostgresServer) -> Iterator[None]:
    server.run(FULL, "channels")
    try:
        yield
    finally:
        server.run("DROP FUNCTION be_full CASCADE", "channels")


async def test_a_full_disk_is_told_and_the_worker_goes_on_afterwards(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer
) -> None:
    worker = start_worker(shop)
    shop.post("messenger", messenger(messenger_message(mid="before")))
    shop.graph.wait(1)
    with full_disk(postgres_server):
        refused = shop.post("messenger", messenger(messenger_message(mid="during")))
        assert (refused.status_code, refused.json()["code"]) == (503, "postgres_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        await until_it_says(worker, "postgres is away", 3)
        assert worker.process.poll() is None
    assert shop.post("messenger", messenger(messenger_message(mid="after"))).status_code == 200
    await shop.until(ALL_DONE)
    assert worker.process.poll() is None


async def until_it_says(worker: WorkerProcess, words: str, times: int) -> None:
    async with asyncio.timeout(60):
        while worker.log.read_text().count(words) < times:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    """Stop the postmaster and every backend, as a frozen virtual machine does."""
    process = psutil.Process(server.pid)
    family = [process, *process.children(recursive=True)]
    for one in family:
        os.kill(one.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            os.kill(one.pid, signal.SIGCONT)


async def test_a_frozen_postgres_does_not_hold_webhooks(shop: Shop, postgres_server: PostgresServer) -> None:
    shop.post("messenger", messenger(messenger_message(mid="before")))
    with frozen(postgres_server):
        for number in range(3):
            started = time.monotonic()
            refused = shop.post("messenger", messenger(messenger_message(mid=f"during{number}")))
            assert time.monotonic() - started < 3
            assert (refused.status_code, refused.json()["code"]) == (503, "postgres_unavailable")
    deadline = time.monotonic() + 60
    while shop.post("messenger", messenger(messenger_message(mid="after"))).status_code != 200:
        assert time.monotonic() < deadline


async def test_a_redis_without_memory_stops_no_reply(shop: Shop, start_worker: StartWorker, redis_url: str) -> None:
    start_worker(shop)
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        try:
            assert shop.post("messenger", messenger(messenger_message())).status_code == 200
            await shop.until(ALL_DONE)
        finally:
            client.config_set("maxmemory", "0")
    assert len(shop.graph.sent) == 1
