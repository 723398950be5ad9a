"""What comes in: verified before it is read, stored once, acknowledged fast; everything else is turned away."""

import asyncio
import gzip
import json
import math
import time
from typing import Any

import httpx
import pytest

from tests import events
from tests.events import by_meta, by_standard, messenger, messenger_message, whatsapp, whatsapp_message
from tests.services.channels.conftest import Shop, StartShop

ACCEPTED = {"status": "accepted", "accepted": 1, "duplicates": 0, "ignored": 0}
DUPLICATE = {"status": "duplicate", "accepted": 0, "duplicates": 1, "ignored": 0}
DAY = 86_400


def ignored(count: int) -> dict[str, Any]:
    return {"status": "ignored", "accepted": 0, "duplicates": 0, "ignored": count}


def code(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def test_a_message_of_each_channel_is_stored(shop: Shop) -> None:
    bodies = {
        "messenger": messenger(messenger_message("Bonjour")),
        "whatsapp": whatsapp(whatsapp_message("Salam")),
        "generic": events.generic(text="Hello"),
    }
    for channel, body in bodies.items():
        response = shop.post(channel, body)
        assert (response.status_code, response.json()) == (200, ACCEPTED)
        assert response.headers["x-correlation-id"]
    rows = await shop.rows()
    assert [(row["channel"], row["tenant"], row["content"], row["state"]) for row in rows] == [
        ("messenger", "demo", "Bonjour", "pending"),
        ("whatsapp", "demo", "Salam", "pending"),
        ("generic", "demo", "Hello", "pending"),
    ]
    assert [row["account"] for row in rows] == [events.PAGE, events.PHONE, "demo"]


@pytest.mark.parametrize("name", ["messenger", "whatsapp"])
def test_handshake(shop: Shop, name: str) -> None:
    def ask(**query: str) -> httpx.Response:
        return shop.client.get(f"/v1/webhooks/{name}", params={f"hub.{key}": value for key, value in query.items()})

    good = ask(mode="subscribe", verify_token="verify-canary", challenge="1158201444")
    assert (good.status_code, good.text) == (200, "1158201444")
    assert good.headers["content-type"].startswith("text/plain")
    assert code(ask(mode="subscribe", verify_token="wrong", challenge="1")) == (403, "verification_failed")
    assert code(ask(mode="unsubscribe", verify_token="verify-canary", challenge="1")) == (403, "verification_failed")
    assert code(ask(mode="subscribe", verify_token="é", challenge="1")) == (403, "verification_failed")
    assert code(ask()) == (403, "verification_failed")


def test_a_channel_without_its_secret_is_never_open(start_shop: StartShop) -> None:
    shop = start_shop(meta_app_secret=None, meta_verify_token=None, webhook_secret=None)
    for name in ("messenger", "whatsapp", "generic"):
        assert code(shop.post(name, b"{}", {"X-Hub-Signature-256": "sha256="})) == (503, "channel_not_configured")
    assert code(shop.client.get("/v1/webhooks/messenger")) == (503, "channel_not_configured")


def test_unknown_channels_do_not_exist(shop: Shop) -> None:
    assert code(shop.post("base", b"{}")) == (404, "not_found")
    assert code(shop.client.get("/v1/webhooks/signal")) == (404, "not_found")
    assert code(shop.client.get("/v1/webhooks/generic")) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("headers", "expected", "cause"),
    [
        ({}, "missing_signature", "missing"),
        ({"X-Hub-Signature": "sha1=0"}, "missing_signature", "missing"),
        ({"X-Hub-Signature-256": "sha256=00"}, "invalid_signature", "malformed"),
        ({"X-Hub-Signature-256": f"sha256={'0' * 64}"}, "invalid_signature", "wrong_secret"),
        (by_meta(json.dumps({"object": "page", "t": "سلام"}).encode()), "invalid_signature", "rewritten"),
    ],
)
async def test_a_refused_signature_is_explained_in_private(
    shop: Shop, capsys: pytest.CaptureFixture[str], headers: dict[str, str], expected: str, cause: str
) -> None:
    body = json.dumps({"object": "page", "t": "سلام"}, ensure_ascii=False).encode()
    line = f'salambot_webhook_refusals_total{{cause="{cause}",channel="messenger"}}'
    before = shop.metric(line)
    response = shop.post("messenger", body, {"Content-Type": "application/json", **headers})
    assert code(response) == (401, expected)
    assert response.headers["www-authenticate"]
    assert cause == "missing" or cause not in response.text
    assert shop.metric(line) == before + 1
    assert await shop.rows() == []
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "webhook refused" in line]
    assert cause in told


