"""Requests without a pause, over connections that stay open, while something else happens."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from salambot_cli.host.keys import mint_token

ENOUGH = 20
PATIENCE_SECONDS = 120
CLAIMS = {"tenant": "demo", "issuer": "local-idp", "audience": "gateway", "seconds": 600, "scope": None}


def search(client: httpx.Client, token: str) -> int:
    """Search once; return the status."""
    body = {"query": "remboursement", "tenant": "demo", "top_k": 1}
    return client.post("/v1/search/query", json=body, headers={"Authorization": f"Bearer {token}"}).status_code


@contextmanager
def load(url: str, ask: Callable[[httpx.Client], int]) -> Iterator[list[int]]:
    """Ask without a pause, over connections that stay open; yield the statuses so far.

    The block begins once something was answered, and ends with more than ENOUGH answers, however slow the machine is.
    """
    over, statuses = threading.Event(), list[int]()

    def go_on() -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            while not over.is_set():
                try:
                    statuses.append(ask(client))
                except httpx.TransportError:
                    statuses.append(0)

    threads = [threading.Thread(target=go_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        _until_more_than(0, statuses)
        yield statuses
        _until_more_than(ENOUGH, statuses)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _until_more_than(number: int, statuses: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(statuses) <= number:
        assert time.monotonic() < deadline, f"{len(statuses)} answers in {PATIENCE_SECONDS} s"
        time.sleep(0.02)


def search_now(root: Path) -> Callable[[httpx.Client], int]:
    """Search with a token of that moment."""
    return lambda client: search(client, mint_token(root, **CLAIMS))  # type: ignore[arg-type] # the claims above
