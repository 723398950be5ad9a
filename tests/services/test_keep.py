"""The keeper of a service's port: the service ends and starts behind it, and nobody is turned away."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from salambot_cli.host.ports import free_port
from tests.load import load
from tests.servers import wait_until_it_answers

pytestmark = pytest.mark.slow

KEEP = Path(__file__).parents[2] / "services" / "keep.py"


class Keeper:
    """A keeper with `nlu` behind it, which needs nothing else."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": ":".join(sys.path)} | environ
        command = [sys.executable, str(KEEP), "nlu", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=self.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def service(self) -> psutil.Process:
        """Return the service that runs now."""
        (service,) = psutil.Process(self.process.pid).children()
        return service

    def renew(self) -> int:
        """Have the service renewed; return the status of the command."""
        command = [sys.executable, "-IS", str(KEEP), "renew"]
        return subprocess.run(command, env=self.environ, check=False, timeout=300).returncode


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path, INTERNAL_TOKEN="of-the-keeper")
    wait_until_it_answers(keeper.process, keeper.url)
    yield keeper
    keeper.process.terminate()
    keeper.process.wait(timeout=60)


def live(client: httpx.Client) -> int:
    return client.get("/health").status_code


def test_a_renewed_service_turns_nobody_away(keeper: Keeper) -> None:
    before = keeper.service()
    with load(keeper.url, live) as statuses:
        assert keeper.renew() == 0
        assert not before.is_running()
        assert keeper.renew() == 0
    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert keeper.service().environ()["SALAMBOT_LISTENER"]


def test_a_service_that_ends_by_itself_ends_the_keeper_with_its_status(keeper: Keeper) -> None:
    keeper.service().kill()
    assert keeper.process.wait(timeout=60) == 128 + signal.SIGKILL


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGHUP])
def test_the_keeper_ends_with_the_service_also_in_the_middle_of_its_renewal(
    keeper: Keeper, first: signal.Signals
) -> None:
    service = keeper.service()
    keeper.process.send_signal(first)
    keeper.process.send_signal(signal.SIGTERM)
    keeper.process.wait(timeout=60)
    assert not service.is_running()


def test_a_service_that_cannot_start_says_so(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, INTERNAL_TOKEN="")
    assert keeper.process.wait(timeout=60) == 2
