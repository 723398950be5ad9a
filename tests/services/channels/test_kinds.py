"""What customers send in 2026: buttons, captions, edits, revocations, groups, two ids of one person, status errors."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salambot.webhooks.channels import CHANNELS, load
from salambot.webhooks.channels.base import InvalidBodyError, ParsedWebhook
from tests import events
from tests.events import messenger, messenger_message, telegram, whatsapp, whatsapp_message
from tests.fakes.peers import REPLY
from tests.services.channels.conftest import ALL_DONE, Shop, WorkerProcess

Json = dict[str, Any]


def kind(name: str, content: object, **more: object) -> Json:
    """Return an element of WhatsApp's `messages` of this kind."""
    item = {**whatsapp_message(), "type": name, name: content, **more}
    del item["text"]
    return item


def read_whatsapp(item: Json, **value: object) -> ParsedWebhook:
    return load("whatsapp").parse({}, whatsapp(item, **value))


TEXTS: list[tuple[Json, str]] = [
    (kind("button", {"payload": "H", "text": "Quels sont vos horaires ?"}), "Quels sont vos horaires ?"),
    (kind("button", {"payload": "HORAIRES"}), "HORAIRES"),
    (kind("interactive", {"type": "button_reply", "button_reply": {"id": "1", "title": "Livraison"}}), "Livraison"),
    (
        kind("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "Fès", "description": "d"}}),
        "Fès",
    ),
    (kind("interactive", {"type": "list_reply", "list_reply": {"id": "1", "description": "Fès ville"}}), "Fès ville"),
    (kind("interactive", {"type": "button_reply", "button_reply": {"id": "Horaires"}}), "Horaires"),
    ({**whatsapp_message("Prix ?"), "timestamp": int(whatsapp_message()["timestamp"])}, "Prix ?"),
    ({**whatsapp_message("Et là ?"), "referral": {"headline": "Promo", "body": "-20 %"}}, "Et là ?"),
    ({**whatsapp_message("Dispo ?"), "context": {"referred_product": {"catalog_id": "c"}}}, "Dispo ?"),
    ({**whatsapp_message("Oui"), "context": {"forwarded": True}}, "Oui"),
    (kind("image", {"id": "1", "caption": "C'est combien ?"}), "C'est combien ?"),
    (kind("video", {"id": "1", "caption": "Et ça ?"}), "Et ça ?"),
    (kind("document", {"id": "1", "filename": "a.pdf", "caption": "Mon bon"}), "Mon bon"),
    (kind("order", {"catalog_id": "1", "text": "Livré quand ?", "product_items": []}), "Livré quand ?"),
    (kind("request_welcome", {}), "Bonjour"),
    ({**whatsapp_message("/start promo")}, "Bonjour"),
    ({**whatsapp_message("/help")}, "Bonjour"),
    ({**whatsapp_message("/helpers ?")}, "/helpers ?"),
    (kind("poll_2027", {"title": "Une question ?"}), "Une question ?"),
    (
        kind("edit", {"original_message_id": "o", "message": {"type": "text", "text": {"body": "À Fès ?"}}}),
        "À Fès ?",
    ),
    (
        kind("edit", {"original_message_id": "o", "message": {"type": "image", "image": {"caption": "Ceci ?"}}}),
        "Ceci ?",
    ),
]


@pytest.mark.parametrize(("item", "text"), TEXTS)
def test_what_the_customer_wrote_or_chose_is_the_text(item: Json, text: str) -> None:
    (message,) = read_whatsapp(item).messages
    assert (message.kind, message.text) == ("text", text)


@pytest.mark.parametrize(
    "item",
    [
        *(kind(name, {"id": "1"}) for name in ("audio", "voice", "sticker", "image", "video", "document")),
        kind("location", {"latitude": 1, "longitude": 2}),
        kind("contacts", []),
        kind("unsupported", {}, errors=[{"code": 131051, "title": "Unsupported"}]),
        kind("order", {"catalog_id": "1", "product_items": [{"product_retailer_id": "a", "quantity": 1}]}),
        kind("poll_creation", {"question": "Où ?"}),
        kind("interactive", {"type": "product_of_2027", "product_of_2027": {"id": "1"}}),
        kind("something_of_2027", {"x": 1}),
        kind("something_of_2027", "x"),
    ],
)
def test_what_holds_no_text_is_stored_as_such(item: Json) -> None:
    (message,) = read_whatsapp(item).messages
    assert (message.kind, message.text) == ("unsupported", "")


@pytest.mark.parametrize(
    "item",
    [
        kind("reaction", {"message_id": "m", "emoji": "x"}),
        kind("revoke", {"original_message_id": "o"}),
        kind("revoke", {}),
        kind("edit", {"original_message_id": "o"}),
        kind("edit", "x"),
        kind("interactive", {"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": "{}"}}),
        kind("interactive", {"type": "call_permission_reply", "call_permission_reply": {"response": "accept"}}),
        kind("system", {"type": "user_changed_number", "wa_id": "2127", "body": "x"}),
        {**whatsapp_message(), "group_id": "Y2Fw"},
    ],
)
def test_events_and_groups_get_no_reply(item: Json) -> None:
    parsed = read_whatsapp(item)
    assert (parsed.messages, parsed.ignored) == ([], 1)


