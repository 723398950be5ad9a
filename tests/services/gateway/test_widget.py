"""The widget's public channel: for listed origins, with a visitor's token, within limits, and nothing else."""

import gzip
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from salambot.core.problems import Problem
from salambot.gateway.visitor_tokens import VisitorTokens
from salambot.gateway.widget_settings import WidgetSettings
from tests.servers import free_port
from tests.services.gateway.conftest import Gateway, StartGateway

SHOP, BLOG = "https://shop.example", "http://127.0.0.1:3000"
SITES = [
    {"key": "shop", "tenant": "demo", "origins": [SHOP, "https://www.shop.example"]},
    {"key": "blog", "tenant": "atlas", "origins": [BLOG]},
]


@dataclass(frozen=True)
class Visitor:
    """A page of a site, in a browser."""

    gateway: Gateway
    site: str = "shop"
    origin: str | None = SHOP

    def post(self, action: str, **options: object) -> httpx.Response:
        """Ask as the page does: without the token of the API."""
        headers = {"Authorization": "", **({"Origin": self.origin} if self.origin else {})}
        headers |= options.pop("headers", {})  # type: ignore[arg-type]
        return self.gateway.client.post(f"/v1/widget/{self.site}/{action}", headers=headers, **options)  # type: ignore[arg-type]

    def token(self) -> str:
        """Return a token for a new visitor."""
        return str(self.post("session").raise_for_status().json()["token"])

    def say(self, token: str, prompt: str = "Salam", accept: str = "*/*", **more: object) -> httpx.Response:
        """Write a message."""
        message = {"message_id": "msg_1", "data": {"prompt": prompt, "context": []}, **more}
        return self.post("reply", json=message, headers={"Authorization": f"Bearer {token}", "Accept": accept})


Settings = dict[str, object]
StartVisitor = Callable[..., Visitor]


@pytest.fixture
def start_visitor(start_gateway: StartGateway) -> StartVisitor:
    """Return a function that starts a gateway with the widget's settings changed."""

    def start(settings: Settings | None = None, **changed: object) -> Visitor:
        return Visitor(start_gateway(widget={"sites": SITES, **changed}, **(settings or {})))

    return start


@pytest.fixture
def visitor(start_visitor: StartVisitor) -> Visitor:
    return start_visitor()


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_a_visitor_is_answered_as_the_sites_tenant(visitor: Visitor) -> None:
    answer = visitor.say(visitor.token(), "Retours ?", locale="fr-MA")
    assert answer.status_code == 200
    assert answer.json()["data"]["reply"]
    assert [citation["uri"] for citation in answer.json()["data"]["citations"]] == [""]
    asked = visitor.gateway.peers.received[-1]
    assert (asked["tenant"], asked["channel"], asked["prompt"]) == ("demo", "webchat", "Retours ?")
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_visitor_is_answered_in_a_stream(visitor: Visitor) -> None:
    answer = visitor.say(visitor.token(), accept="text/event-stream")
    names = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert names == ["reply.started", "reply.delta", "reply.delta", "reply.completed"]
    assert "file://" not in answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP


@pytest.mark.parametrize(
    "origin",
    [None, "null", BLOG, "http://shop.example", f"{SHOP}:8443", f"{SHOP}.evil.example", "https://evilshop.example",
     f"{SHOP}/", SHOP.upper(), f"{SHOP}, {BLOG}"],
)  # fmt: skip
def test_another_origin_gets_nothing(visitor: Visitor, origin: str | None) -> None:
    token = visitor.token()
    stranger = Visitor(visitor.gateway, "shop", origin)
    for refused in (stranger.post("session"), stranger.say(token)):
        assert code(refused) == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert visitor.gateway.peers.received == []


@pytest.mark.parametrize("site", ["other", "preview", "demo", "%2e%2e"])
def test_an_unknown_site_is_named(visitor: Visitor, site: str) -> None:
    assert code(Visitor(visitor.gateway, site).post("session"))[0] == 404


@pytest.mark.parametrize(("origin", "allowed"), [(SHOP, True), (BLOG, False), ("https://evil.example", False)])
def test_a_preflight_is_granted_to_the_sites_origins_alone(visitor: Visitor, origin: str, allowed: bool) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = visitor.gateway.client.options("/v1/widget/shop/reply", headers=asked)
    assert (answer.status_code == 200) is allowed
    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    elsewhere = visitor.gateway.client.options("/v1/generate/reply", headers=asked)
    assert "Access-Control-Allow-Origin" not in elsewhere.headers


def test_a_token_is_good_for_its_site_its_origin_and_nothing_else(visitor: Visitor) -> None:
    token = visitor.token()
    blog = Visitor(visitor.gateway, "blog", BLOG)
    www = Visitor(visitor.gateway, "shop", "https://www.shop.example")
    for refused in (blog.say(token), www.say(token)):
        assert code(refused) == (401, "invalid_token")
    api = visitor.gateway.client.post("/v1/generate/reply", json={}, headers={"Authorization": f"Bearer {token}"})
    assert code(api) == (401, "invalid_token")


def test_other_tokens_are_none_of_a_visitors(visitor: Visitor) -> None:
    for token in ("dev-token", visitor.gateway.issuer.token(), "x.y.z"):
        assert code(visitor.say(token)) == (401, "invalid_token")
    assert code(visitor.post("reply", json={})) == (401, "invalid_token")


def test_a_visitor_who_writes_too_often_waits_alone(start_visitor: StartVisitor) -> None:
    visitor = start_visitor(visitor_limit="2/minute")
    first, other = visitor.token(), visitor.token()
    assert [visitor.say(first).status_code for _ in range(3)] == [200, 200, 429]
    refused = visitor.say(first)
    assert int(refused.headers["Retry-After"]) > 0
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP
    assert visitor.say(other).status_code == 200
    assert code(visitor.post("session")) == (429, "rate_limited")


