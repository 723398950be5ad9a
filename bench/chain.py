"""The gateway path under load, beside a bare chain of the same hops: requests a second and the slowest hundredth."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from bench.load.closed import Figures, Job
from bench.stack import Stack, running_stack
from bench.table import Row, markdown
from salambot_cli.host.ports import free_port

ROUNDS = 3
SECONDS = 6.0
WARM_UP = 2.0

PROMPTS = (
    "C'est quoi votre politique de remboursement ?",
    "شنو هي سياسة الإرجاع؟",
    "bghit nrje3 lcommande, kifach?",
    "Do you deliver to Agadir?",
    "Quels sont vos horaires d'ouverture ?",
)


def await_answer(url: str, seconds: float = 30) -> None:
    """Wait until a server answers, whatever it says; raises its last error after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urlopen(url, timeout=2).close()  # noqa: S310 - our own server on loopback
        except HTTPError:
            return
        except (URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def bare_chain(environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run the bare chain and yield the URL of its gateway."""
    services = ("gateway", "orchestrateur", "nlu", "rag")
    ports = {service: free_port() for service in services}
    urls = {f"{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()} | dict(environ or {})
    hops = [
        subprocess.Popen([sys.executable, "-m", "bench.bare", name, "--port", str(port)], env=os.environ | urls)
        for name, port in ports.items()
    ]
    try:
        for url in urls.values():
            await_answer(f"{url}/docs")
        yield f"{urls['GATEWAY_URL']}/gateway"
    finally:
        for hop in hops:
            hop.terminate()
        for hop in hops:
            hop.wait(timeout=10)


def put_load(job: Job) -> Figures:
    """Put a load on from a process of its own; exits when any request fails."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.load.closed"],
        input=json.dumps(asdict(job)),
        text=True,
        stdout=subprocess.PIPE,
        check=False,
    )
    if answer.returncode:
        raise SystemExit(f"the load on {job.url} broke")
    figures = Figures(**json.loads(answer.stdout))
    if figures.failed:
        raise SystemExit(f"{figures.failed} of {figures.requests} requests to {job.url} failed")
    return figures


def bodies() -> list[str]:
    """Return the messages of the load; `{n}` becomes a number of its own in each request."""
    return [
        json.dumps(
            {
                "schema_version": "1.0",
                "tenant": "demo",
                "channel": "webchat",
                "message_id": "bench_{n}",
                "correlation_id": "bench_{n}",
                "timestamp": "2026-01-05T09:12:44.120Z",
                "locale": "fr-MA",
                "data": {"prompt": prompt, "context": []},
            }
        )
        for prompt in PROMPTS
    ]


def medians(rounds: list[Figures]) -> tuple[float, float]:
    """Return the median rate and the median p99 of some rounds."""
    return statistics.median(one.rate for one in rounds), statistics.median(one.p99 for one in rounds)


def measure(stack: Stack) -> list[Row]:
    """Load both in turn, so that the machine's moods fall on both alike, and compare the medians of the rounds."""
    found: dict[tuple[str, int], list[Figures]] = {}
    with bare_chain() as bare:
        peers = {"bare": (bare, {}), "ours": (f"{stack.gateway}/v1/generate/reply", stack.headers)}
        for url, headers in peers.values():
            put_load(Job(url, bodies(), 16, WARM_UP, headers))
        for concurrency in (16, 64) * ROUNDS:
            for name, (url, headers) in peers.items():
                figures = put_load(Job(url, bodies(), concurrency, SECONDS, headers))
                found.setdefault((name, concurrency), []).append(figures)
    (bare_rate, bare_p99), (our_rate, our_p99) = medians(found["bare", 16]), medians(found["ours", 16])
    (bare_wide, _), (wide_rate, _) = medians(found["bare", 64]), medians(found["ours", 64])
    return [
        Row("requests at 16 connections", our_rate, bare_rate, "/s", bare_rate * 0.8, "≥ 0.8 ×", more_is_better=True),
        Row("slowest hundredth at 16 connections", our_p99, bare_p99, "ms", bare_p99 * 2, "≤ 2 ×"),
        Row("requests at 64 connections", wide_rate, bare_wide, "/s", bare_wide * 0.8, "≥ 0.8 ×", more_is_better=True),
        Row(
            "requests at 64 connections, beside 16",
            wide_rate,
            our_rate,
            "/s",
            our_rate * 0.8,
            "≥ 0.8 ×",
            more_is_better=True,
        ),
    ]


if __name__ == "__main__":
    with running_stack() as stack:
        print(markdown(measure(stack)))
