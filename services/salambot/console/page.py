"""The whole page: its text in one language, and its fragments in their current state."""

import re
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from salambot.console.language import translator

_FOLDER = Path(__file__).parent
_TEXT = re.compile(r"\{\{(.+?)\}\}")
_NAMES = {"en": "English", "fr": "Français", "ar": "العربية"}


@cache
def page(language: str, name: str) -> Template:
    """Return a page in a language; what is left to fill in is named in its file."""
    say = translator(language)
    html = (_FOLDER / name).read_text(encoding="utf-8")
    return Template(_TEXT.sub(lambda match: escape(say(match[1]), quote=True).replace("$", "$$"), html))


def language_links(language: str) -> str:
    """Return links to this page in the other languages."""
    others = ((code, name) for code, name in _NAMES.items() if code != language)
    return " ".join(f'<a href="?lang={code}" hreflang="{code}" lang="{code}">{name}</a>' for code, name in others)


def direction(language: str) -> str:
    """Return in which direction a language is written."""
    return "rtl" if language == "ar" else "ltr"


@cache
def static(name: str) -> bytes | None:
    """Return one of the page's static files, or None."""
    return (_FOLDER / "static" / name).read_bytes() if name in {"console.css", "console.js", "chat.js"} else None
