"""A gateway on a real socket, before a real Valkey, an issuer and the two services behind it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from salambot.gateway.app import create_app
from salambot.gateway.settings import GatewaySettings
from tests.fakes.issuer import Issuer
from tests.fakes.peers import Peers
from tests.servers import ValkeyServer, serving

Message = dict[str, object]


@dataclass(frozen=True)
class Gateway:
    """A running gateway, a client with a good token, and what stands around it."""

    client: httpx.Client
    peers: Peers
    issuer: Issuer
    redis_url: str

    def reply(self, message: Message, **headers: str) -> httpx.Response:
        """Ask for a reply."""
        return self.client.post("/v1/generate/reply", json=message, headers=_named(headers))

    def search(self, message: Message, **headers: str) -> httpx.Response:
        """Search."""
        return self.client.post("/v1/search/query", json=message, headers=_named(headers))


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Return the identity provider; its keys take a while to make."""
    return Issuer()


@dataclass(frozen=True)
class World:
    """What gateways of this worker share: the services behind them, and the settings that name all around them."""

    peers: Peers
    settings: dict[str, object]


@pytest.fixture(scope="session")
def _world(issuer: Issuer, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    jwks = tmp_path_factory.mktemp("issuer") / "jwks.json"
    jwks.write_text(issuer.jwks())
    peers = Peers()
    with serving(peers.app) as behind:
        settings: dict[str, object] = {
            "internal_token": "internal-canary",
            "redis_url": valkey_server.url(),
            "orchestrateur_url": behind,
            "rag_url": behind,
            "jwt_jwks": str(jwks),
            "rate_limit_generate": "1000/minute",
            "rate_limit_client": "1000/minute",
        }
        yield World(peers, settings)


@pytest.fixture(scope="session")
def _usual_url(_world: World) -> Iterator[str]:
    with serving(create_app(GatewaySettings.model_validate(_world.settings))) as url:
        yield url


@pytest.fixture
def peers(_world: World, redis_url: str) -> Iterator[Peers]:
    """Return the services behind the gateway, without faults or memories; Redis is empty too."""
    del redis_url
    _world.peers.reset()
    yield _world.peers
    _world.peers.go_on.set()


def _client(issuer: Issuer, url: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    return httpx.Client(base_url=url, headers=headers, timeout=60, verify=False)  # noqa: S501 - it is plain HTTP


@pytest.fixture
def gateway(issuer: Issuer, peers: Peers, redis_url: str, _usual_url: str) -> Iterator[Gateway]:
    """Return a gateway as it usually runs."""
    with _client(issuer, _usual_url) as client:
        yield Gateway(client, peers, issuer, redis_url)


StartGateway = Callable[..., Gateway]


@pytest.fixture
def start_gateway(issuer: Issuer, peers: Peers, redis_url: str, _world: World) -> Iterator[StartGateway]:
    """Return a function that starts a gateway with these settings changed."""
    with ExitStack() as stack:

        def start(**settings: object) -> Gateway:
            app = create_app(GatewaySettings.model_validate({**_world.settings, **settings}))
            client = _client(issuer, stack.enter_context(serving(app)))
            return Gateway(stack.enter_context(client), peers, issuer, redis_url)

        yield start


@pytest.fixture
def message() -> Message:
    """Return the canonical request for a reply."""
    return {
        "schema_version": "1.0",
        "tenant": "demo",
        "channel": "webchat",
        "message_id": "msg_smoke",
        "correlation_id": "corr_smoke",
        "timestamp": "2025-08-14T10:00:00Z",
        "locale": "fr-MA",
        "data": {"prompt": "Bonjour SalamBot", "context": []},
    }
