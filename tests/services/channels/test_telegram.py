"""The third channel: what one file makes of Telegram's updates, and what it sends back."""

import json
import time
from typing import Any

import pytest

from salambot.webhooks.channels import load
from tests.events import by_telegram, telegram
from tests.fakes.peers import REPLY
from tests.fakes.telegram_server import Fault
from tests.services.channels.conftest import ALL_DONE, FAILED, Shop, StartShop, StartWorker, WorkerProcess

ACCEPTED = {"status": "accepted", "accepted": 1, "duplicates": 0, "ignored": 0}
IGNORED = {"status": "ignored", "accepted": 0, "duplicates": 0, "ignored": 1}


async def test_a_message_is_answered_in_its_chat(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    assert shop.post("telegram", telegram("Bghit n3ref taman", user=77)).json() == ACCEPTED
    await shop.until(ALL_DONE)
    (sent,) = shop.telegram.sent
    assert (sent["chat_id"], sent["text"]) == ("77", REPLY["reply"])
    assert "parse_mode" not in sent, "what a customer or a document wrote is no markup"
    assert [action["action"] for action in shop.telegram.actions] == ["typing"]
    (asked,) = shop.peers.received
    assert (asked["channel"], asked["prompt"], asked["locale"]) == ("api", "Bghit n3ref taman", "fr")
    assert (await shop.rows("SELECT provider_id FROM outbox"))[0]["provider_id"] == "1"


async def test_a_long_reply_is_split_at_4096(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    shop.peers.reply = {**REPLY, "reply": " ".join(f"Phrase numéro {number} de la réponse." for number in range(200))}
    shop.post("telegram", telegram())
    await shop.until(ALL_DONE)
    assert [len(sent["text"]) <= 4_096 and sent["text"].endswith(".") for sent in shop.telegram.sent] == [True, True]


async def test_media_is_answered_politely_in_the_language_of_the_app(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    person = {"id": 77, "is_bot": False, "first_name": "Amal", "language_code": "ar"}
    update = telegram(None, voice={"file_id": "x", "duration": 3}, **{"from": person})
    assert shop.post("telegram", update).json() == ACCEPTED
    await shop.until(ALL_DONE)
    assert "كتابة" in shop.telegram.sent[0]["text"]
    assert shop.peers.received == []


async def test_a_caption_is_a_message_and_start_is_a_greeting(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    shop.post("telegram", telegram(None, update=1, photo=[{"file_id": "x"}], caption="C'est combien ?"))
    shop.post("telegram", telegram("/start promo", update=2, at=time.time() + 1))
    await shop.until(ALL_DONE)
    assert [asked["prompt"] for asked in shop.peers.received] == ["C'est combien ?", "Bonjour"]


def person(**changes: object) -> dict[str, Any]:
    return {"id": 77, "is_bot": False, "first_name": "Amal", **changes}


def other(kind: str, update: int, content: dict[str, Any]) -> bytes:
    """Return an update that holds something else than a new message."""
    return json.dumps({"update_id": update, kind: content}).encode()


def content(**changes: object) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(telegram(**changes))["message"]  # type: ignore[arg-type]  # its own changes
    return message


def pressed(data: str | None = "H", **changes: object) -> dict[str, Any]:
    """Return a callback query of a button below an old message of the bot."""
    keyboard = [[{"text": "Quels sont vos horaires ?", "callback_data": "H"}, {"text": "Site", "url": "https://x"}]]
    below = content(at=1_700_000_000, **{"from": person(id=1, is_bot=True)}, reply_markup={"inline_keyboard": keyboard})
    return {"id": "1", "from": person(), "message": below, "data": data, "chat_instance": "1", **changes}


GONE = {"chat": {"id": 77, "type": "private"}, "message_id": 5, "date": 0}
READ: list[tuple[str, dict[str, Any], str]] = [
    ("callback_query", pressed(), "Quels sont vos horaires ?"),
    ("callback_query", pressed("Livraison à Fès"), "Livraison à Fès"),
    ("callback_query", pressed(message=GONE), "H"),
    ("edited_message", content(text="À Fès ?", edit_date=int(time.time())), "À Fès ?"),
    ("edited_message", content(text=None, caption="Et ça ?", photo=[], edit_date=int(time.time())), "Et ça ?"),
    ("business_message", content(business_connection_id="b"), "Salam"),
    ("edited_business_message", content(business_connection_id="b", edit_date=int(time.time())), "Salam"),
    ("message", content(text="/start@shop_bot deep-link"), "Bonjour"),
    ("message", content(text=None, video={}, caption="Combien ?"), "Combien ?"),
    ("message", content(quote={"text": "Taille ?"}, reply_to_message=content(), forward_origin={}), "Salam"),
]


@pytest.mark.parametrize(("kind", "update", "text"), READ)
def test_what_people_write_edit_and_choose_is_the_text(kind: str, update: dict[str, Any], text: str) -> None:
    (message,) = load("telegram").parse({}, other(kind, 9, update)).messages
    assert (message.kind, message.text, message.user, message.message_id) == ("text", text, "77", "9")


GROUP = {"id": -100, "type": "supergroup", "title": "x"}
SILENT: list[tuple[str, dict[str, Any]]] = [
    ("callback_query", pressed(None)),
    ("callback_query", pressed(message={**GONE, "chat": GROUP})),
    ("callback_query", {"id": "1", "from": person(), "data": "x", "inline_message_id": "1"}),
    ("edited_message", content(text=None, location={}, edit_date=int(time.time()))),
    ("edited_message", content(text="x")),
    ("business_message", content(business_connection_id="b", **{"from": person(id=1)})),
    ("business_connection", {"id": "b", "user": person(), "is_enabled": True}),
    ("deleted_business_messages", {"business_connection_id": "b", "chat": {"id": 77}, "message_ids": [1]}),
    ("channel_post", content(chat={**GROUP, "type": "channel"}, **{"from": None})),
    ("edited_channel_post", content(chat={**GROUP, "type": "channel"}, **{"from": None})),
    ("message", content(chat=GROUP)),
    *(("message", content(text=None, **{name: {}})) for name in ("successful_payment", "users_shared", "web_app_data")),
    *((name, {"user": person(), "chat": {"id": 77, "type": "private"}, "date": 1}) for name in (
        "message_reaction", "poll_answer", "my_chat_member", "chat_member", "chat_join_request", "inline_query",
        "chosen_inline_result", "shipping_query", "pre_checkout_query", "purchased_paid_media", "poll", "chat_boost",
        "removed_chat_boost", "message_reaction_count", "something_of_2027",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "update"), SILENT)
def test_what_nobody_expects_an_answer_to_gets_none(kind: str, update: dict[str, Any]) -> None:
    parsed = load("telegram").parse({}, other(kind, 9, update))
    assert (parsed.messages, parsed.ignored) == ([], 1)


async def test_an_edit_replaces_what_was_not_answered_yet(shop: Shop) -> None:
    shop.post("telegram", telegram("Prix à Fes", update=5))
    shop.post("telegram", telegram("Autre chose", update=6))
    edited = other("edited_message", 7, {**content(text="Prix à Fès ?", update=5), "edit_date": int(time.time())})
    assert shop.post("telegram", edited).json() == ACCEPTED
    foreign = {**content(text="Pas moi", update=6, user=78), "edit_date": int(time.time())}
    shop.post("telegram", other("edited_message", 8, foreign))
    rows = await shop.rows("SELECT message_id, state, outcome, content FROM inbox ORDER BY number")
    assert [tuple(row.values()) for row in rows] == [
        ("5", "pending", None, "Prix à Fès ?"),
        ("6", "pending", None, "Autre chose"),
        ("7", "done", "edit", None),
        ("8", "pending", None, "Pas moi"),
    ]


async def test_an_edit_of_what_was_answered_is_answered_in_its_chat(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    shop.post("telegram", telegram("Prix à Fes", update=5))
    await shop.until(ALL_DONE)
    edited = {**content(text="Prix à Fès ?", update=5), "edit_date": int(time.time()), "business_connection_id": "b"}
    shop.post("telegram", other("edited_business_message", 6, edited))
    await shop.until(ALL_DONE)
    assert [asked["prompt"] for asked in shop.peers.received] == ["Prix à Fes", "Prix à Fès ?"]
    assert [sent.get("business_connection_id") for sent in shop.telegram.sent] == [None, "b"]


def test_an_update_that_comes_again_is_a_duplicate(shop: Shop) -> None:
    assert shop.post("telegram", telegram(update=5)).json() == ACCEPTED
    assert shop.post("telegram", telegram(update=5)).json()["status"] == "duplicate"


@pytest.mark.parametrize(
    ("given", "code"), [(None, "missing_signature"), ("wrong", "invalid_signature"), ("é", "invalid_signature")]
)
def test_only_telegram_knows_the_secret(shop: Shop, given: str | None, code: str) -> None:
    headers = {} if given is None else {"X-Telegram-Bot-Api-Secret-Token": given.encode()}
    response = shop.client.post("/v1/webhooks/telegram", content=telegram(), headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, code)
    assert shop.client.get("/v1/webhooks/telegram").status_code == 405


def test_its_secret_is_rotated_without_a_gap_and_needed(start_shop: StartShop) -> None:
    shop = start_shop(channel_values={"TELEGRAM_WEBHOOK_SECRET": "new, telegram-secret"})
    assert shop.post("telegram", telegram(update=1)).json() == ACCEPTED
    assert shop.post("telegram", telegram(update=2), by_telegram(b"", "new")).json() == ACCEPTED
    without = start_shop(channel_values={}).post("telegram", telegram())
    assert (without.status_code, without.json()["code"]) == (503, "channel_not_configured")


@pytest.mark.parametrize(
    "update",
    [
        b"[]",
        b"{}",
        b'{"update_id": 1, "edited_message": {}}',
        telegram(chat={"id": -5, "type": "group"}),
        telegram(**{"from": person(is_bot=True)}),
        telegram(**{"from": None}),
        telegram(date="1"),
        telegram(None),
        telegram(None, pinned_message={}),
        telegram("   "),
    ],
    ids=lambda _: "update",  # their bytes hold the time
)  # fmt: skip
def test_what_is_no_message_of_a_person_gets_no_reply(shop: Shop, update: bytes) -> None:
    assert shop.post("telegram", update).json() == IGNORED


@pytest.mark.parametrize(
    ("seconds", "answer"), [(-86_300, ACCEPTED), (-86_500, IGNORED), (290, ACCEPTED), (320, IGNORED)]
)
def test_age_of_updates(shop: Shop, seconds: int, answer: dict[str, Any]) -> None:
    assert shop.post("telegram", telegram(at=time.time() + seconds)).json() == answer


def test_what_is_no_json_is_refused(shop: Shop) -> None:
    assert shop.post("telegram", b"{").status_code == 400


@pytest.mark.parametrize("code", ["zz" * 9, "../", "é", "f"])
async def test_an_odd_language_is_no_language(shop: Shop, code: str) -> None:
    assert shop.post("telegram", telegram(**{"from": person(language_code=code)})).json() == ACCEPTED
    assert (await shop.rows())[0]["locale"] is None


@pytest.mark.parametrize("fault", ["busy", "fails", "nonsense"])
async def test_a_passing_fault_is_outlived(shop: Shop, worker: WorkerProcess, fault: Fault) -> None:
    del worker
    shop.telegram.faults.append(fault)
    shop.post("telegram", telegram())
    await shop.until(ALL_DONE, 60)
    assert len(shop.telegram.sent) == 1


async def test_who_blocked_the_bot_gets_a_dead_letter(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    shop.telegram.faults.append("blocked")
    shop.post("telegram", telegram())
    await shop.until(FAILED)
    assert (await shop.rows())[0]["outcome"] == "telegram_refused_403"


async def test_its_token_is_rotated_and_never_shown(shop: Shop, start_worker: StartWorker) -> None:
    worker = start_worker(shop, TELEGRAM_BOT_TOKEN=f"9:not-yet-canary,{shop.environ['TELEGRAM_BOT_TOKEN']}")
    shop.post("telegram", telegram())
    await shop.until(ALL_DONE)
    assert len(shop.telegram.sent) == 1
    said = worker.log.read_text()
    assert "canary" not in said
    assert "telegram-token" not in said
