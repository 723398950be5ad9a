"""Requests without a pause, over connections that stay open, while something else happens."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from salambot_cli.outside.keys import mint_token

CLAIMS = {"tenant": "demo", "issuer": "local-idp", "audience": "gateway", "seconds": 600, "scope": None}


def search(client: httpx.Client, token: str) -> int:
    """Search once; return the status."""
    body = {"query": "remboursement", "tenant": "demo", "top_k": 1}
    return client.post("/v1/search/query", json=body, headers={"Authorization": f"Bearer {token}"}).status_code


@contextmanager
def load(url: str, ask: Callable[[httpx.Client], int]) -> Iterator[list[int]]:
    """Ask without a pause, over connections that stay open; yield the statuses so far."""
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
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


def search_now(root: Path) -> Callable[[httpx.Client], int]:
    """Search with a token of that moment."""
    return lambda client: search(client, mint_token(root, **CLAIMS))  # type: ignore[arg-type] # the claims above
