"""Every number, id and text of a webhook has a bound: a bad item is ignored and counted, the others are stored."""

import json
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from salambot.webhooks.channel_client import ChannelContext, Envelope, SendError
from salambot.webhooks.channels import load
from salambot.webhooks.channels.base import InvalidBodyError, read_json
from salambot.webhooks.settings import SendSettings
from tests import events
from tests.events import messenger, messenger_message, whatsapp, whatsapp_message
from tests.services.channels.conftest import Shop

RAW = "@@RAW@@"
"""Stands for bytes that `json.dumps` does not write."""
HOSTILE_VALUES = [
    b"9" * 25, b"9" * 400, b"9" * 5000, b"-" + b"9" * 5000, b"1e400", b"-1e999999", b"0." + b"1" * 5000, b"true",
    b"null", b"{}", b"[]", b'["a"]', b'{"a":{"b":1}}', b'"' + b"9" * 5000 + b'"', b'"\\u0669"', b'"\\ud800"', b'""',
    b'"\\u0000"', b'" 1"', b'"1e3"', b'"' + b"x" * 100_000 + b'"',
]  # fmt: skip


def with_raw(body: bytes, value: bytes) -> bytes:
    return body.replace(f'"{RAW}"'.encode(), value)


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=lambda value: repr(value)[:24])
@pytest.mark.parametrize("name", ["timestamp", "id", "type", "from", "from_user_id", "text"])
def test_a_bad_whatsapp_value_spoils_its_own_item_only(name: str, value: bytes) -> None:
    bad, good = {**whatsapp_message(mid="bad"), name: RAW}, whatsapp_message(mid="good")
    parsed = load("whatsapp").parse({}, with_raw(whatsapp(bad, good), value))
    assert "good" in [message.message_id for message in parsed.messages]
    assert len(parsed.messages) + parsed.ignored == 2
    assert all(bounded(message.message_id, message.user, message.text) for message in parsed.messages)


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=lambda value: repr(value)[:24])
@pytest.mark.parametrize("name", ["timestamp", "sender", "message"])
def test_a_bad_messenger_value_spoils_its_own_item_only(name: str, value: bytes) -> None:
    bad, good = {**messenger_message(mid="bad"), name: RAW}, messenger_message(mid="good")
    parsed = load("messenger").parse({}, with_raw(messenger(bad, good), value))
    assert [message.message_id for message in parsed.messages] == ["good"]
    assert parsed.ignored == 1


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=lambda value: repr(value)[:24])
@pytest.mark.parametrize("name", ["date", "from", "chat", "text", "message_id"])
def test_a_bad_telegram_value_is_no_error(name: str, value: bytes) -> None:
    parsed = load("telegram").parse({}, with_raw(events.telegram(**{name: RAW}), value))
    assert len(parsed.messages) + parsed.ignored == 1
    assert all(bounded(message.message_id, message.user, message.text) for message in parsed.messages)


def bounded(message_id: str, user: str, text: str) -> bool:
    return 0 < len(message_id) <= 512 and 0 < len(user) <= 512 and len(text) <= 32_000


@pytest.mark.parametrize("body", [b"NaN", b"[Infinity]", b'{"a":-Infinity}', b"[" * 100_000, b"", b'{"a":1}x'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBodyError):
        read_json(body)


async def test_a_batch_with_a_long_number_is_stored(shop: Shop) -> None:
    bad: dict[str, Any] = {**whatsapp_message(mid="bad"), "timestamp": "9" * 5000}
    answer = shop.post("whatsapp", whatsapp(bad, whatsapp_message(mid="good")))
    assert (answer.status_code, answer.json()["accepted"], answer.json()["ignored"]) == (200, 1, 1)
    huge = json.loads(messenger(messenger_message(mid="huge"), messenger_message(mid="fine")))
    huge["entry"][0]["messaging"][0]["timestamp"] = RAW
    answer = shop.post("messenger", with_raw(json.dumps(huge).encode(), b"9" * 5000))
    assert (answer.status_code, answer.json()["accepted"], answer.json()["ignored"]) == (200, 1, 1)


@pytest.mark.parametrize("account", ["1064", "a/b", "..%2f..", "p?x=1#y", "é", "../../x"])
async def test_an_account_is_one_segment_of_the_path(account: str) -> None:
    _, version, segment, messages = (await raw_path_of(account)).split("/")
    assert (version, unquote(segment), messages) == ("v23.0", account, "messages")


@pytest.mark.parametrize("account", [".", ".."])
async def test_an_account_that_leads_out_of_the_path_is_never_sent_to(account: str) -> None:
    with pytest.raises(SendError, match="bad_account"):
        await raw_path_of(account)


async def raw_path_of(account: str) -> str:
    """Return the path that the Graph API sees, byte for byte."""
    paths: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        paths.append(request.raw_path)
        return web.json_response({"message_id": "m"})

    async with RawTestServer(answer) as server, aiohttp.ClientSession() as http:
        base = f"http://127.0.0.1:{server.port}"
        settings = SendSettings.model_validate(
            {"internal_token": "t", "meta_page_token": "token", "graph_base_url": base}
        )
        await load("messenger").send(ChannelContext(http, settings), Envelope(account, "u"), "Bonjour", "tag")
    return paths[0]
