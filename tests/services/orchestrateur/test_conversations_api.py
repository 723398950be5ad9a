"""Conversations for the operator: listed, sought, filtered, and what the documents do not answer, counted."""

from typing import Any, cast

from tests.services.orchestrateur.conftest import Orchestra
from tests.services.orchestrateur.test_records import ask

NOTHING = "Quelle est la capitale du Japon ?"


async def listed(orchestra: Orchestra, **query: str) -> list[dict[str, Any]]:
    params = {"tenant": "demo", **query}
    status, found = await ask(orchestra, "GET", "/internal/conversations", params=params)
    assert status == 200
    return cast("list[dict[str, Any]]", found["conversations"])


async def test_conversations_are_listed_sought_filtered_and_shown(orchestra: Orchestra) -> None:
    await orchestra.reply("C'est quoi votre politique de remboursement ?", user="a", message_id="a1")
    await orchestra.reply(NOTHING, user="b", message_id="b1", channel="whatsapp")
    await orchestra.reply("Merci beaucoup", user="c", message_id="c1")
    assert [one["party"] for one in await listed(orchestra)] == ["c", "b", "a"]
    assert [one["party"] for one in await listed(orchestra, answered="no")] == ["b"]
    assert [one["party"] for one in await listed(orchestra, answered="yes")] == ["c", "a"]
    assert [one["party"] for one in await listed(orchestra, channel="whatsapp")] == ["b"]
    assert [one["party"] for one in await listed(orchestra, q="REMBOURSEMENT")] == ["a"]
    assert await listed(orchestra, q="%") == []
    assert await listed(orchestra, language="ar") == []
    assert await listed(orchestra, tenant="other") == []
    assert (await ask(orchestra, "GET", "/internal/conversations", params={"tenant": "demo", "answered": "x"}))[
        0
    ] == 422

    (one,) = await listed(orchestra, channel="whatsapp")
    path = f"/internal/conversations/{one['id']}"
    _, shown = await ask(orchestra, "GET", path, params={"tenant": "demo"})
    turns = cast("list[dict[str, Any]]", shown["turns"])
    assert [(turn["role"], turn["answered"]) for turn in turns] == [("user", True), ("assistant", False)]
    assert turns[0]["content"] == NOTHING
    assert (await ask(orchestra, "GET", path, params={"tenant": "other"}))[0] == 404


async def test_what_is_asked_in_vain_is_counted_once_a_question(orchestra: Orchestra) -> None:
    for number, prompt in enumerate(
        (NOTHING, "quelle est la capitale du japon", "C'est quoi votre politique de remboursement ?")
    ):
        await orchestra.reply(prompt, user=f"user{number}", message_id=f"m{number}")
    _, found = await ask(orchestra, "GET", "/internal/conversations/unanswered", params={"tenant": "demo"})
    (question,) = cast("list[dict[str, Any]]", found["questions"])
    assert question["times"] == 2
    assert "capitale" in question["content"].lower()
