"""Questions and answers that a page states for search engines: JSON-LD of schema.org, `FAQPage` and `QAPage`."""

from collections.abc import Iterator
from typing import Any

import orjson
from lxml import etree, html
from lxml.html import HtmlElement

_MAX_DEPTH = 6


def find_faq(root: HtmlElement) -> Iterator[tuple[str, str]]:
    """Yield each question with its accepted answer, as plain text."""
    for script in root.xpath("//script[@type='application/ld+json']"):
        try:
            data = orjson.loads(script.text or "")
        except orjson.JSONDecodeError:
            continue  # what search engines cannot read either
        yield from _questions(data, _MAX_DEPTH)


def _questions(data: Any, depth: int) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON
    if not depth:
        return
    if isinstance(data, list):
        for item in data:
            yield from _questions(item, depth - 1)
    if not isinstance(data, dict):
        return
    if data.get("@type") == "Question":
        question, answer = _plain(data.get("name")), _answer(data)
        if question and answer:
            yield question, answer
    for key in ("@graph", "mainEntity", "hasPart", "itemListElement"):
        yield from _questions(data.get(key), depth - 1)


def _answer(question: dict[str, Any]) -> str:
    given = question.get("acceptedAnswer") or question.get("suggestedAnswer")
    answers = given if isinstance(given, list) else [given]
    return next((text for answer in answers if isinstance(answer, dict) and (text := _plain(answer.get("text")))), "")


def _plain(value: object) -> str:
    """Return the text of what may hold HTML."""
    if not isinstance(value, str) or not value.strip():
        return ""
    try:
        fragment = html.fragment_fromstring(value, create_parent="div")
    except (etree.ParserError, ValueError):
        return value.strip()
    for element in fragment.iter("br", "p", "li", "div"):
        element.tail = f"\n{element.tail or ''}"
    lines = (" ".join(line.split()) for line in fragment.text_content().split("\n"))
    return "\n".join(line for line in lines if line)
