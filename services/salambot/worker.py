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

from salambot import telemetry
from salambot.core import database, logs
from salambot.core.mounted_secrets import load_mounted_secrets
from salambot.webhooks.channel_client import ChannelContext
from salambot.webhooks.health import serve_health
from salambot.webhooks.inbox import Inbox
from salambot.webhooks.maintenance import Maintenance
from salambot.webhooks.processor import ConversationProcessor
from salambot.webhooks.queue import Consumer, Dispatcher
from salambot.webhooks.reply_client import ReplyClient
from salambot.webhooks.settings import SendSettings

_NICE = 5
"""Acknowledging webhooks has priority over replies when they compete for the processor."""
GRACE_SECONDS = 6
"""Seconds that current replies may take after a stop was requested."""


class WorkerSettings(SendSettings):
    """Variables of the worker."""

    postgres_url: SecretStr
    postgres_ca: Path | None = None
    redis_url: SecretStr
    orchestrateur_url: str = "http://127.0.0.1:8081"
    worker_concurrency: Annotated[int, Field(ge=1, le=256)] = 16
    """Concurrent conversations of one worker."""


async def run_worker(settings: WorkerSettings, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    redis_url = settings.redis_url.get_secret_value()
    async with _pool(settings) as pool, _session() as http:
        inbox = Inbox(pool)
        generation = ReplyClient(http, settings.orchestrateur_url, settings.internal_token)
        rounds = ConversationProcessor(inbox, generation, ChannelContext(http, settings), stopping)
        consumer = Consumer(redis_url, rounds, concurrency=settings.worker_concurrency, grace_s=GRACE_SECONDS)
        dispatcher = Dispatcher(redis_url)
        chores = Maintenance(inbox, consumer, dispatcher, rounds)
        async with serve_health(host, port, lambda: database.is_reachable(pool)), asyncio.TaskGroup() as group:
            running = [
                group.create_task(chore)
                for chore in (chores.redispatch(), chores.renew_leases(), chores.purge(), dispatcher.run())
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
        uvloop.run(run_worker(settings, arguments.host, arguments.port))
    finally:
        telemetry.stop("worker")


if __name__ == "__main__":
    main()
