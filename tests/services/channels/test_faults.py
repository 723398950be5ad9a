"""What may go wrong between a webhook and its reply: killed workers, lost stores, order under load."""

import asyncio
import gc
import time

import httpx
import pytest
import redis

from tests import events
from tests.events import messenger, messenger_message, whatsapp, whatsapp_message
from tests.fakes.peers import REPLY
from tests.servers import PostgresServer, ValkeyServer
from tests.services.channels.conftest import ALL_DONE, FAILED, Shop, StartShop, StartWorker


@pytest.mark.parametrize(("locale_of", "word"), [("fr", "écrire"), ("ary-Latn", "kteb"), ("ar", "كتابة")])
async def test_a_picture_is_answered_politely_in_the_language_so_far(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer, locale_of: str, word: str
) -> None:
    image = {**whatsapp_message(), "type": "image", "image": {"id": "1"}}
    shop.post("whatsapp", whatsapp(image))
    postgres_server.run(
        "INSERT INTO conversations (tenant, channel, party, language) "  # noqa: S608 - constants
        f"SELECT tenant, channel, party, '{locale_of}' FROM inbox",
        "channels",
    )
    start_worker(shop)
    assert word in shop.graph.wait(1)[0]["text"]
    assert shop.peers.received == []
    assert [mark["status"] for mark in shop.graph.marks] == ["read"]
    await shop.until("SELECT count(*) > 0 FROM audit WHERE outcome = 'unsupported'")


async def test_a_dead_letter_does_not_stop_the_conversation(shop: Shop, start_worker: StartWorker) -> None:
    shop.graph.faults.append("refuses")
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="1"), whatsapp_message(mid="2")))
    start_worker(shop)
    await shop.until("SELECT count(*) = 1 FROM inbox WHERE state = 'done'")
    assert [row["state"] for row in await shop.rows()] == ["failed", "done"]


async def test_the_window_of_a_day_is_respected(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer
) -> None:
    shop.post("whatsapp", whatsapp(whatsapp_message()))
    postgres_server.run("UPDATE inbox SET sent_at = now() - interval '25 hours'", "channels")
    start_worker(shop)
    await shop.until(FAILED)
    assert (await shop.rows())[0]["outcome"] == "window_closed"
    assert shop.graph.sent == []


async def test_an_older_token_serves_while_a_new_one_is_not_valid_yet(shop: Shop, start_worker: StartWorker) -> None:
    start_worker(shop, WHATSAPP_TOKEN="tomorrow,whatsapp-token")
    shop.post("whatsapp", whatsapp(whatsapp_message()))
    await shop.until(ALL_DONE)
    assert len(shop.graph.sent) == 1


async def test_without_a_token_the_reply_of_a_developer_is_kept(shop: Shop, start_worker: StartWorker) -> None:
    start_worker(shop, META_PAGE_TOKEN="")
    shop.post("messenger", messenger(messenger_message()))
    await shop.until(ALL_DONE)
    assert (await shop.rows())[0]["outcome"] == "no_token"
    assert (await shop.rows("SELECT content FROM outbox"))[0]["content"] == REPLY["reply"]


async def test_order_is_kept_within_each_conversation(shop: Shop, start_worker: StartWorker) -> None:
    for _ in range(3):
        start_worker(shop)
    shop.graph.faults.extend(["busy", "fails", "fails"])
    now = time.time()
    async with httpx.AsyncClient(base_url=shop.client.base_url, trust_env=False, timeout=60) as client:
        for number in range(10):
            bodies = [
                messenger(messenger_message(f"{number}", mid=f"{user}.{number}", sender=user, at=now + number / 100))
                for user in ("a", "b", "c", "d")
            ]
            posts = [client.post("/v1/webhooks/messenger", content=b, headers=events.by_meta(b)) for b in bodies]
            assert {response.status_code for response in await asyncio.gather(*posts)} == {200}
    await shop.until(ALL_DONE, 90)
    assert len(shop.graph.sent) == 40
    rows = await shop.rows("SELECT message_id FROM inbox ORDER BY finished_at")
    for user in ("a", "b", "c", "d"):
        numbers = [row["message_id"] for row in rows if row["message_id"].startswith(user)]
        assert numbers == [f"{user}.{number}" for number in range(10)]


async def test_a_worker_killed_before_the_reply_is_made_costs_nothing(shop: Shop, start_worker: StartWorker) -> None:
    shop.peers.fault = "hangs"
    first = start_worker(shop)
    shop.post("messenger", messenger(messenger_message()))
    assert await asyncio.to_thread(shop.peers.arrived.wait, 20)
    first.kill()
    shop.peers.fault = "none"
    shop.peers.go_on.set()
    start_worker(shop)
    await shop.until(ALL_DONE, 60)
    assert len(shop.graph.sent) == 1


