"""What goes out: every accepted message is answered, in the shape and language that its channel wants."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot.webhooks.splitting import split_reply, units
from tests import events
from tests.events import messenger, messenger_message, whatsapp, whatsapp_message
from tests.fakes.graph_server import RETRY_AFTER_S, Fault
from tests.fakes.peers import REPLY
from tests.services.channels.conftest import ALL_DONE, FAILED, Shop

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_reply_goes_back_on_each_channel(shop: Shop) -> None:
    shop.post("messenger", messenger(messenger_message("Bonjour", sender="psid")))
    shop.post("whatsapp", whatsapp(whatsapp_message("Salam", sender="212699")))
    shop.post("generic", events.generic())
    await shop.until(ALL_DONE)
    sent = {message["channel"]: message for message in shop.graph.sent}
    assert sent["messenger"]["account"] == events.PAGE
    assert sent["messenger"]["to"] == "psid"
    assert sent["messenger"]["body"]["messaging_type"] == "RESPONSE"
    assert (sent["whatsapp"]["account"], sent["whatsapp"]["to"]) == (events.PHONE, "212699")
    assert {message["text"] for message in shop.graph.sent} == {REPLY["reply"]}
    assert len(shop.graph.sent) == 2
    assert {row["outcome"] for row in await shop.rows()} == {"replied", "kept"}
    kept = await shop.rows("SELECT content, state FROM outbox WHERE channel = 'generic'")
    assert kept == [{"content": REPLY["reply"], "state": "kept"}]


async def test_orchestrateur_is_asked_for_a_user_it_cannot_name(shop: Shop) -> None:
    headers = {"X-Correlation-ID": "corr_canary", **events.by_meta(whatsapp(whatsapp_message(sender="212699112233")))}
    answer = shop.post("whatsapp", whatsapp(whatsapp_message(sender="212699112233")), headers)
    await shop.until(ALL_DONE)
    (asked,) = shop.peers.received
    assert (asked["tenant"], asked["channel"], asked["prompt"]) == ("demo", "whatsapp", "Salam")
    assert asked["correlation_id"] == "corr_canary"
    assert "212699" not in json.dumps(asked)
    traceparent = answer.headers["traceparent"]
    assert shop.peers.headers[0]["traceparent"].split("-")[1] == traceparent.split("-")[1]


async def test_what_is_answered_is_erased(shop: Shop) -> None:
    shop.post("messenger", messenger(messenger_message()))
    await shop.until(ALL_DONE)
    (row,) = await shop.rows()
    assert (row["content"], row["recipient"], row["sealed"]) == (None, None, None)


async def test_messages_are_read_and_typing_is_shown(shop: Shop) -> None:
    shop.post("messenger", messenger(messenger_message()))
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="wamid.7")))
    await shop.until(ALL_DONE)
    actions = [mark["sender_action"] for mark in shop.graph.marks if "sender_action" in mark]
    assert actions == ["mark_seen", "typing_on"]
    (mark,) = [mark for mark in shop.graph.marks if "status" in mark]
    assert (mark["message_id"], mark["typing_indicator"]) == ("wamid.7", {"type": "text"})


async def test_a_long_reply_is_sent_in_parts_and_in_order(shop: Shop) -> None:
    long = " ".join(f"Phrase numéro {number} de la réponse." for number in range(150))
    shop.peers.reply = {**REPLY, "reply": long}
    shop.post("messenger", messenger(messenger_message()))
    await shop.until(ALL_DONE)
    texts = [message["text"] for message in shop.graph.sent]
    assert len(texts) >= 3
    assert " ".join(texts) == long
    assert all(text.endswith(".") for text in texts)


@given(st.text(min_size=1, max_size=600), st.integers(2, 80))
def test_a_split_loses_nothing_but_white_space(text: str, longest: int) -> None:
    parts = split_reply(text, longest)
    assert all(0 < units(part) <= longest for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize("fault", ["busy", "pair", "fails", "hangs", "nonsense", "token"])
async def test_a_passing_fault_of_the_graph_is_outlived(shop: Shop, fault: Fault) -> None:
    shop.graph.faults.extend([fault, fault])
    shop.post("whatsapp", whatsapp(whatsapp_message()))
    await shop.until(ALL_DONE, 60)
    assert len(shop.graph.sent) == 1
    assert len(shop.peers.received) == 1, "a reply is made once, however often it is sent"


async def test_a_number_that_sends_too_much_rests_as_long_as_the_graph_says(shop: Shop) -> None:
    shop.graph.faults.append("busy")
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="1", sender="a")))
    await shop.until("SELECT outcome = 'graph_busy' FROM inbox")
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="2", sender="b")))
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="3", sender="c"), phone="another"))
    await shop.until(ALL_DONE)
    (_, _, refused), *others = shop.graph.asked
    waited = {(account, to): at - refused for account, to, at in others}
    assert waited.pop(("another", "c")) < RETRY_AFTER_S
    assert set(waited) == {(events.PHONE, "a"), (events.PHONE, "b")}
    assert min(waited.values()) >= RETRY_AFTER_S


async def test_too_many_messages_to_one_user_do_not_keep_the_others_waiting(shop: Shop) -> None:
    shop.graph.faults.append("pair")
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="1", sender="a")))
    await shop.until("SELECT outcome = 'graph_busy_pair' FROM inbox")
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="2", sender="b")))
    await shop.until(ALL_DONE)
    assert [message["to"] for message in shop.graph.sent] == ["b", "a"]


async def test_only_a_send_that_was_accepted_and_never_answered_is_repeated(shop: Shop) -> None:
    shop.graph.faults.append("hangs_after")
    shop.post("messenger", messenger(messenger_message()))
    await shop.until(ALL_DONE, 60)
    assert (len(shop.graph.sent), shop.graph.unanswered) == (2, 1)


@pytest.mark.parametrize(("fault", "outcome"), [("window", "window_closed"), ("refuses", "graph_refused_100")])
async def test_what_no_retry_mends_is_a_dead_letter(shop: Shop, fault: Fault, outcome: str) -> None:
    shop.graph.faults.append(fault)
    shop.post("whatsapp", whatsapp(whatsapp_message()))
    await shop.until(FAILED)
    (row,) = await shop.rows()
    assert (row["outcome"], row["attempts"]) == (outcome, 1)
    assert row["content"] == "Salam", "a dead letter can be replayed"


async def test_orchestrateur_may_be_away(shop: Shop) -> None:
    shop.peers.fault = "problem"
    shop.post("messenger", messenger(messenger_message()))
    await shop.until("SELECT outcome = 'postgres_unavailable' FROM inbox")
    shop.peers.fault = "none"
    await shop.until(ALL_DONE, 60)
