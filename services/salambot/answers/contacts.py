"""Find how a business is reached in its own documents: a phone number and an e-mail address that are for customers."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import phonenumbers

from salambot.answers.units import PassageSection, sections_of
from salambot.core.schemas import Passage
from salambot.language.answer_kinds import asks_for, fold

_REGION = "MA"
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_FOR_CUSTOMERS = re.compile(
    r"service client|customer|accueil|reception|secretariat|rendez|rdv|reserv|booking|standard|joindre|contact|whatsapp"
    r"|حجز|موعد|استقبال|تواصل|اتصل|الزبناء"
)
_FOR_SOMETHING_ELSE = re.compile(
    r"urgen|emergenc|accident|panne|breakdown|assistance|police|gendarm|pompier|ambulance|hopital|hospital|\bfax\b|banque"
    r"|recrut|presse|fournisseur|مستعجل|طوارئ|شرطه|مستشفي|حادث|عطب"
)


@dataclass(frozen=True, slots=True)
class _Found:
    value: str
    score: int


def find_contact(passages: Sequence[Passage]) -> str | None:
    """Return a phone number and an e-mail address, as far as these passages hold any for customers."""
    phones, emails = list(_found(passages, _phones)), list(_found(passages, _emails))
    best = [max(found, key=lambda item: item.score).value for found in (phones, emails) if found]
    return ", ".join(best) or None


def _found(passages: Sequence[Passage], find: Callable[[str], Iterator[str]]) -> Iterator[_Found]:
    for passage in passages:
        for section in sections_of(passage):
            for unit in section.units:
                score = _score(section, unit.text)
                if score >= 0:
                    yield from (_Found(value, score) for value in find(unit.text))


def _score(section: PassageSection, text: str) -> int:
    """Return how surely a contact in this text is for customers; below 0 it is for something else."""
    around = fold(f"{' '.join(section.path) or section.title} {text}")
    if _FOR_SOMETHING_ELSE.search(around):
        return -1
    return 2 * bool(_FOR_CUSTOMERS.search(around)) + asks_for("contact", around)


def _phones(text: str) -> Iterator[str]:
    for match in phonenumbers.PhoneNumberMatcher(text, _REGION):
        yield match.raw_string


def _emails(text: str) -> Iterator[str]:
    yield from _EMAIL.findall(text)
