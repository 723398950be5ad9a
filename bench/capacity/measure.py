"""What one message costs: processor time of every process of a running stack, over many messages of each kind."""

import json
import time
from collections import Counter

import psutil

from bench.capacity.plan import PODS
from bench.chain import bodies, put_load
from bench.load.closed import Job
from bench.stack import Stack
from bench.webhooks import put_load as put_webhooks

SECONDS = 10.0
MESSAGES_A_SECOND = 60.0
_QUIET = 0.05
"""Seconds of processor time in a second with which a worker counts as done."""


def processor_seconds(stack: Stack) -> Counter[str]:
    """Return the processor time of the stack's processes until now, by what they are."""
    spent: Counter[str] = Counter()
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if str(stack.project) in f"{process.cwd()} {words}" and (name := _name(process.name(), words)):
                times = process.cpu_times()
                spent[name] += times.user + times.system + times.children_user + times.children_system
        except psutil.Error:
            continue
    return spent


def _name(program: str, words: str) -> str | None:
    if "salambot.worker" in words:
        return "worker"
    for name in PODS:
        if f"salambot.http.server {name}" in words:
            return name
    if "postgres" in program:
        return "postgres"
    return "redis" if "valkey" in program else None


def measure(stack: Stack) -> dict[str, dict[str, float]]:
    """Return milliseconds by route and process. Each question is asked once, so that no cache answers it."""
    unlike = [_numbered(body) for body in bodies()]
    url = f"{stack.gateway}/v1/generate/reply"
    put_load(Job(url, unlike, 8, 2, stack.headers))
    before = processor_seconds(stack)
    replies = put_load(Job(url, unlike, 8, SECONDS, stack.headers)).requests
    between = processor_seconds(stack)
    messages = put_webhooks(stack, stack.gateway, seconds=SECONDS, rate=MESSAGES_A_SECOND).requests
    _await_the_worker(stack)
    after = processor_seconds(stack)
    reply, message = _each(before, between, replies), _each(between, after, messages)
    # All webhooks of the load ask the same: what that saves in the search is no customers' doing.
    return {"reply": reply, "message": message | {"rag": max(reply["rag"], message["rag"])}}


def _numbered(body: str) -> str:
    message = json.loads(body)
    message["data"]["prompt"] += " {n}"
    return json.dumps(message)


def _each(before: Counter[str], after: Counter[str], times: int) -> dict[str, float]:
    return {name: (after[name] - before[name]) * 1000 / times for name in (*PODS, "postgres", "redis")}


def _await_the_worker(stack: Stack) -> None:
    spent = processor_seconds(stack)["worker"]
    while True:
        time.sleep(1)
        now = processor_seconds(stack)["worker"]
        if now - spent < _QUIET:
            return
        spent = now