def test_ids_that_the_message_leaves_out_are_taken_from_its_contact() -> None:
    scoped = {**whatsapp_message(), "from": None}
    contact = {"profile": {"name": "Salma"}, "user_id": "MA.1"}
    (message,) = read_whatsapp(scoped, contacts=[contact]).messages
    assert (message.user, message.recipient, message.other_id) == ("MA.1", "user:MA.1", "")
    (message,) = read_whatsapp(whatsapp_message(), contacts=[{**contact, "wa_id": "2126"}]).messages
    assert (message.user, message.recipient, message.other_id) == ("MA.1", "2126", "2126")
    assert read_whatsapp(scoped, contacts=[contact, {"user_id": "MA.2"}]).messages == []


def test_a_change_of_ids_that_names_no_phone_number_links_old_and_new() -> None:
    change = {"type": "user_changed_user_id", "previous_user_id": "MA.1", "user_id": "MA.2", "body": "x"}
    parsed = read_whatsapp({**kind("system", change), "from": None})
    assert [(event.kind, event.user, event.other_id) for event in parsed.events] == [("link", "MA.2", "MA.1")]
    assert parsed.messages == []


@pytest.mark.parametrize("field", ["smb_message_echoes", "history", "standby", "account_update", "user_preferences"])
def test_other_fields_of_an_account_are_counted(field: str) -> None:
    body = json.loads(whatsapp(whatsapp_message()))
    body["entry"][0]["changes"][0]["field"] = field
    parsed = load("whatsapp").parse({}, json.dumps(body).encode())
    assert (parsed.messages, parsed.ignored) == ([], 1)


def test_errors_of_statuses_are_told_in_words() -> None:
    statuses = [
        {"id": "a", "status": "failed", "errors": [{"code": 131047, "title": "Re-engagement message"}]},
        {"id": "b", "status": "failed", "errors": [{"code": 999999, "title": "New\u202e thing"}]},
        {"id": "c", "status": "failed", "errors": "x"},
        {"id": "d", "status": "read"},
    ]
    parsed = load("whatsapp").parse({}, whatsapp(statuses=statuses))
    assert dict(parsed.failures) == {
        "131047: more than 24 hours since the customer wrote: only a template may be sent": 1,
        "999999: New thing": 1,
    }
    assert parsed.ignored == 5


CHOICES: list[tuple[Json, str]] = [
    ({"title": "Horaires", "payload": "H", "mid": "m_1"}, "Horaires"),
    ({"payload": "Prix de la livraison"}, "Prix de la livraison"),
    ({"title": "Démarrer", "payload": "GET_STARTED"}, "Bonjour"),
    ({"title": "Commencer", "payload": "x"}, "Bonjour"),
]


@pytest.mark.parametrize(("postback", "text"), CHOICES)
def test_ice_breakers_menus_and_get_started_of_messenger(postback: Json, text: str) -> None:
    item = {**messenger_message(), "postback": postback}
    del item["message"]
    first, again = (load("messenger").parse({}, messenger(item)).messages for _ in range(2))
    assert [(message.kind, message.text) for message in first] == [("text", text)]
    assert first == again, "delivered again, it has the same id"


def test_edits_and_thumbs_of_messenger() -> None:
    edit = {**messenger_message(), "message_edit": {"mid": "m_0", "text": "À Fès ?", "num_edit": 2}}
    del edit["message"]
    (message,) = load("messenger").parse({}, messenger(edit)).messages
    assert (message.message_id, message.replaces, message.text) == ("m_0#2", "m_0", "À Fès ?")
    thumb = messenger_message()
    thumb["message"] = {"mid": "m", "attachments": [{"type": "image", "payload": {"sticker_id": 369239263222822}}]}
    (message,) = load("messenger").parse({}, messenger(thumb)).messages
    assert (message.kind, message.text) == ("text", "👍")


