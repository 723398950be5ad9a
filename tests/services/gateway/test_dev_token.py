"""The literal `dev-token`: every condition by itself, because each of them alone keeps strangers out."""

import os
import subprocess
import sys
from ipaddress import ip_address

import pytest

from salambot.gateway.client_address import TrustedProxies, own_networks
from tests.services.gateway.conftest import Gateway, Message, StartGateway

DEV = {"Authorization": "Bearer dev-token"}


@pytest.mark.parametrize("env", ["local", "cloud-local"])
def test_it_opens_the_configured_tenant_to_this_machine(
    start_gateway: StartGateway, message: Message, env: str
) -> None:
    gateway = start_gateway(env=env, allow_dev_token=True)
    assert gateway.reply(message, **DEV).status_code == 200
    assert gateway.reply(message, **DEV, X_SalamBot_Tenant="demo").status_code == 200
    assert gateway.search({"query": "x", "tenant": "demo"}, **DEV).status_code == 200


def test_it_opens_no_other_tenant(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(allow_dev_token=True)
    assert gateway.reply({**message, "tenant": "other"}, **DEV).json()["code"] == "tenant_mismatch"


def test_it_needs_the_flag(gateway: Gateway, message: Message) -> None:
    assert gateway.reply(message, **DEV).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Proto": "https"},
        {"X-FORWARDED-ANYTHING": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"CF-Connecting-IP": "127.0.0.1"},
        {"cf-ray": "1"},
        *(
            {name: "127.0.0.1"}
            for name in (
                "Via",
                "X-Real-IP",
                "True-Client-IP",
                "X-Client-IP",
                "X-Cluster-Client-IP",
                "X-Envoy-External-Address",
                "X-Azure-ClientIP",
                "X-Azure-Ref",
                "X-Amzn-Trace-Id",
                "X-Amz-Cf-Id",
                "X-ARR-LOG-ID",
                "Fastly-Client-IP",
                "X-Original-Forwarded-For",
                "X-Original-Host",
                "CDN-Loop",
                "Fly-Client-IP",
                "X-AppEngine-User-IP",
                "X-Vercel-Id",
                "X-Nginx-Proxy",
                "X-ProxyUser-Ip",
                "X-Remote-IP",
                "X-Remote-Addr",
                "Proxy-Connection",
                "X-Cloud-Trace-Context",
                "X-Nf-Client-Connection-IP",
                "X-Originating-IP",
                "Akamai-Origin-Hop",
            )
        ),
        {"Host": "example.org"},
        {"Host": "localhost.example.org"},
        {"Host": "salam.trycloudflare.com"},
        {"Host": "127.0.0.2"},
    ],
    ids=str,
)
def test_it_is_refused_through_a_proxy_or_another_host(
    start_gateway: StartGateway, message: Message, headers: dict[str, str]
) -> None:
    gateway = start_gateway(allow_dev_token=True)
    response = gateway.client.post("/v1/generate/reply", json=message, headers={**DEV, **headers})
    assert response.status_code == 401


def test_what_a_client_itself_sends_is_no_sign_of_a_proxy(start_gateway: StartGateway, message: Message) -> None:
    own = {"User-Agent": "x", "Accept-Language": "fr", "traceparent": "00-0-0-00", "X-Requested-With": "XMLHttpRequest",
           "Idempotency-Key": "a", "Cookie": "a=b", "Origin": "http://localhost", "Sec-Fetch-Site": "none"}  # fmt: skip
    gateway = start_gateway(allow_dev_token=True)
    assert gateway.reply(message, **DEV, **own).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:9", "gateway:8080"])
def test_the_names_of_this_machine_are_accepted(start_gateway: StartGateway, message: Message, host: str) -> None:
    gateway = start_gateway(allow_dev_token=True)
    response = gateway.client.post("/v1/generate/reply", json=message, headers={**DEV, "Host": host})
    assert response.status_code == 200


def _scope(client: str | None, *headers: tuple[bytes, bytes]) -> dict[str, object]:
    return {"client": (client, 1) if client else None, "headers": [(b"host", b"localhost:8080"), *headers]}


@pytest.mark.parametrize(
    ("client", "near"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.168.1.20", False),
        ("172.18.0.1", False),
        ("8.8.8.8", False),
        ("not an address", False),
        (None, False),
    ],
)
def test_only_loopback_is_near(client: str | None, near: bool) -> None:
    assert TrustedProxies(compose=False).is_local(_scope(client)) is near


def test_in_compose_the_networks_of_the_container_are_near_too() -> None:
    peers = TrustedProxies(compose=True)
    for network in own_networks():
        assert peers.is_local(_scope(str(network[1])))
        assert not peers.is_local(_scope(str(network[1]), (b"cf-ray", b"1")))
    assert not peers.is_local(_scope("8.8.8.8"))
    assert all(ip_address(network[0]).is_private for network in own_networks())


@pytest.mark.parametrize("env", ["staging", "production"])
def test_elsewhere_the_gateway_refuses_to_start_with_the_flag(env: str) -> None:
    variables = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ},
        "ENV": env,
        "ALLOW_DEV_TOKEN": "true",
        "INTERNAL_TOKEN": "internal-canary",
        "REDIS_URL": "redis://:redis-canary@127.0.0.1:1/0",
    }
    command = [sys.executable, "-m", "salambot.http.server", "gateway", "--port", "1"]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 2
    assert "ALLOW_DEV_TOKEN" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "canary" not in ended.stderr
