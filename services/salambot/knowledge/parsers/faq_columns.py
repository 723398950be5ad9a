"""Which columns of a table hold questions and which their answers, by the meaning of their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from salambot.language.detection import fold_latin
from salambot.language.normalisation import normalise

_QUESTION = frozenset(
    [
        "question",
        "questions",
        "q",
        "demande",
        "interrogation",
        "سوال",
        "السوال",
        "اسيله",
        "الاسيله",
        "استفسار",
        "so2al",
        "swal",
        "su2al",
    ]
)
_ANSWER = frozenset(
    [
        "answer",
        "answers",
        "reponse",
        "reponses",
        "response",
        "rep",
        "r",
        "a",
        "الجواب",
        "جواب",
        "اجابه",
        "الاجابه",
        "الرد",
        "رد",
        "jawab",
        "jwab",
    ]
)
_TITLE, _TEXT = (
    frozenset({"titre", "title", "intitule", "sujet"}),
    frozenset({"texte", "text", "contenu", "content", "corps", "body"}),
)
_CATEGORY = frozenset(
    [
        "categorie",
        "category",
        "theme",
        "themes",
        "rubrique",
        "section",
        "topic",
        "tag",
        "type",
        "الفيه",
        "الصنف",
        "القسم",
    ]
)
_BOOKKEEPING = frozenset(["id", "n", "no", "num", "numero", "index", "lang", "langue", "language", "locale"])
_OTHER = frozenset(["date", "nombre", "nb", "count", "auteur", "author", "statut", "status", "id", "numero", "n"])
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class FaqColumns:
    """Pairs of a question's and an answer's column, columns of categories, and others that are worth keeping."""

    pairs: tuple[tuple[int, int], ...]
    categories: tuple[int, ...]
    others: tuple[int, ...]


def find_faq_columns(labels: Sequence[str]) -> FaqColumns | None:
    """Return the columns of a table of questions and answers, one pair a language; None for any other table."""
    names = [_words(label) for label in labels]
    questions = _named(names, _QUESTION)
    answers = _named(names, _ANSWER)
    if not questions or not answers:
        questions, answers = _exactly(names, _QUESTION | _TITLE), _exactly(names, _ANSWER | _TEXT)
    pairs = tuple(
        (column, answer) for column, key in questions.items() if (answer := _partner(key, answers)) is not None
    )
    if not pairs:
        return None
    used = {column for pair in pairs for column in pair}
    free = [column for column in range(len(labels)) if column not in used]
    categories = tuple(column for column in free if names[column] and names[column][0] in _CATEGORY)
    kept = tuple(column for column in free if column not in categories and not _is_bookkeeping(names[column]))
    return FaqColumns(pairs, categories, kept)


def _words(label: str) -> list[str]:
    return _WORDS.findall(fold_latin(normalise(label)).replace("_", " "))


def _named(names: Sequence[list[str]], wanted: frozenset[str]) -> dict[int, str]:
    """Return the columns whose name has one of these words, each with the rest of it: a language, a number."""
    both = _QUESTION | _ANSWER
    found = {}
    for column, words in enumerate(names):
        first = next((word for word in words if word in both), None)
        if first in wanted and words[0] not in _OTHER | _CATEGORY and len(words) <= 5:
            found[column] = " ".join(word for word in words if word not in both and len(word) <= 2)
    return found


def _exactly(names: Sequence[list[str]], wanted: frozenset[str]) -> dict[int, str]:
    return {column: "" for column, words in enumerate(names) if len(words) == 1 and words[0] in wanted}


def _partner(key: str, answers: dict[int, str]) -> int | None:
    same = next((column for column, other in answers.items() if other == key), None)
    return same if same is not None else next(iter(answers), None) if len(answers) == 1 else None


def _is_bookkeeping(words: Sequence[str]) -> bool:
    return bool(words) and all(word in _BOOKKEEPING for word in words)