MESSENGER: list[tuple[Json, list[tuple[str, str]]]] = [
    ({"message": {"mid": "m", "text": "Fès", "quick_reply": {"payload": "F"}}}, [("text", "Fès")]),
    ({"message": {"mid": "m", "quick_reply": {"payload": "Fès"}}}, [("text", "Fès")]),
    ({"message": {"mid": "m", "text": "Prix ?", "reply_to": {"story": {"id": "1"}}}}, [("text", "Prix ?")]),
    ({"message": {"mid": "m", "text": "Ça", "attachments": [{"type": "image", "payload": {}}]}}, [("text", "Ça")]),
    *(
        ({"message": {"mid": "m", "attachments": [{"type": name, "payload": {}}]}}, [("unsupported", "")])
        for name in ("image", "audio", "file", "location", "reel", "story_mention", "template", "kind_of_2027")
    ),
    ({"message": {"mid": "m", "is_unsupported": True}}, [("unsupported", "")]),
    ({"message": {"mid": "m", "order": {"products": []}}}, [("unsupported", "")]),
    ({"message": {"mid": "m", "is_deleted": True}}, []),
    ({"message": {"mid": "m", "text": " "}}, []),
    ({"message": {"mid": "m", "text": "x", "is_echo": True}}, []),
    *(
        ({name: {"x": 1}}, [])
        for name in (
            "read", "delivery", "reaction", "optin", "referral", "account_linking", "pass_thread_control",
            "take_thread_control", "request_thread_control", "app_roles", "policy_enforcement", "messaging_feedback",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), MESSENGER)
def test_every_kind_of_messenger_is_a_text_a_medium_or_an_event(content: Json, expected: list[tuple[str, str]]) -> None:
    item = {**messenger_message(), **content}
    item = item if "message" in content else {name: item[name] for name in item if name != "message"}
    parsed = load("messenger").parse({}, messenger(item))
    assert [(message.kind, message.text) for message in parsed.messages] == expected
    assert parsed.ignored == (not expected)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/horaires", "horaires"),
        ("/frais_de_livraison@shop_bot Fès", "frais de livraison Fès"),
        ("/start promo_12", "Bonjour"),
        ("/", "/"),
        ("/etc/passwd", "/etc/passwd"),
        ("24/7 ?", "24/7 ?"),
    ],
)
def test_items_of_a_bots_menu_are_what_their_name_says(text: str, meant: str) -> None:
    (message,) = load("telegram").parse({}, telegram(text)).messages
    assert message.text == meant


async def test_a_reply_stays_in_the_topic_of_its_message(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    shop.post("telegram", telegram(message_thread_id=42, is_topic_message=True))
    await shop.until(ALL_DONE)
    (sent,) = shop.telegram.sent
    assert (sent["chat_id"], sent["message_thread_id"]) == ("77", 42)


def edit(original: str, text: str, mid: str) -> Json:
    content = {"original_message_id": original, "message": {"type": "text", "text": {"body": text}}}
    return kind("edit", content, id=mid)


async def test_an_edit_replaces_what_was_not_answered_yet(shop: Shop) -> None:
    shop.post("whatsapp", whatsapp(whatsapp_message("Prix à Fes", mid="o")))
    changed = whatsapp(edit("o", "Prix à Fès ?", "e1"))
    assert shop.post("whatsapp", changed).json()["accepted"] == 1
    assert shop.post("whatsapp", changed).json()["status"] == "duplicate"
    shop.post("whatsapp", whatsapp({**edit("o", "Je suis un autre", "e2"), "from": "2129"}))
    rows = await shop.rows("SELECT message_id, state, outcome, content FROM inbox ORDER BY number")
    assert [tuple(row.values()) for row in rows] == [
        ("o", "pending", None, "Prix à Fès ?"),
        ("e1", "done", "edit", None),
        ("e2", "pending", None, "Je suis un autre"),
    ]


async def test_an_edit_of_what_was_answered_is_answered_once(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    shop.post("whatsapp", whatsapp(whatsapp_message("Prix à Fes", mid="o")))
    await shop.until(ALL_DONE)
    for _ in range(2):
        shop.post("whatsapp", whatsapp(edit("o", "Prix à Fès ?", "e1")))
    await shop.until(ALL_DONE)
    assert [asked["prompt"] for asked in shop.peers.received] == ["Prix à Fes", "Prix à Fès ?"]


async def test_what_was_taken_back_is_not_answered(shop: Shop) -> None:
    shop.post("whatsapp", whatsapp(whatsapp_message("Secret", mid="o")))
    assert shop.post("whatsapp", whatsapp(kind("revoke", {"original_message_id": "o"}, id="r"))).json() == {
        "status": "ignored", "accepted": 0, "duplicates": 0, "ignored": 1,
    }  # fmt: skip
    (row,) = await shop.rows()
    assert (row["state"], row["outcome"], row["content"], row["preview"]) == ("done", "revoked", None, "")


BOTH, SCOPED_ONLY = {"from_user_id": "MA.1"}, {"from_user_id": "MA.1", "from": None}


async def test_two_ids_of_one_person_are_one_conversation(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    shop.post("whatsapp", whatsapp(whatsapp_message("un", mid="1")))
    await shop.until(ALL_DONE)
    for number, ids in enumerate((BOTH, SCOPED_ONLY, {}), 2):
        shop.post("whatsapp", whatsapp({**whatsapp_message("x", mid=str(number)), **ids}))
    await shop.until(ALL_DONE)
    first, *others = [row["party"] for row in await shop.rows()]
    assert len(set(others)) == 1
    linked = await shop.rows("SELECT party FROM identities WHERE person = (SELECT max(person) FROM identities)")
    assert {first, *others} <= {row["party"] for row in linked}, "what was answered before is found by them"
    assert {message["to"] for message in shop.graph.sent} >= {"2126"}
    assert len(shop.graph.sent) == 4


async def test_conversations_that_turn_out_to_be_one_are_joined(shop: Shop) -> None:
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="1")))
    shop.post("whatsapp", whatsapp({**whatsapp_message(mid="2"), **SCOPED_ONLY}))
    assert len({row["party"] for row in await shop.rows()}) == 2
    shop.post("whatsapp", whatsapp({**whatsapp_message(mid="3"), **BOTH}))
    assert len({row["party"] for row in await shop.rows()}) == 1
    moved = kind("system", {"type": "user_changed_number", "wa_id": "2127"}, id="s", from_user_id="MA.1")
    shop.post("whatsapp", whatsapp(moved))
    shop.post("whatsapp", whatsapp(whatsapp_message(mid="4", sender="2127")))
    assert len({row["party"] for row in await shop.rows()}) == 1


