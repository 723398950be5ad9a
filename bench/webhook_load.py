"""A load of signed webhooks from a process of its own: a job in JSON on standard input, figures on standard output."""

import asyncio
import hashlib
import hmac
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import count

import aiohttp

from bench.load.closed import Figures

USERS = 500


@dataclass(frozen=True)
class WebhookJob:
    """`connections` that post webhooks for `seconds`, at most `rate` a second in all (0: no limit)."""

    url: str
    secret: str
    run: str
    connections: int
    seconds: float
    rate: float = 0


def signed(job: WebhookJob, number: int) -> tuple[bytes, dict[str, str]]:
    """Return a body with one message of its own, and its headers."""
    message = {
        "sender": {"id": f"u{number % USERS}"},
        "recipient": {"id": "1"},
        "timestamp": int(time.time() * 1000),
        "message": {"mid": f"m_{job.run}_{number}", "text": "Bonjour, c'est quoi vos horaires ?"},
    }
    body = json.dumps({"object": "page", "entry": [{"id": "1", "time": 1, "messaging": [message]}]}).encode()
    digest = hmac.new(job.secret.encode(), body, hashlib.sha256).hexdigest()
    return body, {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


async def run(job: WebhookJob) -> Figures:
    """Put the load on. A latency counts from when its request was due, so that a queue of late ones shows."""
    numbers = count()
    latencies: list[float] = []
    failures: Counter[str] = Counter()
    started = time.perf_counter()

    async def connection(client: aiohttp.ClientSession) -> None:
        while time.perf_counter() - started < job.seconds:
            number = next(numbers)
            body, headers = signed(job, number)
            due = started + number / job.rate if job.rate else time.perf_counter()
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            try:
                async with client.post(job.url, data=body, headers=headers) as response:
                    await response.read()
                    if response.status != 200:
                        failures[f"status {response.status}"] += 1
            except aiohttp.ClientError as error:
                failures[type(error).__name__] += 1
            latencies.append(time.perf_counter() - due)

    connector = aiohttp.TCPConnector(limit=job.connections)
    async with aiohttp.ClientSession(connector=connector) as client:
        await asyncio.gather(*(connection(client) for _ in range(job.connections)))
    elapsed = time.perf_counter() - started
    for kind, times in failures.items():
        print(f"{job.url}: {times} × {kind}", file=sys.stderr)
    cuts = statistics.quantiles(latencies, n=100)
    return Figures(len(latencies) / elapsed, cuts[49] * 1000, cuts[98] * 1000, len(latencies), failures.total())


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(run(WebhookJob(**json.load(sys.stdin))))), sys.stdout)
