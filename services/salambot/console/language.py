"""The language of the page, one of three: from the address, else what was chosen last, else from the browser."""

import gettext
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from starlette.requests import Request

LANGUAGES = ("en", "fr", "ar")
COOKIE = "salambot_console_language"
Say = Callable[[str], str]
_LOCALES = Path(__file__).parent / "locale"


def language_of(request: Request) -> str:
    """Return the language to answer in."""
    asked = request.query_params.get("lang") or request.cookies.get(COOKIE)
    wishes = [asked] if asked else re.findall(r"[a-zA-Z]{2,3}", request.headers.get("accept-language", "")[:200])
    return next((wish.lower() for wish in wishes if wish.lower() in LANGUAGES), "en")


@cache
def translator(language: str) -> Say:
    """Return a function that translates the page's English messages."""
    return gettext.translation("console", str(_LOCALES), [language], fallback=True).gettext