async def test_the_reminder_to_write_comes_once_in_a_conversation(shop: Shop, worker: WorkerProcess) -> None:
    del worker
    for number in range(3):
        shop.post("whatsapp", whatsapp(kind("audio", {"id": "1"}, id=f"a{number}")))
        await shop.until(ALL_DONE)
    shop.post("whatsapp", whatsapp(kind("audio", {"id": "1"}, id="other", **{"from": "2129"})))
    shop.post("whatsapp", whatsapp(whatsapp_message("Bonjour", mid="t")))
    await shop.until(ALL_DONE)
    texts = [message["text"] for message in shop.graph.sent]
    assert len(texts) == 3
    assert sum("messages écrits" in text for text in texts) == 2, "one for each person"
    assert REPLY["reply"] in texts
    outcomes = [row["outcome"] for row in await shop.rows()]
    assert outcomes == ["replied", "reminded_before", "reminded_before", "replied", "replied"]


names = st.sampled_from(
    [
        "from",
        "id",
        "type",
        "text",
        "body",
        "button",
        "interactive",
        "title",
        "caption",
        "edit",
        "message",
        "revoke",
        "original_message_id",
        "system",
        "wa_id",
        "user_id",
        "from_user_id",
        "group_id",
        "timestamp",
        "errors",
        "code",
        "contacts",
        "sender",
        "recipient",
        "postback",
        "payload",
        "mid",
        "attachments",
        "sticker_id",
        "message_edit",
        "num_edit",
        "chat",
        "date",
        "message_id",
        "message_thread_id",
        "is_topic_message",
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(names, children, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(names, json_values, max_size=8), st.sampled_from(CHANNELS))
@settings(max_examples=300, deadline=None)
def test_any_shape_is_read_or_ignored(item: Json, channel: str) -> None:
    stamped = {"timestamp": "1790000000", "id": "m", "from": "2126", **item}
    body = {
        "whatsapp": whatsapp(stamped, statuses=[item], contacts=[item]),
        "messenger": messenger({"sender": {"id": "u"}, "timestamp": 1790000000000, **item}),
        "telegram": json.dumps({"update_id": 1, "message": item}).encode(),
        "generic": json.dumps(item).encode(),
    }[channel]
    try:
        parsed = load(channel).parse(events.by_standard(body) if channel == "generic" else {}, body)
    except InvalidBodyError:
        assert channel == "generic"
        return
    for message in (*parsed.messages, *parsed.events):
        assert message.user
        assert message.message_id
        assert (message.kind == "text") == bool(message.text.strip())
