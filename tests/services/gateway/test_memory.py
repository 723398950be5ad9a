"""What strangers can make a gateway hold: floods and held connections of many kinds, at both of its listeners."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.attacks.http import FLOODS, HOLDS
from bench.attacks.target import Target, measure
from tests import events
from tests.servers import free_port, wait_until_it_answers

# It floods a gateway of its own: by gigabytes, and beside nothing else of this file.
pytestmark = [pytest.mark.stack, pytest.mark.timing, pytest.mark.xdist_group("memory")]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Target]]:
    """Start the gateway as it is started for real, with nothing behind it."""
    near, public = free_port(), free_port()
    environ = {
        "INTERNAL_TOKEN": "t",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "POSTGRES_URL": "postgres://a:b@127.0.0.1:1/x",
        "INGRESS_PORT": str(public),
        "META_APP_SECRET": events.APP_SECRET,
        "WEBHOOK_SECRET": events.WEBHOOK_SECRET,
        "TELEGRAM_WEBHOOK_SECRET": events.TELEGRAM_SECRET,
        "PYTHONPATH": str(Path(__file__).parents[3] / "services"),
    }
    command = [sys.executable, "-m", "salambot.http.server", "gateway", "--port", str(near)]
    folder = tmp_path_factory.mktemp("memory")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until_it_answers(process, f"http://127.0.0.1:{near}")
        yield {"own": Target(near, process.pid), "tunnel": Target(public, process.pid)}
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.parametrize("listener", ["own", "tunnel"])
@pytest.mark.parametrize("name", [*FLOODS, *HOLDS])
def test_an_attack_costs_little_and_disturbs_nobody(targets: dict[str, Target], listener: str, name: str) -> None:
    measured = measure(name, {**FLOODS, **HOLDS}[name], targets[listener])
    assert measured.holds, measured.row()