@pytest.mark.parametrize(
    ("sent", "cause"), [(b'{ "t":"\xd8\xb3"}', "rewritten"), (b'{"t": "\xd8\xb4"}', "wrong_secret")]
)
def test_a_refused_signature_of_the_generic_channel_is_explained_in_private(
    shop: Shop, sent: bytes, cause: str
) -> None:
    line = f'salambot_webhook_refusals_total{{cause="{cause}",channel="generic"}}'
    before = shop.metric(line)
    response = shop.post("generic", sent, by_standard(b'{"t": "\\u0633"}'))
    assert code(response) == (401, "invalid_signature")
    assert cause not in response.text
    assert shop.metric(line) == before + 1


async def test_of_two_signatures_the_first_counts(shop: Shop) -> None:
    body = messenger(messenger_message())
    name, good, wrong = "X-Hub-Signature-256", by_meta(body)["X-Hub-Signature-256"], f"sha256={'0' * 64}"
    for first, second, status in ((wrong, good, 401), (f"{good}, {good}", good, 401), (good, wrong, 200)):
        answer = shop.client.post("/v1/webhooks/messenger", content=body, headers=[(name, first), (name, second)])
        assert answer.status_code == status
    assert len(await shop.rows()) == 1


async def test_an_unverified_body_is_not_even_read(shop: Shop) -> None:
    assert code(shop.post("messenger", b"{", {"X-Hub-Signature-256": f"sha256={'0' * 64}"}))[0] == 401
    assert code(shop.post("messenger", b"{")) == (400, "bad_json")
    assert code(shop.post("messenger", gzip.compress(messenger(messenger_message())))) == (400, "bad_json")


async def test_what_is_signed_but_of_another_shape_is_acknowledged(shop: Shop) -> None:
    for body in (b"[]", b"null", b'"x"', b"{}", b'{"object":"page","entry":{}}', b'{"object":"page","entry":[null,1]}'):
        assert shop.post("messenger", body).json() == ignored(0)
    assert shop.post("messenger", messenger({"x": 1}, {"sender": {"id": "u"}})).json() == ignored(2)


def test_limits_of_a_body(shop: Shop) -> None:
    limit = 3 * 1024 * 1024
    assert shop.post("messenger", b" " * (limit - 2) + b"{}").status_code == 200
    assert code(shop.post("messenger", b" " * (limit - 1) + b"{}")) == (413, "body_too_large")
    bomb = gzip.compress(b" " * 100_000_000)
    headers = {**by_meta(bomb), "Content-Encoding": "gzip"}
    assert code(shop.post("messenger", bomb, headers)) == (415, "unsupported_encoding")


async def test_text_arrives_whatever_it_holds(shop: Shop) -> None:
    text = "سلام 😀 a\\/b \u0000 \ud83d"
    raw = messenger(messenger_message(text))
    assert shop.post("messenger", raw).json() == ACCEPTED
    (row,) = await shop.rows()
    assert row["content"] == "سلام 😀 a\\/b  ?"


async def test_a_repeated_delivery_is_a_duplicate(shop: Shop) -> None:
    body = whatsapp(whatsapp_message())
    assert shop.post("whatsapp", body).json() == ACCEPTED
    assert shop.post("whatsapp", body).json() == DUPLICATE
    assert len(await shop.rows()) == 1


async def test_a_delivery_repeated_at_once_on_many_connections_is_stored_once(shop: Shop) -> None:
    body = messenger(messenger_message())
    async with httpx.AsyncClient(base_url=shop.client.base_url, trust_env=False, timeout=60) as client:
        posts = [client.post("/v1/webhooks/messenger", content=body, headers=by_meta(body)) for _ in range(20)]
        answers = [response.json() for response in await asyncio.gather(*posts)]
    assert sorted(answer["status"] for answer in answers) == ["accepted"] + ["duplicate"] * 19
    assert len(await shop.rows()) == 1


