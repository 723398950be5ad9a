"""What a port that does not speak as Redis does means, by how it fails and where it stands."""

import pytest

from salambot_cli.doctor.redis import RedisTarget, neither
from salambot_cli.host.probe_tcp import Reach

CACHE = "master.kb.x1.euw1.cache.amazonaws.com"


@pytest.mark.parametrize(
    ("host", "how", "plain", "finding"),
    [
        (CACHE, Reach.RESET, b"", "redis.write-refused"),
        (CACHE, Reach.MUTE, b"", "redis.wrong-service"),
        (CACHE, Reach.NO_TLS, b"HTTP/1.1 400", "redis.wrong-service"),
        ("cache.example", Reach.RESET, b"", "redis.wrong-service"),
    ],
)
def test_a_cache_that_closes_at_once_has_no_room(host: str, how: Reach, plain: bytes, finding: str) -> None:
    found = neither(
        RedisTarget(host=host, port=6379, tls=True, user=None, database=0, ca=None, password="x"), how, plain
    )

    assert found.id == finding