def test_a_site_has_a_limit_of_its_own(start_visitor: StartVisitor) -> None:
    visitor = start_visitor(site_limit="3/minute")
    tokens = [visitor.token() for _ in range(3)]
    assert [visitor.say(token).status_code for token in (*tokens, tokens[0])] == [200, 200, 200, 429]
    blog = Visitor(visitor.gateway, "blog", BLOG)
    assert blog.say(blog.token()).status_code == 200


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"message_id": "m"}, 422),
        ({"message_id": "m", "tenant": "atlas", "data": {"prompt": "x"}}, 422),
        ({"message_id": "m", "data": {"prompt": "x" * 2001}}, 422),
        ({"message_id": "m", "data": {"prompt": " "}}, 422),
        ({"message_id": "m", "data": {"prompt": "x", "context": [{"role": "user", "content": "y"}] * 21}}, 422),
        ({"message_id": "m", "data": {"prompt": "x" * 300_000}}, 413),
    ],
)
def test_a_wrong_message_is_a_problem_that_the_page_can_read(visitor: Visitor, message: Settings, status: int) -> None:
    answer = visitor.post("reply", json=message, headers={"Authorization": f"Bearer {visitor.token()}"})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP


def test_the_script_is_small_and_for_every_page(visitor: Visitor) -> None:
    script = visitor.gateway.client.get("/widget.js", headers={"Authorization": ""})
    assert script.status_code == 200
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert len(gzip.compress(script.content)) <= 30 * 1024


def test_without_a_site_there_is_no_widget(gateway: Gateway) -> None:
    assert gateway.client.get("/widget.js").status_code == 404
    assert code(Visitor(gateway).post("session")) == (404, "unknown_site")


def test_the_preview_is_for_the_gateways_own_page_on_this_machine(start_visitor: StartVisitor) -> None:
    visitor = start_visitor({"allow_dev_token": True})
    own = str(visitor.gateway.client.base_url).rstrip("/")
    preview = Visitor(visitor.gateway, "preview", own)
    assert preview.say(preview.token()).status_code == 200
    assert code(Visitor(visitor.gateway, "preview", SHOP).post("session")) == (403, "origin_not_allowed")
    assert code(preview.post("session", headers={"X-Forwarded-For": "8.8.8.8"})) == (404, "unknown_site")


@pytest.mark.parametrize("tunnel", [False, True])
def test_the_tunnel_leads_to_the_widget_only_if_the_owner_says_so(start_visitor: StartVisitor, tunnel: bool) -> None:
    port = free_port()
    start_visitor({"ingress_port": port}, tunnel=tunnel)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Origin": SHOP}) as public:
        expected = 200 if tunnel else 404
        assert public.get("/widget.js").status_code == expected
        assert public.post("/v1/widget/shop/session").status_code == expected
        assert public.post("/v1/generate/reply", json={}).status_code == 404
        assert public.get("/console").status_code == 404


def test_many_visitors_at_once_are_told_apart(start_visitor: StartVisitor) -> None:
    visitor = start_visitor(visitor_limit="60/minute")
    visitor.gateway.peers.echo = True
    tokens = [visitor.token() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: visitor.say(tokens[n], f"question {n}"), range(8)))
    assert len({jwt.decode(token, options={"verify_signature": False})["sub"] for token in tokens}) == 8
    assert all(answer.status_code == 200 for answer in answers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sites": [{"key": "shop", "tenant": "demo", "origins": ["https://*.shop.example"]}]},
        {"sites": [{"key": "shop", "tenant": "No Tenant", "origins": [SHOP]}]},
        {"visitor_limit": "often"},
        {"unknown": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: Settings) -> None:
    with pytest.raises(ValidationError):
        WidgetSettings.model_validate(wrong)


_NAMES = st.sampled_from(["shop", "blog", SHOP, BLOG, "", "null"])


@given(_NAMES, _NAMES, _NAMES, _NAMES)
def test_a_token_is_verified_for_what_it_was_issued(site: str, origin: str, asked_site: str, asked_origin: str) -> None:
    tokens = VisitorTokens(SecretStr("key"))
    token = tokens.issue(site, origin)
    if (site, origin) == (asked_site, asked_origin):
        assert tokens.verify(token, site, origin)
    else:
        with pytest.raises(Problem):
            tokens.verify(token, asked_site, asked_origin)


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_a_changed_token_is_worth_nothing(at: int, put: str) -> None:
    tokens = VisitorTokens(SecretStr("key"))
    token = tokens.issue("shop", SHOP)
    at %= len(token) - 1  # the last character holds bits that no one reads
    changed = token[:at] + put + token[at + 1 :]
    if changed != token:
        with pytest.raises(Problem):
            tokens.verify(changed, "shop", SHOP)


@given(st.text(max_size=200))
def test_any_text_is_refused_as_a_token(text: str) -> None:
    with pytest.raises(Problem):
        VisitorTokens(SecretStr("key")).verify(text, "shop", SHOP)


def test_a_rotation_keeps_visitors() -> None:
    token = VisitorTokens(SecretStr("old")).issue("shop", SHOP)
    assert VisitorTokens(SecretStr("new,old")).verify(token, "shop", SHOP)
    with pytest.raises(Problem):
        VisitorTokens(SecretStr("new")).verify(token, "shop", SHOP)


def test_an_expired_token_is_refused() -> None:
    tokens = VisitorTokens(SecretStr("key"), lifetime_s=-1)
    with pytest.raises(Problem):
        tokens.verify(tokens.issue("shop", SHOP), "shop", SHOP)