async def test_the_same_id_in_another_channel_is_another_message(shop: Shop) -> None:
    assert shop.post("messenger", messenger(messenger_message(mid="same"))).json() == ACCEPTED
    assert shop.post("whatsapp", whatsapp(whatsapp_message(mid="same"))).json() == ACCEPTED


async def test_a_batch_is_looked_at_item_by_item(shop: Shop) -> None:
    messages = [messenger_message(f"n {n}", mid=f"m_{n}", sender=f"u{n % 7}") for n in range(1000)]
    document = json.loads(messenger())
    document["entry"] = [{"id": events.PAGE, "time": 1, "messaging": [message]} for message in messages]
    response = shop.post("messenger", json.dumps(document).encode())
    assert response.json() == {"status": "accepted", "accepted": 1000, "duplicates": 0, "ignored": 0}
    rows = await shop.rows()
    assert [row["message_id"] for row in rows] == [f"m_{n}" for n in range(1000)]
    assert len({row["party"] for row in rows}) == 7


async def test_a_repeated_item_within_a_batch_is_a_duplicate(shop: Shop) -> None:
    answer = shop.post("messenger", messenger(messenger_message(), messenger_message(), messenger_message(mid="m_2")))
    assert answer.json() == {"status": "accepted", "accepted": 2, "duplicates": 1, "ignored": 0}


MESSENGER_NOISE: list[dict[str, Any]] = [
    {**messenger_message(), "message": {"mid": "m", "text": "x", "is_echo": True}},
    messenger_message(sender=events.PAGE),
    {"sender": {"id": "u"}, "timestamp": 1, "delivery": {"mids": ["m"], "watermark": 1}},
    {"sender": {"id": "u"}, "timestamp": 1, "read": {"watermark": 1}},
    {"sender": {"id": "u"}, "timestamp": 1, "reaction": {"mid": "m", "emoji": "x"}},
    {"sender": {"id": "u"}, "timestamp": 1, "message": {"mid": "m"}},
    {**messenger_message(), "timestamp": "1700000000000"},
    {**messenger_message(), "timestamp": 10**30},
    {**messenger_message(), "timestamp": True},
    {**messenger_message(), "message": {"mid": 7.5, "text": "x"}},
    {**messenger_message(), "message": {"mid": "m" * 513, "text": "x"}},
]


@pytest.mark.parametrize("item", MESSENGER_NOISE)
async def test_what_is_no_message_of_a_user_gets_no_reply_on_messenger(shop: Shop, item: dict[str, Any]) -> None:
    assert shop.post("messenger", messenger(item)).json() == ignored(1)
    assert await shop.rows() == []


async def test_standby_and_changes_are_ignored(shop: Shop) -> None:
    document = json.loads(messenger())
    document["entry"] = [{"id": events.PAGE, "standby": [messenger_message()], "changes": [{"field": "feed"}]}]
    assert shop.post("messenger", json.dumps(document).encode()).json() == ignored(2)


WHATSAPP_NOISE: list[dict[str, Any]] = [
    {**whatsapp_message(), "type": "reaction", "reaction": {"message_id": "m", "emoji": "x"}},
    {**whatsapp_message(), "type": "system"},
    {**whatsapp_message(), "timestamp": 1_700_000_000},
    {**whatsapp_message(), "timestamp": "-5"},
    {**whatsapp_message(), "timestamp": "٣"},
    {**whatsapp_message(), "id": None},
    {**whatsapp_message(), "from": None},
    {**whatsapp_message(), "text": {"body": "  "}},
]


@pytest.mark.parametrize("item", WHATSAPP_NOISE)
async def test_what_is_no_message_of_a_user_gets_no_reply_on_whatsapp(shop: Shop, item: dict[str, Any]) -> None:
    assert shop.post("whatsapp", whatsapp(item)).json() == ignored(1)


