"""The extractive provider: what it takes from passages, in which language, and what it never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot.core.schemas import ComposeRequest, Passage, Reply, ReplyCompleted, ReplyDelta, Turn
from salambot.language.detection import detect
from salambot.llms.local import MAX_ANSWER_LENGTH, LocalLlm, compose, shorten

REFUND_FR = (
    "## Quelle est votre politique de remboursement ?\n\nVous êtes **remboursé** sous [14 jours](https://x.example)."
)
DELIVERY_FR = "## Combien coûte la livraison ?\n\n- 25 DH à Casablanca\n- 35 DH ailleurs"
RETURN_ARY = "## كيفاش نرجع الكوموند؟\n\nعندك 14 يوم باش ترجع الكوموند."
RETURN_AR = "## ما هي سياسة الإرجاع؟\n\nيمكنك إرجاع المنتج خلال 14 يوما."


def passage(text: str, language: str = "fr", name: str = "doc", score: float = 0.8) -> Passage:
    return Passage(
        id=f"{name}#0", score=score, title=name, text=text, uri=f"file:///{name}", language=language, chunk=0
    )


KB = [
    passage(REFUND_FR, "fr", "refund"),
    passage(DELIVERY_FR, "fr", "delivery"),
    passage(RETURN_ARY, "ary", "return-ary"),
    passage(RETURN_AR, "ar", "return-ar"),
]


def asked(prompt: str, *passages: Passage, context: list[Turn] | None = None, locale: str | None = None) -> Reply:
    request = ComposeRequest(
        tenant="demo", prompt=prompt, passages=list(passages or KB), context=context or [], locale=locale
    )
    return compose(request)


def refused(prompt: str) -> Reply:
    """Return the reply where retrieval found nothing that answers."""
    return compose(ComposeRequest(tenant="demo", prompt=prompt))


@pytest.mark.parametrize(
    ("prompt", "language", "cited", "says"),
    [
        ("C'est quoi votre politique de remboursement ?", "fr", "refund", "Vous êtes remboursé sous 14 jours."),
        ("Combien coûte la livraison ?", "fr", "delivery", "- 25 DH à Casablanca\n- 35 DH ailleurs"),
        ("بغيت نرجع الكوموند كيفاش ندير؟", "ary", "return-ary", "عندك 14 يوم باش ترجع الكوموند."),
        ("ما هي سياسة الإرجاع؟", "ar", "return-ar", "يمكنك إرجاع المنتج خلال 14 يوما."),
        ("bghit nrje3 lcommande, kifach?", "ary-Latn", "return-ary", "عندك 14 يوم باش ترجع الكوموند."),
    ],
)
def test_the_answer_is_the_passages_own_words_in_the_language_asked(
    prompt: str, language: str, cited: str, says: str
) -> None:
    reply = asked(prompt)
    assert reply.language == language
    assert [citation.title for citation in reply.citations] == [cited]
    assert reply.reply.endswith(says)
    assert "?" not in reply.reply
    assert "؟" not in reply.reply


def test_a_question_in_another_language_is_answered_with_an_excuse_in_its_own() -> None:
    reply = asked("How much is the delivery?")
    assert reply.language == "en"
    assert reply.reply.startswith("Here is what our information says; it is not available in English yet:\n")
    assert reply.citations[0].title == "delivery"


@pytest.mark.parametrize(
    ("prompt", "starts"),
    [
        ("Bonjour SalamBot", "Bonjour !"),
        ("السلام عليكم", "السلام عليكم!"),
        ("salam", "Salam!"),
        ("Hello", "Hello!"),
        ("سلام لاباس", "السلام!"),
        ("merci beaucoup", "Avec plaisir"),
        ("شكرا جزيلا لكم", "على الرحب والسعة"),
        ("choukran bzaf", "Mer7ba bik"),
        ("bslama", "Bslama"),
        ("bonne journée", "Au revoir"),
        ("", "Je n'ai pas bien compris"),
        ("?!", "Je n'ai pas bien compris"),
        ("😀😀", "Merci à vous"),
        ("👍", "Merci à vous"),
        ("😡", "Nous sommes sincèrement désolés"),
        ("lah yr7em lwalidin", "Amin"),
        ("الله يرحم الوالدين", "آمين"),
        ("merci infiniment pour votre aide", "Avec plaisir"),
        ("d'accord merci à demain", "Avec plaisir"),
        ("مرحبا كيداير", "السلام"),
    ],
)
def test_courtesy_for_courtesy_cites_nothing(prompt: str, starts: str) -> None:
    reply = asked(prompt)
    assert reply.reply.startswith(starts)
    assert reply.citations == []


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("Quelle est la capitale du Japon ?", "je ne sais pas"),
        ("What is the capital of Japan?", "I do not know"),
        ("ما هي عاصمة اليابان؟", "لا أعرف"),
        ("شنو هي عاصمة اليابان؟", "ما عرفتش"),
        ("chno hiya l3asima dyal lyaban?", "ma3reftch"),
    ],
)
def test_what_no_passage_answers_is_not_known(prompt: str, says: str) -> None:
    reply = refused(prompt)
    assert says in reply.reply
    assert reply.citations == []
    assert asked(prompt, passage("", score=0.0)).reply == reply.reply


def test_a_greeting_before_a_question_is_returned() -> None:
    assert asked("Bonjour, combien coûte la livraison ?").reply.startswith("Bonjour ! - 25 DH")


def test_two_questions_get_two_answers() -> None:
    reply = asked("livraison et remboursement")
    assert {citation.title for citation in reply.citations} == {"delivery", "refund"}


def test_a_short_message_leans_on_what_was_asked_before() -> None:
    context = [
        Turn(role="user", content="Combien coûte la livraison ?"),
        Turn(role="assistant", content="25 DH à Casablanca."),
        Turn(role="user", content="merci"),
    ]
    assert [citation.title for citation in asked("et pour Rabat ?", context=context).citations] == ["delivery"]


def test_a_long_answer_is_cut_at_a_sentence_and_says_so() -> None:
    reply = asked("remboursement", passage("## Remboursement\n\n" + f"- {'Le délai est de 14 jours. ' * 6}\n" * 10))
    assert reply.finish_reason == "length"
    assert reply.reply.endswith("14 jours.")
    assert len(reply.reply) <= MAX_ANSWER_LENGTH + 60


def test_usage_counts_words() -> None:
    reply = asked("Combien coûte la livraison ?", passage(DELIVERY_FR))
    assert reply.usage.input_tokens == 5 + len(DELIVERY_FR.split())
    assert reply.usage.output_tokens == len(reply.reply.split())


PASSAGES = st.lists(st.builds(passage, st.text(max_size=300), st.sampled_from(["fr", "ar", "ary", "xx"])), max_size=4)


@given(st.text(max_size=200), PASSAGES)
async def test_any_prompt_gets_one_reply_that_invents_nothing(prompt: str, passages: list[Passage]) -> None:
    request = ComposeRequest(tenant="demo", prompt=prompt, passages=passages)
    reply = compose(request)
    assert reply == compose(request)
    assert reply.reply.strip()
    assert reply.language == detect(prompt)
    assert {citation.id for citation in reply.citations} <= {given.id for given in passages}
    events = [event async for event in LocalLlm().stream(request)]
    assert events[-1] == ReplyCompleted(reply=reply)
    assert "".join(event.text for event in events if isinstance(event, ReplyDelta)) == reply.reply


@given(st.text(max_size=3 * MAX_ANSWER_LENGTH))
def test_shortening_keeps_a_beginning_within_bounds(text: str) -> None:
    short, whole = shorten(text)
    assert len(short) <= MAX_ANSWER_LENGTH
    assert whole == (short == text)
    assert text.startswith(short.removesuffix("…"))
