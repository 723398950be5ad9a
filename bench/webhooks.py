"""Webhooks under load: how fast they are acknowledged, beside a bare route that verifies and queues."""

import json
import os
import secrets
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from urllib.parse import quote

from bench.chain import await_answer
from bench.load.closed import Figures
from bench.stack import Stack, running_stack
from bench.table import Row, markdown
from bench.webhook_load import WebhookJob
from salambot_cli.host.ports import free_port

ROUNDS = 3
SECONDS = 6.0
STEADY_RATE = 200.0
STEADY_SECONDS = 15.0
CONNECTIONS = 32


def _key(stack: Stack, name: str) -> str:
    return (stack.project / ".salambot" / "keys" / name).read_text().strip()


@contextmanager
def bare_route(stack: Stack) -> Iterator[str]:
    """Run the peer on the stack's own Redis; yield its URL."""
    port = free_port()
    redis_port = json.loads((stack.project / ".salambot" / "state.json").read_text())["ports"]["redis"]
    environ = os.environ | {
        "META_APP_SECRET": _key(stack, "META_APP_SECRET"),
        "REDIS_URL": f"redis://:{quote(_key(stack, 'REDIS_PASSWORD'))}@127.0.0.1:{redis_port}/0",
    }
    with subprocess.Popen([sys.executable, "-m", "bench.bare_webhook", "--port", str(port)], env=environ) as peer:
        try:
            await_answer(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            peer.terminate()


def put_load(stack: Stack, url: str, *, seconds: float = SECONDS, rate: float = 0) -> Figures:
    """Put a load on one of the two from another process."""
    secret, run = _key(stack, "META_APP_SECRET"), secrets.token_hex(4)
    job = WebhookJob(f"{url}/v1/webhooks/messenger", secret, run, CONNECTIONS, seconds, rate)
    done = subprocess.run(
        [sys.executable, "-m", "bench.webhook_load"],
        input=json.dumps(asdict(job)), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    figures = Figures(**json.loads(done.stdout))
    if figures.failed:
        raise SystemExit(f"{figures.failed} of {figures.requests} webhooks were not acknowledged:\n{done.stderr}")
    return figures


def measure(stack: Stack) -> list[Row]:
    """Measure a steady rate, then both routes in turn as fast as they go; the worker answers all the while."""
    steady = put_load(stack, stack.gateway, seconds=STEADY_SECONDS, rate=STEADY_RATE)
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    with bare_route(stack) as bare:
        for url in (bare, stack.gateway):
            put_load(stack, url, seconds=2)
        steady_peer = put_load(stack, bare, rate=STEADY_RATE)
        for _ in range(ROUNDS):
            for name, url in (("bare", bare), ("ours", stack.gateway)):
                rates[name].append(put_load(stack, url).rate)
    ours, peer = (statistics.median(rates[name]) for name in ("ours", "bare"))
    return [
        Row(
            "acknowledged at 200 a second while all is answered, slowest hundredth",
            steady.p99,
            steady_peer.p99,
            "ms",
            50,
            "≤ 50 ms",
        ),
        Row("acknowledged as fast as it goes", ours, peer, "/s", peer * 0.6, "≥ 0.6 ×", more_is_better=True),
    ]


if __name__ == "__main__":
    with running_stack() as running:
        print(markdown(measure(running)))