async def test_statuses_are_ignored(shop: Shop) -> None:
    statuses = [{"id": "wamid.1", "status": state, "timestamp": "1"} for state in ("sent", "delivered", "read")]
    assert shop.post("whatsapp", whatsapp(statuses=statuses)).json()["status"] == "ignored"


async def test_media_waits_for_a_polite_answer(shop: Shop) -> None:
    image = {**whatsapp_message(), "type": "image", "image": {"id": "1"}}
    assert shop.post("whatsapp", whatsapp(image)).json() == ACCEPTED
    sticker = messenger_message()
    sticker["message"] = {"mid": "m", "attachments": [{"type": "image", "payload": {}}]}
    assert shop.post("messenger", messenger(sticker)).json() == ACCEPTED
    assert {row["kind"] for row in await shop.rows()} == {"unsupported"}


async def test_users_are_keyed_on_their_scoped_id_where_there_is_one(shop: Shop) -> None:
    first = {**whatsapp_message(mid="1"), "from_user_id": "MA.123"}
    second = {**whatsapp_message(mid="2"), "from_user_id": "MA.123"}
    del second["from"]
    shop.post("whatsapp", whatsapp(first, second))
    one, other = await shop.rows()
    assert one["party"] == other["party"]
    assert (one["recipient"], other["recipient"]) == ("2126", "user:MA.123")
    assert "2126" not in one["party"]


def skewed(seconds: int) -> float:
    """Return a whole second at least as far away as that where it is too far, and at most where it is not."""
    outwards = abs(seconds) > 300
    return math.ceil(time.time()) + seconds if (seconds > 0) == outwards else math.floor(time.time()) + seconds


@pytest.mark.parametrize(
    ("seconds", "fresh"),
    [(299, True), (301, False), (-299, True), (-301, True), (-DAY + 60, True), (-DAY - 60, False)],
)
async def test_age_of_metas_events(shop: Shop, seconds: int, fresh: bool) -> None:
    at = skewed(seconds)
    expected = ACCEPTED if fresh else ignored(1)
    assert shop.post("messenger", messenger(messenger_message(at=at))).json() == expected
    assert shop.post("whatsapp", whatsapp(whatsapp_message(at=at))).json() == expected


async def test_the_age_can_be_set(start_shop: StartShop) -> None:
    shop = start_shop(webhook_max_age_s=60)
    assert shop.post("messenger", messenger(messenger_message(at=time.time() - 90))).json() == ignored(1)
    body = events.generic()
    assert shop.post("generic", body, by_standard(body, at=time.time() - 90)).json() == ignored(1)
    assert shop.metric('salambot_webhooks_total{channel="generic",verdict="stale"}') >= 1


@pytest.mark.parametrize(("seconds", "fresh"), [(299, True), (-299, True), (301, False), (-301, False)])
def test_clock_of_the_generic_sender(shop: Shop, seconds: int, fresh: bool) -> None:
    body = events.generic()
    response = shop.post("generic", body, by_standard(body, at=skewed(seconds)))
    if fresh:
        assert response.json() == ACCEPTED
    else:
        assert code(response) == (401, "timestamp_out_of_tolerance")


def test_refusals_of_the_generic_channel(shop: Shop) -> None:
    body = events.generic()
    good = by_standard(body)
    for missing in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert code(shop.post("generic", body, {n: v for n, v in good.items() if n != missing})) == (
            401,
            "missing_signature",
        )
    assert code(shop.post("generic", body, {**good, "webhook-id": "other"})) == (401, "invalid_signature")
    assert code(shop.post("generic", body, {**good, "webhook-timestamp": "soon"})) == (401, "invalid_signature")
    assert code(shop.post("generic", body + b" ", good)) == (401, "invalid_signature")
    assert code(shop.post("generic", b"{")) == (400, "bad_json")
    for changes in ({"text": ""}, {"text": None}, {"tenant": "Démo"}, {"user_id": 7}, {"extra": 1}):
        assert code(shop.post("generic", events.generic(**changes))) == (422, "invalid_request")


def test_an_unknown_tenant_is_acknowledged_and_counted(shop: Shop) -> None:
    line = 'salambot_webhooks_total{channel="generic",verdict="unknown_account"}'
    before = shop.metric(line)
    assert shop.post("generic", events.generic(tenant="other")).json() == ignored(1)
    assert shop.metric(line) == before + 1


