"""A mixed load in an open model: requests come when they come, however slow the answers; job and figures are JSON.

A latency counts from the moment at which its request was due, so that a late start hides nothing.
"""

import asyncio
import hashlib
import hmac
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import aiohttp

KINDS = {"reply": 0.45, "stream": 0.2, "webhook": 0.25, "search": 0.1}
"""What users do, and how often: the pages of a shop, its channels, its search box."""
USERS = 500
SHED = frozenset({429, 503})
_TIMEOUT = aiohttp.ClientTimeout(60)


@dataclass(frozen=True)
class MixedJob:
    """`rate` requests a second in the mean for `seconds`; `prompts` are asked in turn, `run` tells runs apart."""

    url: str
    headers: dict[str, str]
    secret: str
    prompts: list[str]
    rate: float
    seconds: float
    run: str


@dataclass
class MixedFigures:
    """Milliseconds and numbers. `shed` were refused with 429 or 503, `failed` is all else that was not answered."""

    offered: float = 0.0
    answered: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    first_byte_p95: float = 0.0
    requests: int = 0
    shed: int = 0
    shed_p99: float = 0.0
    failed: dict[str, int] = field(default_factory=dict)


class Mixed:
    """One run of a job."""

    def __init__(self, job: MixedJob, http: aiohttp.ClientSession) -> None:
        self._job = job
        self._http = http
        self._took: list[float] = []
        self._refused: list[float] = []
        self._first_bytes: list[float] = []
        self._failed: Counter[str] = Counter()

    async def run(self) -> MixedFigures:
        """Send each request when it is due; wait for the last answers."""
        dice = random.Random(self._job.run)  # noqa: S311 - a load, and the same one for the same name
        started = due = time.perf_counter()
        under_way: set[asyncio.Task[None]] = set()
        number = 0
        while (due := due + dice.expovariate(self._job.rate)) - started < self._job.seconds:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            (kind,) = dice.choices([*KINDS], [*KINDS.values()])
            task = asyncio.create_task(self._one(kind, number, due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
        sending = time.perf_counter() - started
        await asyncio.gather(*under_way)
        return self._summed(number, sending, time.perf_counter() - started)

    def _summed(self, requests: int, sending: float, elapsed: float) -> MixedFigures:
        found = MixedFigures(failed=dict(self._failed))
        found.requests, found.offered, found.answered = requests, requests / sending, len(self._took) / elapsed
        found.p50, found.p95, found.p99 = (percentile(self._took, share) for share in (50, 95, 99))
        found.first_byte_p95 = percentile(self._first_bytes, 95)
        found.shed, found.shed_p99 = len(self._refused), percentile(self._refused, 99)
        return found

    async def _one(self, kind: str, number: int, due: float) -> None:
        path, body, headers = self._request(kind, number)
        try:
            async with self._http.post(f"{self._job.url}{path}", data=body, headers=headers) as response:
                if kind == "stream" and response.status == 200:
                    whole = await self._read_stream(response, due)
                else:
                    whole = bool(await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            self._failed[type(error).__name__] += 1
            return
        took = time.perf_counter() - due
        if response.status in SHED:
            self._refused.append(took)
        elif response.status == 200 and whole:
            self._took.append(took)
        else:
            self._failed[f"{kind} {response.status}"] += 1

    async def _read_stream(self, response: aiohttp.ClientResponse, due: float) -> bool:
        """Note when the first piece of text comes; tell whether the stream came to its good end."""
        first, last = True, b""
        async for line in response.content:
            if first and line.startswith(b"event: reply.delta"):
                first = False
                self._first_bytes.append(time.perf_counter() - due)
            if line.startswith(b"event: "):
                last = line
        return last.startswith(b"event: reply.completed")

    def _request(self, kind: str, number: int) -> tuple[str, bytes, dict[str, str]]:
        name, prompt = f"{self._job.run}_{number}", self._job.prompts[number % len(self._job.prompts)]
        if kind == "webhook":
            return self._webhook(name, number, prompt)
        if kind == "search":
            return "/v1/search/query", json.dumps({"query": prompt, "tenant": "demo"}).encode(), self._job.headers
        message = {
            "schema_version": "1.0", "tenant": "demo", "channel": "webchat", "message_id": name,
            "correlation_id": name, "timestamp": "2026-01-05T09:12:44.120Z", "locale": "fr-MA",
            "data": {"prompt": prompt, "context": []},
        }  # fmt: skip
        accepts = {"Accept": "text/event-stream"} if kind == "stream" else {}
        return "/v1/generate/reply", json.dumps(message).encode(), self._job.headers | accepts

    def _webhook(self, name: str, number: int, prompt: str) -> tuple[str, bytes, dict[str, str]]:
        message = {
            "sender": {"id": f"u{number % USERS}"}, "recipient": {"id": "1"}, "timestamp": int(time.time() * 1000),
            "message": {"mid": f"m_{name}", "text": prompt},
        }  # fmt: skip
        body = json.dumps({"object": "page", "entry": [{"id": "1", "time": 1, "messaging": [message]}]}).encode()
        digest = hmac.new(self._job.secret.encode(), body, hashlib.sha256).hexdigest()
        signed = {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
        return "/v1/webhooks/messenger", body, signed


def percentile(seconds: Sequence[float], share: int) -> float:
    """Return the latency in milliseconds that so many of a hundred do not exceed; 0 where there is none."""
    if len(seconds) < 2:
        return seconds[0] * 1000 if seconds else 0.0
    return statistics.quantiles(seconds, n=100, method="inclusive")[share - 1] * 1000


async def run(job: MixedJob) -> MixedFigures:
    """Put the load on; each request has a connection, however many wait."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as http:
        return await Mixed(job, http).run()


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(run(MixedJob(**json.load(sys.stdin))))), sys.stdout)
