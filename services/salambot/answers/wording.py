"""Word an answer: as much of a section as was asked for, under its heading where that carries the meaning."""

import re
from collections.abc import Collection, Sequence

from salambot.answers.days import days_of
from salambot.answers.matching import join, match, names_a_kind, terms_of
from salambot.answers.question import Question
from salambot.answers.selection import JudgedSection, best_units, heading_terms, unit_score
from salambot.answers.tables import Row, colon
from salambot.answers.units import PassageSection, Unit
from salambot.language.analysis import Token
from salambot.language.answer_kinds import asks_for, fold, looks_like

MAX_TEXT_CHARS = 420
"""Of prose in one answer: a short section is said whole, so that its exceptions stay with it."""
MAX_ITEMS, MAX_ROWS, MAX_CELLS = 10, 8, 8
_FEW_CELLS = 4
"""Beside a row's name: so many are said even when one would do."""
_MAX_NAME_LENGTH = 5
"""Words of a cell that can name a row."""
_SAID_BY_BODY = 0.5
"""Share of a heading's words; what says as many of them needs no heading."""
_ASKED_ALIKE = 0.75
"""Share of a question's heading; who asks as many of its words asks the same."""
_STEM_LETTERS = 4
_MAX_CAPTION_CHARS = 40
"""Of a heading above a row: a longer one is a remark on the whole table."""
_NEAR_BEST = 0.999
_NEGATION = re.compile(
    r"(?:\bn'|\b(?:ne|pas|jamais|sans|sauf|hors|aucune?|not|no|never|cannot|without|except|non)\b|n't\b"
    r"|(?<!\w)(?:لا|ليس\w*|غير|بدون|ماشي|بلا|لم|لن|ما\w*ش)(?!\w))"
)


def word(question: Question, candidate: JudgedSection) -> str:
    """Return the answer that a section holds."""
    section = candidate.section
    body = _body(question, candidate)
    heading = _needed_heading(question, candidate, body)
    if not heading:
        return body
    if "\n" in body:
        return f"{heading}{'' if heading.endswith(('?', '؟', ':')) else colon(section.body).rstrip()}\n{body}"
    if heading.endswith(("?", "؟", ":", "!")):
        return f"{heading} {body}"
    mark = " – " if section.units[0].row else colon(f"{heading} {body}")
    return f"{heading}{mark}{body}"


def _body(question: Question, candidate: JudgedSection) -> str:
    judged = _of_best_paragraph(question, candidate, best_units(question, candidate))
    best = max(score for score, _ in judged)
    kind = next(unit.kind for score, unit in judged if score == best)
    if kind == "row":
        return _rows(question, candidate, [unit.row for _, unit in judged if unit.row is not None])
    whole = "\n".join(_lines([unit for _, unit in judged]))
    if kind == "item":
        return _items(candidate, [unit for _, unit in judged if unit.kind == "item"])
    return whole if len(whole) <= MAX_TEXT_CHARS else _sentences(judged, best)


def _of_best_paragraph(
    question: Question, candidate: JudgedSection, judged: list[tuple[float, Unit]]
) -> list[tuple[float, Unit]]:
    """Return the units of the paragraph that answers best, or all of them where none is better than another."""
    scores: dict[int, float] = {}
    for number in dict.fromkeys(unit.paragraph for _, unit in judged):
        text = "\n".join(unit.text for _, unit in judged if unit.paragraph == number)
        scores[number] = unit_score(question, candidate, text)
    best = max(scores.values())
    kept = {number for number, score in scores.items() if score >= _NEAR_BEST * best}
    return [(score, unit) for score, unit in judged if unit.paragraph in kept]


def _lines(units: Sequence[Unit]) -> list[str]:
    """Join the sentences of a paragraph; an item has a line of its own."""
    lines: list[str] = []
    last: Unit | None = None
    for unit in units:
        if last is not None and unit.kind == last.kind == "sentence" and unit.paragraph == last.paragraph:
            lines[-1] = f"{lines[-1]} {unit.text}"
        else:
            lines.append(unit.row.said() if unit.row else unit.text)
        last = unit
    return lines