async def test_a_worker_killed_after_the_send_sends_again_at_most_once(shop: Shop, start_worker: StartWorker) -> None:
    shop.graph.faults.append("hangs_after")
    first = start_worker(shop, SEND_TIMEOUT_S="30")
    shop.post("messenger", messenger(messenger_message()))
    await asyncio.to_thread(shop.graph.wait, 1)
    first.kill()
    start_worker(shop)
    await shop.until(ALL_DONE, 60)
    assert len(shop.graph.sent) == 2
    assert len(shop.peers.received) == 1, "the reply was kept before it was sent"


async def test_a_worker_killed_before_it_can_note_the_end_sends_nothing_twice(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer
) -> None:
    postgres_server.run(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$"
        "BEGIN PERFORM pg_sleep(5); RAISE EXCEPTION 'its worker is dead'; END $$;"
        "CREATE TRIGGER late BEFORE UPDATE ON inbox FOR EACH ROW WHEN (NEW.state = 'done') EXECUTE FUNCTION late()",
        "channels",
    )
    try:
        first = start_worker(shop)
        shop.post("messenger", messenger(messenger_message()))
        await shop.until("SELECT count(*) = 1 FROM outbox WHERE state = 'sent'")
        first.kill()
    finally:
        postgres_server.run("DROP TRIGGER late ON inbox; DROP FUNCTION late", "channels")
    start_worker(shop)
    await shop.until(ALL_DONE, 60)
    assert len(shop.graph.sent) == 1


async def test_a_worker_that_is_told_to_stop_ends_its_reply_first(shop: Shop, start_worker: StartWorker) -> None:
    shop.peers.fault = "hangs"
    worker = start_worker(shop)
    shop.post("messenger", messenger(messenger_message()))
    assert await asyncio.to_thread(shop.peers.arrived.wait, 20)
    stopping = asyncio.create_task(asyncio.to_thread(worker.stop))
    shop.peers.fault = "none"
    shop.peers.go_on.set()
    assert await stopping == 0
    assert [row["state"] for row in await shop.rows()] == ["done"]


