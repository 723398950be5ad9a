"""`python -m bench.load [--minutes 10]`: users as they come, the stack's memory meanwhile, then more than it can do."""

import argparse
import json
import secrets
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TypeVar

from bench.chain import PROMPTS, bodies, put_load
from bench.load.closed import Job
from bench.load.mixed import MixedFigures, MixedJob
from bench.stack import Stack, resident_mebibytes, running_stack
from bench.table import Row, markdown, put

MINUTES = 10.0
CALM, TOO_MUCH = 0.4, 1.5
"""Shares of the requests a second that the stack answers when it is asked without pause."""
TOO_MUCH_S = 20.0
SAMPLE_S = 5.0
_Sample = TypeVar("_Sample")


def put_mixed(
    stack: Stack, rate: float, seconds: float, sample: Callable[[], _Sample]
) -> tuple[MixedFigures, list[_Sample]]:
    """Put the load on from a process of its own; return its figures, and a sample for every few seconds meanwhile."""
    secret = (stack.project / ".salambot" / "keys" / "META_APP_SECRET").read_text().strip()
    headers = {**stack.headers, "Content-Type": "application/json"}
    job = MixedJob(stack.gateway, headers, secret, list(PROMPTS), rate, seconds, secrets.token_hex(4))
    samples = [sample()]
    command = [sys.executable, "-m", "bench.load.mixed"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("the load cannot be told what to do")
        process.stdin.write(json.dumps(asdict(job)))
        process.stdin.close()
        while process.poll() is None:
            try:
                process.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                samples.append(sample())
        if process.returncode:
            raise SystemExit("the load broke")
        return MixedFigures(**json.loads(process.stdout.read())), samples


def memory(stack: Stack) -> float:
    """Return what the services and the worker hold, in MiB."""
    sizes = resident_mebibytes(stack.project)
    return sum(size for name, size in sizes.items() if "salambot.http.server" in name or "salambot.worker" in name)


def measure(stack: Stack, minutes: float) -> list[Row]:
    """Find what the stack can do, load it with less of it for so many minutes, then with more than that."""
    most = put_load(Job(f"{stack.gateway}/v1/generate/reply", bodies(), 16, 6, stack.headers)).rate
    calm, weights = put_mixed(stack, CALM * most, minutes * 60, lambda: memory(stack))
    flood, _ = put_mixed(stack, TOO_MUCH * most, TOO_MUCH_S, lambda: None)
    return [*_calm_rows(calm, weights, minutes), *_flood_rows(flood, calm)]


def _calm_rows(calm: MixedFigures, weights: list[float], minutes: float) -> list[Row]:
    fifth = max(1, len(weights) // 5)
    before, after = (statistics.median(part) for part in (weights[fifth : 2 * fifth] or weights, weights[-fifth:]))
    unanswered = sum(calm.failed.values()) + calm.shed
    return [
        Row(
            f"answered, at {calm.offered:.0f} a second for {minutes:g} minutes",
            calm.answered, calm.offered, "/s", calm.offered * 0.99, "all", more_is_better=True,
        ),
        Row("not answered", unanswered, None, "", 0, "none"),
        Row("median", calm.p50, None, "ms", float("inf"), ""),
        Row("slowest twentieth", calm.p95, None, "ms", float("inf"), ""),
        Row("slowest hundredth", calm.p99, None, "ms", 500, "≤ 500 ms"),
        Row("first word of a streamed reply, slowest twentieth", calm.first_byte_p95, None, "ms", float("inf"), ""),
        Row("services and worker at the end, beside the second fifth", after, before, "MiB", before * 1.03, "≤ 1.03 ×"),
    ]  # fmt: skip


def _flood_rows(flood: MixedFigures, calm: MixedFigures) -> list[Row]:
    failed = sum(flood.failed.values())
    for kind, times in flood.failed.items():
        print(f"{times} × {kind}", file=sys.stderr)
    return [
        Row(
            f"answered, at {flood.offered:.0f} a second",
            flood.answered, flood.offered, "/s", calm.answered, "≥ what calm ones were", more_is_better=True,
        ),
        Row("refused with 429 or 503", flood.shed, flood.requests, "", 1, "some", more_is_better=True),
        Row("refusals, slowest hundredth", flood.shed_p99, None, "ms", flood.p99, "no later than an answer"),
        Row("what was accepted, slowest hundredth", flood.p99, calm.p99, "ms", 1000, "≤ 1 s"),
        Row("neither answered nor refused", failed, None, "", 0, "none"),
    ]  # fmt: skip


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long the calm load lasts")
    given = parser.parse_args()
    with running_stack() as stack:
        table = markdown(measure(stack, given.minutes))
    print(table)
    put("load", table)


if __name__ == "__main__":
    main()
