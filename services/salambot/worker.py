"""The worker: answers what the webhooks stored. `python -m salambot.worker --port 8084`; any number may run."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import aiohttp
import uvloop
from pydantic import Field, SecretStr, ValidationError

from salambot import database, logs, telemetry
from salambot.delivery.chores import Chores
from salambot.delivery.generation import Generation
from salambot.delivery.health import serving
from salambot.delivery.inbox import Inbox
from salambot.delivery.queue import Consumer, Dispatcher
from salambot.delivery.rounds import Rounds
from salambot.delivery.sending import Api
from salambot.delivery.settings import SendSettings
from salambot.mounted_secrets import load_mounted_secrets

_NICE = 5
"""Webhooks are acknowledged before replies are made, where both want one processor."""
GRACE_S = 6
"""How long replies under way may take to end once the worker is to stop."""


class WorkerSettings(SendSettings):
    """Variables of the worker."""

    postgres_url: SecretStr
    postgres_ca: Path | None = None
    redis_url: SecretStr
    orchestrateur_url: str = "http://127.0.0.1:8081"
    worker_concurrency: Annotated[int, Field(ge=1, le=256)] = 16
    """Conversations that one worker answers at once."""


async def work(settings: WorkerSettings, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    redis_url = settings.redis_url.get_secret_value()
    async with _pool(settings) as pool, _session() as http:
        inbox = Inbox(pool)
        generation = Generation(http, settings.orchestrateur_url, settings.internal_token)
        rounds = Rounds(inbox, generation, Api(http, settings), stopping)
        consumer = Consumer(redis_url, rounds, concurrency=settings.worker_concurrency, grace_s=GRACE_S)
        dispatcher = Dispatcher(redis_url)
        chores = Chores(inbox, consumer, dispatcher, rounds)
        async with serving(host, port, lambda: database.is_reachable(pool)), asyncio.TaskGroup() as group:
            running = [
                group.create_task(chore) for chore in (chores.sweep(), chores.hold(), chores.forget(), dispatcher.run())
            ]
            await consumer.run(stopping)
            for task in running:
                task.cancel()


@asynccontextmanager
async def _pool(settings: WorkerSettings) -> AsyncIterator[database.Pool]:
    pool = await database.connect(settings.postgres_url.get_secret_value(), ca=settings.postgres_ca, max_size=6)
    try:
        yield pool
    finally:
        pool.terminate()


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=128, keepalive_timeout=30, ttl_dns_cache=10)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def main() -> None:
    """Parse the command line and work until told to stop."""
    parser = argparse.ArgumentParser(prog="salambot.worker", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    load_mounted_secrets()
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        found = "".join(f"\n  {'.'.join(map(str, item['loc'])).upper()} {item['msg']}" for item in error.errors())
        parser.exit(2, f"the worker cannot start, its environment is wrong:{found}\n")
    logs.configure(settings, "worker")
    telemetry.start("worker")
    os.nice(_NICE)
    try:
        uvloop.run(work(settings, arguments.host, arguments.port))
    finally:
        telemetry.stop("worker")


if __name__ == "__main__":
    main()