async def test_a_worker_that_cannot_end_in_time_hands_over_at_once(shop: Shop, start_worker: StartWorker) -> None:
    shop.peers.fault = "hangs"
    worker = start_worker(shop)
    shop.post("messenger", messenger(messenger_message()))
    assert await asyncio.to_thread(shop.peers.arrived.wait, 20)
    assert await asyncio.to_thread(worker.stop) == 0
    (row,) = await shop.rows()
    assert (row["state"], row["outcome"], row["claimed_by"]) == ("pending", "interrupted", None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # coredis leaves streams of a lost link
@pytest.mark.parametrize("loses", [True, False])
async def test_redis_may_go_and_come_back(
    shop: Shop, start_worker: StartWorker, valkey_server: ValkeyServer, loses: bool
) -> None:
    worker = start_worker(shop)
    valkey_server.kill()
    try:
        answer = shop.post("messenger", messenger(messenger_message(mid="while away")))
        assert answer.status_code == 200
        await shop.until(ALL_DONE, 60)
    finally:
        if loses:
            valkey_server.forget()
        valkey_server.start()
    shop.post("messenger", messenger(messenger_message(mid="afterwards")))
    await shop.until("SELECT count(*) = 2 FROM inbox WHERE state = 'done'", 60)
    assert len(shop.graph.sent) == 2
    assert worker.process.poll() is None
    gc.collect()


async def test_postgres_may_go_and_come_back(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer
) -> None:
    worker = start_worker(shop)
    body = messenger(messenger_message())
    postgres_server.kill()
    try:
        refused = shop.post("messenger", body)
        assert (refused.status_code, refused.json()["code"]) == (503, "postgres_unavailable")
        assert shop.client.get("/health").status_code == 200
        assert (await asyncio.to_thread(httpx.get, f"{worker.url}/health/ready", trust_env=False)).status_code == 503
    finally:
        postgres_server.start()
    assert shop.post("messenger", body).json()["status"] == "accepted"
    await shop.until(ALL_DONE, 60)
    assert len(shop.graph.sent) == 1


async def test_what_was_sent_is_not_sent_again_when_postgres_is_away_at_that_moment(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer
) -> None:
    shop.graph.faults.append("slow")
    worker = start_worker(shop, SEND_TIMEOUT_S="15")
    shop.post("messenger", messenger(messenger_message()))
    await asyncio.to_thread(shop.graph.wait, 1)
    postgres_server.kill()
    try:
        shop.graph.go_on.set()
        await worker.until_it_says("a reply is sent, and postgres is away")
    finally:
        postgres_server.start()
    postgres_server.run("UPDATE inbox SET claimed_until = now()", "channels")  # as after a minute
    await shop.until(ALL_DONE, 60)
    assert len(shop.graph.sent) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as above
async def test_redis_may_go_while_a_reply_is_made(
    shop: Shop, start_worker: StartWorker, valkey_server: ValkeyServer
) -> None:
    shop.peers.fault = "hangs"
    worker = start_worker(shop)
    shop.post("messenger", messenger(messenger_message(mid="long", sender="a")))
    assert await asyncio.to_thread(shop.peers.arrived.wait, 20)
    shop.peers.fault = "none"
    valkey_server.kill()
    try:
        shop.post("messenger", messenger(messenger_message(mid="short", sender="b")))
        await shop.until("SELECT state = 'done' FROM inbox WHERE message_id = 'short'", 20)
        shop.peers.go_on.set()
        await shop.until(ALL_DONE)
    finally:
        valkey_server.start()
    assert [message["to"] for message in shop.graph.sent] == ["b", "a"]
    assert worker.process.poll() is None
    gc.collect()


async def test_what_was_never_dispatched_is_swept_up(
    shop: Shop, start_worker: StartWorker, valkey_server: ValkeyServer
) -> None:
    shop.post("messenger", messenger(messenger_message()))
    await asyncio.sleep(0)
    with redis.Redis.from_url(valkey_server.url()) as client:
        client.flushall()
    start_worker(shop)
    await shop.until(ALL_DONE)


AN_HOUR_AHEAD = "now() + interval '1 hour'"
"""What was noted before a clock is set back lies so far in the future after it."""


async def test_a_clock_that_is_set_back_keeps_no_message_waiting(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer, valkey_server: ValkeyServer
) -> None:
    shop.post("messenger", messenger(messenger_message()))
    times = ", ".join(f"{column} = {AN_HOUR_AHEAD}" for column in ("received_at", "due_at", "dispatched_at"))
    postgres_server.run(f"UPDATE inbox SET {times}", "channels")  # noqa: S608 - constants
    with redis.Redis.from_url(valkey_server.url()) as client:
        client.flushall()
    start_worker(shop)
    await shop.until(ALL_DONE)
    assert len(shop.graph.sent) == 1


async def test_a_clock_that_is_set_back_lets_the_claim_of_a_dead_worker_run_out(
    shop: Shop, postgres_server: PostgresServer
) -> None:
    shop.post("messenger", messenger(messenger_message()))
    claim = f"claimed_by = 'gone', claimed_until = {AN_HOUR_AHEAD}"
    postgres_server.run(f"UPDATE inbox SET {claim}", "channels")  # noqa: S608 - constants
    await shop.rows("SELECT due_conversations(1, interval '5 seconds')")
    left = "claimed_until BETWEEN now() AND now() + interval '15 seconds'"
    assert await shop.rows(f"SELECT FROM inbox WHERE {left} AND claimed_by = 'gone'")


async def test_a_message_that_ends_its_workers_is_given_up(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer
) -> None:
    shop.post("messenger", messenger(messenger_message()))
    postgres_server.run("UPDATE inbox SET attempts = 12", "channels")
    start_worker(shop)
    await shop.until(FAILED)
    assert (await shop.rows())[0]["outcome"] == "gave_up"


async def test_old_messages_are_forgotten(
    shop: Shop, start_worker: StartWorker, postgres_server: PostgresServer
) -> None:
    shop.post("messenger", messenger(messenger_message(mid="old"), messenger_message(mid="new")))
    postgres_server.run("UPDATE inbox SET received_at = now() - interval '9 days' WHERE message_id = 'old'", "channels")
    start_worker(shop)
    await shop.until("SELECT count(*) = 1 AND bool_and(message_id = 'new') FROM inbox")


async def test_a_kept_body_is_erased_after_a_day(
    start_shop: StartShop, start_worker: StartWorker, postgres_server: PostgresServer
) -> None:
    shop = start_shop(webhook_keep_bodies=True)
    shop.post("messenger", messenger(messenger_message(mid="old"), messenger_message(mid="new")))
    assert all(row["sealed"] for row in await shop.rows())
    postgres_server.run(
        "UPDATE inbox SET received_at = now() - interval '25 hours' WHERE message_id = 'old'", "channels"
    )
    start_worker(shop)
    await shop.until("SELECT bool_and((sealed IS NULL) = (message_id = 'old')) FROM inbox")


async def test_nothing_of_a_customer_is_in_the_logs_of_a_worker(shop: Shop, start_worker: StartWorker) -> None:
    shop.graph.faults.extend(["refuses"])
    worker = start_worker(shop)
    shop.post("whatsapp", whatsapp(whatsapp_message("secret canary", sender="212699112233")))
    await shop.until(FAILED)
    worker.stop()
    said = worker.log.read_text()
    assert "a message could not be answered" in said
    assert "212699112233" not in said
    assert "canary" not in said


def test_metrics_tell_what_waits(shop: Shop, start_worker: StartWorker) -> None:
    worker = start_worker(shop)
    text = httpx.get(f"{worker.url}/metrics", trust_env=False).text
    names: set[str] = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {"salambot_inbox_pending", "salambot_inbox_oldest_seconds", "salambot_queue_depth"} <= names
