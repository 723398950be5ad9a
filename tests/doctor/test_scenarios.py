"""Every fault that can be made here is named exactly, and a healthy environment gives no finding."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.cloud import Moto, Parts
from tests.doctor.examine import examine
from tests.doctor.scenarios import SCENARIOS, Scenario
from tests.servers import PostgresServer, ValkeyServer


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """One AWS for this worker."""
    server = Moto()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def parts(
    moto: Moto, postgres_server: PostgresServer, valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> Parts:
    """The real servers, and an AWS SDK that finds nothing of this machine's."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    return Parts(postgres_server, valkey_server, moto, Path(tempfile.gettempdir()))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
async def test_the_doctor_names_the_root_causes_exactly(parts: Parts, scenario: Scenario) -> None:
    outcome = await examine(parts, scenario)

    told = {f.id: (f.title, dict(f.evidence)) for f in outcome.report.findings if f.status in {"fail", "warn"}}
    assert set(outcome.report.root_causes) == scenario.roots, told
    assert outcome.warned == scenario.warns, told
    assert outcome.exact, told
    assert not outcome.broken
    assert not outcome.leaks
