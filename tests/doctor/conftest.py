"""What the tests of the doctor and of AWS share."""

from collections.abc import Iterator

import pytest

from tests.doctor.cloud import Moto


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """One AWS for this worker."""
    server = Moto()
    server.start()
    try:
        yield server
    finally:
        server.stop()