def _sentences(judged: Sequence[tuple[float, Unit]], best: float) -> str:
    """Return the best sentence with its neighbours, those after it first: exceptions follow the rule."""
    at = next(index for index, (score, _) in enumerate(judged) if score == best)
    first = last = at
    paragraph = judged[at][1].paragraph
    length = len(judged[at][1].text)
    while True:
        after = judged[last + 1][1] if last + 1 < len(judged) else None
        before = judged[first - 1][1] if first else None
        if after and after.paragraph == paragraph and length + len(after.text) < MAX_TEXT_CHARS:
            last, length = last + 1, length + len(after.text) + 1
        elif before and before.paragraph == paragraph and length + len(before.text) < MAX_TEXT_CHARS:
            first, length = first - 1, length + len(before.text) + 1
        else:
            return "\n".join(_lines([unit for _, unit in judged[first : last + 1]]))


def _items(candidate: JudgedSection, items: Sequence[Unit]) -> str:
    """Return the items that say what the heading does not, or else the whole list below its intro."""
    beyond = [token for token in candidate.weights if not match(token, candidate.heading_terms)]
    points = [_points(candidate, beyond, unit.text) for unit in items]
    best = max(points)
    if best and points.count(best) <= max(1, len(items) // 2):
        chosen = [unit for unit, value in zip(items, points, strict=True) if value == best]
        return _listed(chosen)
    return _listed(items[:MAX_ITEMS])


def _listed(items: Sequence[Unit]) -> str:
    """Say items with the line above their list, which may turn their meaning: `Ne sont pas acceptés :`."""
    intro = items[0].intro
    if len(items) == 1:
        return f"{intro} {items[0].text.removeprefix('- ')}".strip()
    return "\n".join(([intro] if intro else []) + [unit.text for unit in items])


def _points(candidate: JudgedSection, tokens: Collection[Token], text: str) -> float:
    terms = terms_of(text, candidate.section.language)
    return sum(candidate.weights[token] * match(token, terms) for token in tokens)


def _rows(question: Question, candidate: JudgedSection, rows: Sequence[Row]) -> str:
    """Say the rows that the question names, or all: what headings and columns say, all rows share."""
    said = [_said(question, candidate, row) for row in _named_rows(question, candidate, rows)[:MAX_ROWS]]
    return said[0] if len(said) == 1 else "\n".join(f"- {line}" for line in said)


def _named_rows(question: Question, candidate: JudgedSection, rows: Sequence[Row]) -> list[Row]:
    days = days_of(question.text)
    if days and any(days & days_of(row.key) for row in rows):
        rows = [row for row in rows if days & days_of(row.key)]
    language = candidate.section.language
    columns = list(dict.fromkeys(column for row in rows for column, _ in row.cells))
    shared = join((candidate.heading_terms, *(terms_of(column, language) for column in columns)))
    naming = [token for token in candidate.weights if not match(token, shared)]
    sides = [[token for token in side if token in candidate.weights] for side in question.sides] or [naming]
    chosen = [row for side in sides for row in _best_rows(candidate, side, rows)]
    return list(dict.fromkeys(chosen))


def _best_rows(candidate: JudgedSection, tokens: Collection[Token], rows: Sequence[Row]) -> list[Row]:
    """Return the rows that say most of these words, and of those the shortest named: `X`, where `X + Y` is another."""
    points = [_points(candidate, tokens, " ".join(value for _, value in row.cells)) for row in rows]
    best = max(points)
    chosen = [row for row, value in zip(rows, points, strict=True) if value >= _NEAR_BEST * best]
    names = [terms_of(row.key, candidate.section.language) for row in chosen]
    asked = [name.words for name in names if sum(match(token, name) == 1.0 for token in tokens) >= len(name.words)]
    return [row for row, name in zip(chosen, names, strict=True) if not any(other < name.words for other in asked)]


def _said(question: Question, candidate: JudgedSection, row: Row) -> str:
    """Say a row by the columns that the question names, those that fit its kind, or all."""
    key = _key(candidate, row)
    others = [index for index in range(len(row.cells)) if index != key]
    named = [index for index in others if _is_named(question, candidate, row, index, key)]
    fitting = [index for index in others if _fits(question, row.cells[index])]
    if len(others) <= _FEW_CELLS:
        return row.said(named or others, key)
    return row.said((named or fitting or others)[:MAX_CELLS], key)


def _is_named(question: Question, candidate: JudgedSection, row: Row, index: int, key: int) -> bool:
    """Return True if the question names a cell's column, or says of its value what the row's name does not."""
    language = candidate.section.language
    column, value = (terms_of(part, language) for part in row.cells[index])
    name = terms_of(row.cells[key][1], language)
    return any(
        match(token, column) or (match(token, value) == 1.0 and not token.is_number and not match(token, name))
        for token in question.tokens
    )


def _key(candidate: JudgedSection, row: Row) -> int:
    """Return the cell that the question calls by its name, or else the first."""
    for index, (_, value) in enumerate(row.cells):
        terms = terms_of(value, candidate.section.language)
        is_name = len(value.split()) <= _MAX_NAME_LENGTH and not value[:1].isdigit()
        if is_name and any(match(token, terms) == 1.0 and not token.is_number for token in candidate.weights):
            return index
    return 0


def _fits(question: Question, cell: tuple[str, str]) -> bool:
    kinds = question.kinds - {"compare", "list", "yesno"}
    return any(looks_like(kind, " ".join(cell)) or asks_for(kind, cell[0]) for kind in kinds)


def _needed_heading(question: Question, candidate: JudgedSection, body: str) -> str:
    """Return the headings that carry a meaning that neither the question nor the chosen words have."""
    section = candidate.section
    if not section.path:
        return section.title if _only_title_matches(candidate, body) else ""
    path = [part for part in section.path if not section.units[0].row or len(part) <= _MAX_CAPTION_CHARS]
    if not section.units[0].row:
        path = [part for part in path[:-1] if _names_the_subject(question, section, part, body)] + path[-1:]
    parts = [part for part in path[-2:] if _carries(question, candidate, section, part, body)]
    return " – ".join(parts)


def _names_the_subject(question: Question, section: PassageSection, part: str, body: str) -> bool:
    """Return True if a heading further up says what was asked about, and the answer itself does not."""
    heading, said = terms_of(part, section.language), terms_of(body, section.language)
    return any(match(token, heading) and not match(token, said) for token in question.tokens)


def _carries(question: Question, candidate: JudgedSection, section: PassageSection, part: str, body: str) -> bool:
    heading = terms_of(part, section.language)
    if not heading.words:
        return False
    said = terms_of(body, section.language)
    missing = sum(word not in said.words and not _among(word, said.words) for word in heading.words)
    if _NEGATION.search(fold(part)) and not _NEGATION.search(fold(question.text)):
        return missing > 0
    asked = sum(match(token, heading) > 0 for token in question.tokens)
    if candidate.is_polar:
        return asked < len(heading.words) or not all(candidate.covers(token) for token in question.tokens)
    if part.endswith(("?", "؟")) and asked >= _ASKED_ALIKE * len(heading.words):
        return False
    return missing > (1 - _SAID_BY_BODY) * len(heading.words)


def _among(word: str, words: frozenset[str]) -> bool:
    return len(word) >= _STEM_LETTERS and any(other.startswith(word[:_STEM_LETTERS]) for other in words)


def _only_title_matches(candidate: JudgedSection, body: str) -> bool:
    title, said = heading_terms(candidate.section), terms_of(body, candidate.section.language)
    return any(match(token, title) and not match(token, said) for token in candidate.weights if not names_a_kind(token))
