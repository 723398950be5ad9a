"""A gateway that is asked to end lets what is under way end first, for as long as it was told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from salambot.http.listener import STOP_SECONDS
from tests.fakes.issuer import Issuer
from tests.fakes.peers import Peers
from tests.servers import free_port
from tests.services.channels.conftest import wait_until_it_answers
from tests.services.gateway.conftest import Message, World


@pytest.fixture
def gateway(_world: World, peers: Peers, redis_url: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Return a gateway as a process of its own that gives requests 60 s, and its URL."""
    del peers, redis_url
    port = free_port()
    environ = os.environ | {name.upper(): str(value) for name, value in _world.settings.items()}
    command = [sys.executable, "-m", "salambot.http.server", "gateway", "--port", str(port), "--grace", "60"]
    environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until_it_answers(process, f"http://127.0.0.1:{port}")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def test_a_reply_that_takes_longer_than_usual_is_given_before_the_end(
    gateway: tuple[subprocess.Popen[bytes], str], peers: Peers, issuer: Issuer, message: Message
) -> None:
    process, url = gateway
    peers.fault = "hangs"
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    with ThreadPoolExecutor(1) as threads, httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        asked = threads.submit(client.post, "/v1/generate/reply", json=message)
        assert peers.arrived.wait(60)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):  # it works on beyond what it would have got without `--grace`
            process.wait(STOP_SECONDS + 1)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health", trust_env=False)
        peers.go_on.set()
        assert asked.result(timeout=60).status_code == 200
    assert process.wait(60) in {0, -15}