async def test_pages_and_phone_numbers_decide_whose_a_message_is(start_shop: StartShop) -> None:
    tenants = {"messenger": {"1": "one", "2": "two"}, "whatsapp": {"3": "two"}}
    shop = start_shop(channel_tenants=tenants)
    for number, page in enumerate(("1", "2", "9")):
        shop.post("messenger", messenger(messenger_message(mid=f"m_{number}"), page=page))
    shop.post("whatsapp", whatsapp(whatsapp_message(), phone="3"))
    assert shop.post("whatsapp", whatsapp(whatsapp_message(mid="x"), phone="8")).json() == ignored(1)
    assert shop.post("generic", events.generic(tenant="two")).json() == ACCEPTED
    rows = await shop.rows()
    assert [row["tenant"] for row in rows] == ["one", "two", "two", "two"]


async def test_without_a_table_nobody_is_served_outside_development(start_shop: StartShop) -> None:
    shop = start_shop(env="production")
    assert shop.post("messenger", messenger(messenger_message())).json() == ignored(1)


def test_secrets_are_rotated_without_a_gap(start_shop: StartShop) -> None:
    shop = start_shop(meta_app_secret=f"new, {events.APP_SECRET}", meta_verify_token="new-token,verify-canary")
    old, new = messenger(messenger_message(mid="old")), messenger(messenger_message(mid="new"))
    assert shop.post("messenger", old).json() == ACCEPTED
    assert shop.post("messenger", new, by_meta(new, "new")).json() == ACCEPTED
    query = {"hub.mode": "subscribe", "hub.verify_token": "new-token", "hub.challenge": "1"}
    assert shop.client.get("/v1/webhooks/whatsapp", params=query).text == "1"


def test_the_secret_of_the_generic_channel_is_rotated_without_a_gap(start_shop: StartShop) -> None:
    newest = "whsec_bmV3IHNlY3JldA=="
    shop = start_shop(webhook_secret=f"{newest},{events.WEBHOOK_SECRET}")
    old, new = events.generic(message_id="old"), events.generic(message_id="new")
    assert shop.post("generic", old).json() == ACCEPTED
    assert shop.post("generic", new, by_standard(new, newest)).json() == ACCEPTED


async def test_nothing_of_a_customer_is_in_the_logs(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    message = whatsapp_message("my secret canary", sender="212699112233")
    shop.post("whatsapp", whatsapp(message))
    shop.post("whatsapp", whatsapp(message), {"X-Hub-Signature-256": "sha256=00"})
    query = {"hub.mode": "subscribe", "hub.verify_token": "token-canary", "hub.challenge": "challenge-canary"}
    shop.client.get("/v1/webhooks/whatsapp", params=query, headers={"X-Test": "1"})
    said = "".join(line for line in capsys.readouterr().out.splitlines() if "HTTP Request" not in line)
    assert "canary" not in said
    assert "212699112233" not in said


def test_who_is_refused_too_often_has_to_wait_and_the_rest_is_taken_in(start_shop: StartShop) -> None:
    shop = start_shop(rate_limit_webhook="2/hour")
    body = messenger(messenger_message("Bonjour"))
    wrong = by_meta(b"another body")
    far = {"CF-Connecting-IP": "203.0.113.9"}
    first = [code(shop.post("messenger", body, wrong | far))[0] for _ in range(3)]
    assert first == [401, 401, 429]
    refused = shop.client.get("/v1/webhooks/messenger", headers=far)
    assert code(refused) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["ratelimit-policy"] == '"webhook";q=2;w=3600'
    assert code(shop.post("messenger", body, wrong | {"X-Forwarded-For": "1.2.3.4, 203.0.113.10"}))[0] == 401
    assert shop.post("messenger", body, by_meta(body) | far).json() == ACCEPTED


def test_a_wrong_signature_is_refused_without_redis_too(start_shop: StartShop) -> None:
    shop = start_shop(redis_url="redis://127.0.0.1:1/0")
    body = messenger(messenger_message("Bonjour"))
    assert code(shop.post("messenger", body, by_meta(b"another body")))[0] == 401
