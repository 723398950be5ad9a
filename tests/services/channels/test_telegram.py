"""The third channel: what one file makes of Telegram's updates, and what it sends back."""

import time
from typing import Any

import pytest

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


def person(**changes: object) -> dict[str, Any]:
    return {"id": 77, "is_bot": False, "first_name": "Amal", **changes}


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
