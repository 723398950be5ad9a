"""The whole page: its text in one language, and its fragments in their current state."""

import re
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from salambot.console.language import translator

_FOLDER = Path(__file__).parent
_TEXT = re.compile(r"\{\{(.+?)\}\}")
_NAMES = {"en": "English", "fr": "Français"}


@cache
def page(language: str, name: str = "page.html") -> Template:
    """Return a page in a language; what is left to fill in is named in its file."""
    say = translator(language)
    html = (_FOLDER / name).read_text(encoding="utf-8")
    return Template(_TEXT.sub(lambda match: escape(say(match[1]), quote=True).replace("$", "$$"), html))


def other_language(language: str) -> dict[str, str]:
    """Return the other language, to change to."""
    code = "en" if language == "fr" else "fr"
    return {"other": code, "other_name": _NAMES[code]}


@cache
def static(name: str) -> bytes | None:
    """Return one of the page's static files, or None."""
    return (_FOLDER / "static" / name).read_bytes() if name in {"console.css", "console.js"} else None
