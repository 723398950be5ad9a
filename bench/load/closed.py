"""A load of POST requests from a process of its own: the job is JSON on standard input, figures on standard output."""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import count

import aiohttp

MOST_REQUESTS = 200_000


@dataclass(frozen=True)
class Job:
    """`concurrency` connections that each post one body after the other for `seconds`; `{n}` in a body is a number."""

    url: str
    bodies: list[str]
    concurrency: int
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """Requests a second, and latencies in milliseconds. `failed` counts every answer but 200."""

    rate: float
    p50: float
    p99: float
    requests: int
    failed: int


async def run(job: Job) -> Figures:
    """Put the load on."""
    numbers = count()
    latencies: list[float] = []
    failed = 0
    connector = aiohttp.TCPConnector(limit=job.concurrency)
    started = time.perf_counter()

    async def connection(client: aiohttp.ClientSession) -> None:
        nonlocal failed
        while (begun := time.perf_counter()) - started < job.seconds and (number := next(numbers)) < MOST_REQUESTS:
            body = job.bodies[number % len(job.bodies)].replace("{n}", str(number))
            async with client.post(job.url, data=body.encode()) as response:
                await response.read()
                failed += response.status != 200
            latencies.append(time.perf_counter() - begun)

    headers = {"Content-Type": "application/json", **job.headers}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as client:
        await asyncio.gather(*(connection(client) for _ in range(job.concurrency)))
    elapsed = time.perf_counter() - started
    cuts = statistics.quantiles(latencies, n=100)
    return Figures(len(latencies) / elapsed, cuts[49] * 1000, cuts[98] * 1000, len(latencies), failed)


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(run(Job(**json.load(sys.stdin))))), sys.stdout)
