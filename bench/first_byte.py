"""The first word of a streamed reply, beside the model's own: `python -m bench.first_byte`."""

import asyncio
import json
import statistics
import time
from collections.abc import Mapping

import aiohttp

from bench.chain import bodies
from bench.proxy import asked, behind, upstream
from bench.stack import running_stack
from bench.table import Row, markdown, put

TIMES, WARM_UP = 400, 40
ALLOWED_MS = 15.0


async def first(http: aiohttp.ClientSession, url: str, body: str, headers: Mapping[str, str], sign: bytes) -> float:
    """Return the milliseconds to the first line with this sign; read the stream to its end. Raises SystemExit."""
    begun, found = time.perf_counter(), 0.0
    async with http.post(url, data=body.encode(), headers=headers) as response:
        async for line in response.content:
            if not found and sign in line:
                found = (time.perf_counter() - begun) * 1000
    if not found:
        raise SystemExit(f"{url} streamed no text ({response.status})")
    return found


async def compare(gateway: str, headers: Mapping[str, str], model: str) -> tuple[list[float], list[float]]:
    """Ask both in turn; return the milliseconds of ours and of the model."""
    usual = {"Content-Type": "application/json"}
    ours, theirs = [], []
    directly = [json.dumps({**json.loads(body), "stream": True}) for body in asked()]
    through = bodies()
    async with aiohttp.ClientSession(headers=usual) as http:
        for number in range(WARM_UP + TIMES):
            body = through[number % len(through)].replace("{n}", f"first-{number}")
            accepting = {**headers, "Accept": "text/event-stream"}
            mine = await first(http, f"{gateway}/v1/generate/reply", body, accepting, b"reply.delta")
            its = await first(http, f"{model}/chat/completions", directly[number % len(directly)], {}, b'"content"')
            if number >= WARM_UP:
                ours.append(mine)
                theirs.append(its)
    return ours, theirs


def measure() -> list[Row]:
    """Run the model and a stack before it."""
    with upstream() as model, running_stack(behind(model)) as stack:
        ours, theirs = asyncio.run(compare(stack.gateway, stack.headers, model))
    mine, its = (statistics.quantiles(times, n=20) for times in (ours, theirs))
    return [
        Row("first word, median", mine[9], its[9], "ms", float("inf"), ""),
        Row("first word, slowest twentieth", mine[18], its[18], "ms", its[18] + ALLOWED_MS, "≤ the model's + 15 ms"),
    ]


if __name__ == "__main__":
    table = markdown(measure())
    print(table)
    put("first_byte", table)
