"""Whole replies over the sample knowledge base: the right document, the language asked, and what is kept."""

import pytest

from salambot.core.schemas import ReplyCompleted, ReplyDelta
from tests.services.orchestrateur.conftest import Orchestra, turn


@pytest.mark.parametrize(
    ("prompt", "language", "document", "says"),
    [
        ("C'est quoi votre politique de remboursement ?", "fr", "remboursement-et-retours.fr.md", "14 jours"),
        ("شنو هي سياسة الإرجاع؟", "ary", "remboursement-et-retours.ary.md", "14 يوم"),
        ("bghit nrje3 lcommande, kifach?", "ary-Latn", "remboursement-et-retours.darija-latin.md", "14 youm"),
        ("ما هي سياسة الإرجاع؟", "ar", "remboursement-et-retours.ar.md", "14 يوما"),
        ("What is your refund policy?", "en", "common-questions.en.md", "14 days"),
        ("vous ouvrez le dimanche ?", "fr", "horaires-et-contact.fr.md", "dimanche"),
        ("واش نقدر نخلص ملي توصلني السلعة؟", "ary", "paiement.ary.md", "تخلص"),
    ],
)
async def test_each_question_is_answered_from_its_document_in_its_language(
    orchestra: Orchestra, prompt: str, language: str, document: str, says: str
) -> None:
    reply = await orchestra.reply(prompt)
    assert reply.language == language
    assert reply.citations[0].uri.endswith(document)
    assert says in reply.reply


async def test_small_talk_and_the_unknown_cite_nothing(orchestra: Orchestra) -> None:
    greeting = await orchestra.reply("Bonjour SalamBot")
    assert greeting.language == "fr"
    assert greeting.reply.startswith("Bonjour !")
    unknown = await orchestra.reply("Quelle est la capitale du Japon ?")
    assert "je ne sais pas" in unknown.reply
    assert greeting.citations == unknown.citations == []


@pytest.mark.parametrize(
    "prompt", ["", "😀😀😀", "remboursement " * 1_400, "livraison التوصيل delivery tawsil", " " * 2_500 + "livraison ?"]
)
async def test_odd_prompts_get_a_reply(orchestra: Orchestra, prompt: str) -> None:
    assert (await orchestra.reply(prompt)).reply


async def test_a_stream_says_what_the_whole_says(orchestra: Orchestra) -> None:
    whole = await orchestra.reply("Quels sont vos horaires ?")
    *pieces, last = await orchestra.events("Quels sont vos horaires ?", message_id="m2")
    assert isinstance(last, ReplyCompleted)
    assert last.reply == whole
    assert "".join(event.text for event in pieces if isinstance(event, ReplyDelta)) == whole.reply
    assert len(await orchestra.rows("SELECT * FROM turns")) == 4


async def test_what_was_said_is_kept_with_an_audit_record(orchestra: Orchestra) -> None:
    reply = await orchestra.reply("Quels sont vos horaires ?", user="keyed-hash", channel="whatsapp")
    turns = await orchestra.rows("SELECT party, role, content FROM turns ORDER BY number")
    assert [tuple(row) for row in turns] == [
        ("keyed-hash", "user", "Quels sont vos horaires ?"),
        ("keyed-hash", "assistant", reply.reply),
    ]
    (audit,) = await orchestra.rows("SELECT actor, action, outcome, length(trace_id) AS trace FROM audit")
    assert tuple(audit) == ("keyed-hash", "reply", "stop", 32)


async def test_a_short_question_on_something_else_is_answered_as_it_would_be_alone(orchestra: Orchestra) -> None:
    context = [turn("user", "Prix de la livraison"), turn("assistant", "25 DH à Casablanca.")]
    for prompt in ("Quels sont vos horaires ?", "Vous acceptez les cartes ?"):
        alone = await orchestra.reply(prompt)
        reply = await orchestra.reply(prompt, context=context)
        assert [one.uri for one in reply.citations[:1]] == [one.uri for one in alone.citations[:1]]


async def test_a_follow_up_leans_on_the_context_given(orchestra: Orchestra) -> None:
    context = [turn("user", "Combien coûte la livraison ?"), turn("assistant", "25 DH à Casablanca.")]
    reply = await orchestra.reply("et pour Rabat ?", context=context)
    assert reply.citations[0].uri.endswith("livraison.fr.md")


async def test_a_follow_up_on_whatsapp_leans_on_what_was_kept(orchestra: Orchestra) -> None:
    known = {"user": "keyed-hash", "channel": "whatsapp"}
    await orchestra.reply("واش كاين الضمان؟", **known)
    reply = await orchestra.reply("و شحال المدة؟", **known)
    assert "garantie" in reply.citations[0].uri
    stranger = await orchestra.reply("و شحال المدة؟", user="another", channel="whatsapp")
    assert stranger != reply


async def test_webchat_does_not_remember_by_itself(orchestra: Orchestra) -> None:
    await orchestra.reply("Quelle est la durée de la garantie ?", correlation_id="same")
    again = await orchestra.reply("et pour les meubles ?", correlation_id="same")
    fresh = await orchestra.reply("et pour les meubles ?", correlation_id="other")
    assert again == fresh
