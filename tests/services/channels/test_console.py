"""What a developer sees of webhooks, and doing them once more."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot.orchestrateur.app import create_app
from salambot.orchestrateur.settings import OrchestrateurSettings
from salambot.webhooks.encryption import decrypt, encrypt
from salambot.webhooks.previews import safe_preview
from tests.events import messenger, messenger_message, whatsapp, whatsapp_message
from tests.servers import serving
from tests.services.channels.conftest import ALL_DONE, FAILED, INTERNAL_TOKEN, Shop, StartShop, StartWorker, World

Entry = dict[str, Any]


@pytest.fixture
def console(_empty: World) -> Iterator[httpx.Client]:
    """Return a client of orchestrateur's internal API."""
    names = ("internal_token", "user_hash_key", "redis_url", "postgres_url", "rag_url")
    settings = {name: _empty.settings[name] for name in names} | {"nlu_url": _empty.settings["rag_url"]}
    with serving(create_app(OrchestrateurSettings.model_validate(settings))) as url:
        headers = {"X-SalamBot-Internal": INTERNAL_TOKEN}
        with httpx.Client(base_url=url, headers=headers, timeout=60, verify=False, trust_env=False) as client:  # noqa: S501 - it is plain HTTP
            yield client


def listed(console: httpx.Client, **query: str) -> list[Entry]:
    response = console.get("/internal/webhooks", params={"tenant": "demo", **query})
    assert response.status_code == 200, response.text
    entries: list[Entry] = response.json()["webhooks"]
    return entries


def replay(console: httpx.Client, **wanted: object) -> Entry:
    response = console.post("/internal/webhooks/replay", json={"tenant": "demo", **wanted})
    assert response.status_code == 200, response.text
    answer: Entry = response.json()
    return answer


async def test_what_came_is_listed_with_its_verdict_and_reply(
    shop: Shop, start_worker: StartWorker, console: httpx.Client
) -> None:
    accepted = shop.post("messenger", messenger(messenger_message("Mon numéro : 06 12 34 56 78, a@b.ma")))
    shop.post("messenger", b"{}", {"X-Hub-Signature-256": f"sha256={'0' * 64}"})
    (waiting,) = listed(console, since="2020-01-01T00:00:00Z")[-1:]
    assert (waiting["state"], waiting["reply"]) == ("pending", None)
    start_worker(shop)
    await shop.until(ALL_DONE)
    entries = {entry["verdict"]: entry for entry in listed(console)}
    message = entries["accepted"]
    assert (message["state"], message["outcome"], message["attempts"]) == ("done", "replied", 1)
    assert message["text"] == "Mon numéro : •••, •••"
    assert (message["reply"]["status"], message["reply"]["language"]) == ("sent", "fr")
    assert message["trace_id"] == accepted.headers["traceparent"].split("-")[1]
    assert entries["rejected"]["cause"] == "wrong_secret"
    assert listed(console, tenant="other", failed="true") == []


async def test_a_dead_letter_is_replayed(shop: Shop, start_worker: StartWorker, console: httpx.Client) -> None:
    shop.graph.faults.append("refuses")
    shop.post("whatsapp", whatsapp(whatsapp_message()))
    start_worker(shop)
    await shop.until(FAILED)
    (entry,) = listed(console, failed="true")
    assert entry["outcome"] == "graph_refused_100"
    assert replay(console, ids=[entry["id"]]) == {"replayed": [entry["id"]], "refused": []}
    await shop.until(ALL_DONE)
    assert len(shop.graph.sent) == 1
    assert len(shop.peers.received) == 1, "the reply was kept: it is sent, not made again"
    refused = replay(console, ids=[entry["id"]])["refused"]
    assert [item["id"] for item in refused] == [entry["id"]]


async def test_an_answered_message_is_replayed_where_its_body_is_kept(
    start_shop: StartShop, start_worker: StartWorker, console: httpx.Client
) -> None:
    shop = start_shop(webhook_keep_bodies=True)
    shop.post("messenger", messenger(messenger_message("Où est ma commande ?", sender="psid-canary")))
    start_worker(shop)
    await shop.until(ALL_DONE)
    (row,) = await shop.rows()
    assert row["content"] is None
    assert b"canary" not in row["sealed"]
    assert len(replay(console, failed=False, since="2020-01-01T00:00:00Z")["replayed"]) == 1
    await asyncio.to_thread(shop.graph.wait, 2)
    assert [message["to"] for message in shop.graph.sent] == ["psid-canary"] * 2
    assert [asked["prompt"] for asked in shop.peers.received] == ["Où est ma commande ?"] * 2


def test_the_console_is_internal(console: httpx.Client) -> None:
    without = {"X-SalamBot-Internal": "wrong"}
    assert console.get("/internal/webhooks", params={"tenant": "demo"}, headers=without).status_code == 401
    assert console.get("/internal/webhooks", params={"tenant": "Dé mo"}).status_code == 422
    assert console.post("/internal/webhooks/replay", json={"tenant": "demo", "x": 1}).status_code == 422


@given(st.text(max_size=300))
def test_a_preview_is_short_and_holds_no_number(text: str) -> None:
    shown = safe_preview(text)
    assert len(shown) <= 80
    assert not any(shown[at : at + 6].isdecimal() for at in range(len(shown) - 5))


@pytest.mark.parametrize(
    "secret",
    ["+212 612-345678", "0612345678", "BK123456", "٠٦١٢٣٤٥٦٧٨", "MA64 0115 1900 0001 2050 0053 4921", "x@y.ma"],
)
def test_a_preview_masks(secret: str) -> None:
    assert safe_preview(f"voici {secret} merci") == "voici ••• merci"


@given(st.binary(min_size=1, max_size=100), st.text(), st.text())
def test_what_is_sealed_opens_with_its_key_only(key: bytes, recipient: str, content: str) -> None:
    sealed = encrypt(key, recipient, content)
    assert decrypt(key, sealed) == (recipient, content)
    assert decrypt(key + b"x", sealed) is None
