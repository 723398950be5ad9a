"""Tokens: whom the gateway believes, and every way of not deserving it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
from fastapi import FastAPI, Response

from tests.fakes.issuer import Issuer, segment
from tests.servers import serving
from tests.services.gateway.conftest import Gateway, Message, StartGateway

NOW = int(time.time())


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_each_allowed_algorithm_is_believed(gateway: Gateway, message: Message, algorithm: str) -> None:
    token = gateway.issuer.token(algorithm)
    for _ in range(2):  # the second time from memory
        assert gateway.reply(message, Authorization=f"Bearer {token}").status_code == 200


def test_the_scheme_is_case_insensitive(gateway: Gateway, message: Message) -> None:
    assert gateway.reply(message, Authorization=f"bEARER {gateway.issuer.token()}").status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 120, "iat": NOW - 600},
        {"iss": "elsewhere"},
        {"aud": "another"},
        {"exp": None},
        {"iat": None},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"tenant": None},
        {"tenant": ""},
        {"tenant": ["demo"]},
        {"tenant": "Démo"},
        {"sub": 7},
        {"exp": NOW + 7200},
        {"iat": NOW + 86_400, "exp": NOW + 86_700},
        {"nbf": NOW + 86_400},
        {"exp": "soon"},
        {"exp": 1e308 * 10},
        {"scope": 5},
    ],
    ids=",".join,  # not the values: two workers collect at two moments
)
def test_a_token_with_wrong_claims_is_refused(gateway: Gateway, message: Message, claims: dict[str, object]) -> None:
    response = gateway.reply(message, Authorization=f"Bearer {gateway.issuer.token(**claims)}")
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_clocks_may_differ_by_a_minute(gateway: Gateway, message: Message) -> None:
    now = int(time.time())
    for claims in ({"exp": now - 30, "iat": now - 600}, {"iat": now + 30, "exp": now + 600}):
        assert gateway.reply(message, Authorization=f"Bearer {gateway.issuer.token(**claims)}").status_code == 200


def _unsigned(issuer: Issuer) -> str:
    return f"{segment({'alg': 'none', 'typ': 'JWT'})}.{segment(issuer.claims())}."


def _unsigned_with_key_id(issuer: Issuer) -> str:
    return f"{segment({'alg': 'None', 'kid': 'RS256'})}.{segment(issuer.claims())}.AAAA"


def _signed_with_the_public_key(issuer: Issuer) -> str:
    import hashlib
    import hmac
    from base64 import urlsafe_b64encode

    signed = f"{segment({'alg': 'HS256', 'typ': 'JWT', 'kid': 'RS256'})}.{segment(issuer.claims())}"
    signature = hmac.new(issuer.pem("RS256"), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _foreign(_: Issuer) -> str:
    return Issuer().token("ES256")


def _of_another_algorithm(issuer: Issuer) -> str:
    return issuer.token("ES256", headers={"kid": "RS256"})


def _rsa_of_another_strength(issuer: Issuer) -> str:
    return jwt.encode(issuer.claims(), issuer.keys["RS256"], "PS256", headers={"kid": "RS256"})


def _of_an_unknown_key(issuer: Issuer) -> str:
    return issuer.token("ES256", headers={"kid": "made-up"})


def _with_its_own_key(_: Issuer) -> str:
    other = Issuer()
    jwk = json.loads(other.jwks("ES256"))["keys"][0]
    headers = {"jwk": jwk, "jku": "http://127.0.0.1:9/jwks.json", "x5u": "http://127.0.0.1:9/x", "kid": "ES256"}
    return other.token("ES256", headers=headers)


def _tampered(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    return f"{head}.{segment(issuer.claims(tenant='other'))}.{signature}"


def _critical(issuer: Issuer) -> str:
    return issuer.token(headers={"crit": ["unknown"], "unknown": True})


def _nested(_: Issuer) -> str:
    from base64 import urlsafe_b64encode

    return f"{urlsafe_b64encode(b'[' * 4000).rstrip(b'=').decode()}.e30.AAAA"


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned,
        _unsigned_with_key_id,
        _signed_with_the_public_key,
        _foreign,
        _of_another_algorithm,
        _rsa_of_another_strength,
        _of_an_unknown_key,
        _with_its_own_key,
        _tampered,
        _critical,
        _nested,
        lambda _: "a.b.c",
        lambda _: "x" * 20_000,
        lambda _: "dev-token",
    ],
)
def test_a_forged_token_is_refused(gateway: Gateway, message: Message, forge: Callable[[Issuer], str]) -> None:
    response = gateway.reply(message, Authorization=f"Bearer {forge(gateway.issuer)}")
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    assert gateway.peers.received == []


@pytest.mark.parametrize("value", ["Basic ZGVtbzpkZW1v", "Bearer", "Bearer a b", "Bearer é", "Token x", ""])
def test_another_authorization_is_refused(gateway: Gateway, message: Message, value: str) -> None:
    headers = [("Authorization", value.encode())]
    assert gateway.client.post("/v1/generate/reply", json=message, headers=headers).status_code == 401


def test_two_authorizations_are_refused(gateway: Gateway, message: Message) -> None:
    good = gateway.client.headers.pop("Authorization")
    headers = [("Authorization", good), ("Authorization", good)]
    assert gateway.client.post("/v1/generate/reply", json=message, headers=headers).status_code == 401


def test_token_header_and_body_must_name_one_tenant(gateway: Gateway, message: Message) -> None:
    token = f"Bearer {gateway.issuer.token(tenant='other')}"
    responses = {
        "claim": gateway.reply(message, Authorization=token, X_SalamBot_Tenant="demo"),
        "header": gateway.reply(message, X_SalamBot_Tenant="other"),
        "body": gateway.reply({**message, "tenant": "other"}, X_SalamBot_Tenant="demo"),
        "claim, no header": gateway.reply(message, Authorization=token),
        "search header": gateway.search({"query": "x", "tenant": "demo"}, X_SalamBot_Tenant="other"),
        "search body": gateway.search({"query": "x", "tenant": "other"}),
    }
    found = {name: (response.status_code, response.json()["code"]) for name, response in responses.items()}
    assert found == dict.fromkeys(responses, (403, "tenant_mismatch"))
    assert gateway.peers.received == []


def test_two_tenant_headers_must_agree_too(gateway: Gateway, message: Message) -> None:
    headers = [("X-SalamBot-Tenant", "demo"), ("X-SalamBot-Tenant", "other")]
    assert gateway.client.post("/v1/generate/reply", json=message, headers=headers).status_code == 403


def test_a_scope_limits_what_may_be_asked(gateway: Gateway, message: Message) -> None:
    search = {"query": "x", "tenant": "demo"}
    token = f"Bearer {gateway.issuer.token(scope='search profile')}"
    refused = gateway.reply(message, Authorization=token)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert gateway.search(search, Authorization=token).status_code == 200
    token = f"Bearer {gateway.issuer.token(scope='generate')}"
    assert gateway.reply(message, Authorization=token).status_code == 200
    assert gateway.search(search, Authorization=token).status_code == 403


def test_a_new_key_is_found_at_once_and_a_removed_one_forgotten(
    start_gateway: StartGateway, issuer: Issuer, message: Message, tmp_path: Path
) -> None:
    jwks = tmp_path / "rotating.json"
    jwks.write_text(issuer.jwks("RS256"))
    gateway = start_gateway(jwt_jwks=jwks.as_uri())
    old = f"Bearer {issuer.token('RS256')}"
    assert gateway.reply(message, Authorization=old).status_code == 200
    jwks.write_text(issuer.jwks("ES256"))
    deadline = time.monotonic() + 60
    while gateway.reply(message, Authorization=f"Bearer {issuer.token('ES256')}").status_code != 200:
        assert time.monotonic() < deadline
    assert gateway.reply(message, Authorization=old).status_code == 401


@pytest.fixture
def served_jwks(issuer: Issuer) -> Iterator[tuple[str, list[str]]]:
    """Serve the JWKS over HTTP; yield its URL and what asked for it."""
    app = FastAPI()
    asked: list[str] = []

    @app.get("/jwks.json")
    def jwks() -> Response:
        asked.append("x")
        return Response(issuer.jwks(), media_type="application/json")

    @app.get("/moved")
    def moved() -> Response:
        return Response(status_code=302, headers={"Location": "/jwks.json"})

    with serving(app) as url:
        yield url, asked


def test_keys_come_from_a_url_and_made_up_key_ids_do_not_drive_fetches(
    start_gateway: StartGateway, issuer: Issuer, message: Message, served_jwks: tuple[str, list[str]]
) -> None:
    url, asked = served_jwks
    gateway = start_gateway(jwt_jwks=f"{url}/jwks.json")
    assert gateway.reply(message).status_code == 200
    started = time.monotonic()
    for number in range(20):
        token = issuer.token(headers={"kid": f"made-up-{number}"})
        assert gateway.reply(message, Authorization=f"Bearer {token}").status_code == 401
    assert len(asked) <= 2 + (time.monotonic() - started)


@pytest.mark.parametrize("source", ["absent.json", "http://127.0.0.1:9/jwks.json", "{url}/moved", None])
def test_keys_that_cannot_be_had_are_a_503_that_says_so(
    start_gateway: StartGateway, message: Message, served_jwks: tuple[str, list[str]], source: str | None
) -> None:
    gateway = start_gateway(jwt_jwks=source and source.replace("{url}", served_jwks[0]))
    response = gateway.reply(message)
    assert (response.status_code, response.json()["code"]) == (503, "identity_provider_unavailable")


def test_a_symmetric_key_in_the_jwks_verifies_nothing(
    start_gateway: StartGateway, issuer: Issuer, message: Message, tmp_path: Path
) -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    oct_key = {"kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", "kid": "oct", "alg": "HS256"}
    jwks = json.loads(issuer.jwks("ES256"))
    jwks["keys"].append(oct_key)
    (tmp_path / "mixed.json").write_text(json.dumps(jwks))
    gateway = start_gateway(jwt_jwks=str(tmp_path / "mixed.json"))
    token = jwt.encode(issuer.claims(), secret, "HS256", headers={"kid": "oct"})
    assert gateway.reply(message, Authorization=f"Bearer {token}").status_code == 401
    assert gateway.reply(message, Authorization=f"Bearer {issuer.token()}").status_code == 200
