"""Replies to customers of businesses that the code was not written for: the fact asked for, and nothing else."""

import re

import pytest

from salambot.core.schemas import ComposeRequest
from salambot.language.answer_kinds import fold
from salambot.llms.local import compose
from tests.services.answers.kb import BUSINESSES, Business, load_business

NAMES = sorted(path.stem for path in BUSINESSES.glob("*.toml"))
LEAST_RIGHT = 0.85
RAW_MARKUP = re.compile(r"\||\*\*|</?\w+>|^#|\]\(")
_THOUSANDS = re.compile(r"(?<=\d)[ .,\u202f](?=\d{3}(?!\d))")
_BETWEEN_DIGITS = re.compile(r"(?<=\d) (?=\d)")


def replies(business: Business) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """Return each question with its reply, folded, and what it must hold and must not."""
    return [
        (
            asked.ask,
            _BETWEEN_DIGITS.sub("", _THOUSANDS.sub("", fold(_reply(business, asked.ask)))),
            asked.must,
            asked.must_not,
        )
        for asked in business.questions
    ]


def _reply(business: Business, question: str) -> str:
    request = ComposeRequest(tenant="demo", prompt=question, passages=business.search(question))
    reply = compose(request).reply
    assert not RAW_MARKUP.search(reply), reply
    return reply


@pytest.mark.parametrize("name", NAMES)
def test_most_replies_hold_the_fact(name: str) -> None:
    found = replies(load_business(name))
    wrong = [(ask, reply) for ask, reply, must, _ in found if not all(re.search(each, reply) for each in must)]
    assert len(wrong) <= (1 - LEAST_RIGHT) * len(found), wrong


@pytest.mark.parametrize("name", NAMES)
def test_no_reply_holds_what_belongs_to_something_else(name: str) -> None:
    found = replies(load_business(name))
    harmful = [(ask, reply) for ask, reply, _, must_not in found if any(re.search(each, reply) for each in must_not)]
    assert harmful == []
