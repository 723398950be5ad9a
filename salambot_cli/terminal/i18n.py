"""The language that people are spoken to in. The code speaks English; what is said is translated as it is shown.

So objects, JSON, ids and exit statuses never depend on a language. A message that was filled in (`db.example does not
answer`) is found again by its template (`{host} does not answer`), and what fills it is translated in turn.
"""

import gettext
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Formatter

LANGUAGES = ("en", "fr")
DOMAIN = "salambot"
LOCALES = Path(__file__).resolve().parent.parent / "locale"
_DEEPEST = 6
_JOINTS = {"\n": "\n", " · ": " · ", "; ": " ; ", ": ": " : ", ", ": ", "}
"""What messages are put together with, and how that is written in French; the first that parts a text is taken."""
_NAMED = re.compile(r"\{\w+\}")
_chosen = "en"


def nearest_language(name: str) -> str | None:
    """Return the language of a locale's name such as `fr_MA.UTF-8` or `fr-MA`, or None where it is not spoken here."""
    language = re.split(r"[_.@-]", name.strip().lower(), maxsplit=1)[0]
    return language if language in LANGUAGES else None


def choose_language(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """Choose by `--lang`, SALAMBOT_LANG, then the locale: LC_ALL, LC_MESSAGES, LANG. English where none decides."""
    wishes = [_option(words), *(environ.get(name) for name in ("SALAMBOT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"))]
    return next((nearest_language(wish) or "en" for wish in wishes if wish), "en")


def _option(words: Sequence[str]) -> str | None:
    for place, word in enumerate(words):
        if word == "--":
            return None
        if word.startswith("--lang="):
            return word.removeprefix("--lang=")
        if word == "--lang":
            return words[place + 1] if place + 1 < len(words) else None
    return None


def set_language(language: str) -> None:
    """Speak a language from now on: here, and in Typer, which asks gettext. It has to be said before Typer loads."""
    global _chosen  # noqa: PLW0603 - one process speaks one language
    _chosen = language
    if language != "en":
        os.environ["LANGUAGE"] = language  # what gettext reads first
        gettext.bindtextdomain(DOMAIN, str(LOCALES))
        gettext.textdomain(DOMAIN)


def current_language() -> str:
    """Return the language in use."""
    return _chosen


def translate(text: str) -> str:
    """Say a message in the language in use; what no catalogue knows stays as it is."""
    return text if _chosen == "en" or not text else translated_lines(text, _chosen)


def translated_lines(text: str, language: str) -> str:
    """Say a message in one language."""
    return _Catalogue.of(language).say(text)


class _Catalogue:
    """The messages of one language: whole ones, and templates with what their fields held."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        bare = {message.strip(): said.strip() for message, said in messages.items()}
        self._whole = {message.rstrip(":"): said.rstrip(" :") for message, said in bare.items() if message[-1:] == ":"}
        self._whole |= {message: said for message, said in bare.items() if "{" not in message}
        filled = {message: said for message, said in bare.items() if re.search(r"[^\W_]", _NAMED.sub("", message))}
        templates = [_Template(message, said) for message, said in filled.items() if _NAMED.search(message)]
        self._templates = sorted(templates, key=lambda template: -template.weight)

    @classmethod
    @cache
    def of(cls, language: str) -> "_Catalogue":
        """Return the catalogue of a language, read once."""
        with (LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
            entries: dict[str, str] = vars(gettext.GNUTranslations(file))["_catalog"]  # gettext shows it no other way
        return cls({message: said for message, said in entries.items() if message})

    def say(self, text: str, depth: int = 0) -> str:
        """Return the text in this language, as far as it is known; the space around it stays."""
        bare = text.strip()
        said = self._whole.get(bare)
        if said is None and depth <= _DEEPEST and " " in bare:
            said = self._filled_in(bare, depth) or self._by_parts(bare, depth)
        return text if said is None else text.replace(bare, said, 1)

    def _filled_in(self, text: str, depth: int) -> str | None:
        for template in self._templates:
            if (fields := template.read(text)) is not None:
                told = {n: held if n in template.quoted else self.say(held, depth + 1) for n, held in fields.items()}
                return template.said.format(**told)
        return None

    def _by_parts(self, text: str, depth: int) -> str | None:
        for joint, said in _JOINTS.items():
            parts = text.split(joint, 1 if joint == ": " else -1)
            told = [self.say(part, depth + 1) for part in parts] if len(parts) > 1 else parts
            if told != parts:
                return said.join(told)
        return None


def _is_quoted(before: str, after: str) -> bool:
    """Return whether a field stands in quotes: then it holds a name, which no language changes."""
    return before.endswith(("'", '"')) and before[-1] == after[:1]


class _Template:
    """A message with fields: `{host} does not answer`."""

    def __init__(self, message: str, said: str) -> None:
        self.said = said
        pieces = [(literal, name) for literal, name, _, _ in Formatter().parse(message)]
        literals = [literal for literal, _ in pieces]
        self.quoted = {
            name
            for (before, name), after in zip(pieces, [*literals[1:], ""], strict=True)
            if name and _is_quoted(before, after)
        }
        self.weight = sum(map(len, literals))
        self._anchor = max(literals, key=len)
        self._source, self._seen = "", set[str]()
        self._source = "".join(re.escape(literal) + self._group(name) for literal, name in pieces)
        self._pattern: re.Pattern[str] | None = None

    def _group(self, name: str | None) -> str:
        if name is None:
            return ""
        if name in self._seen:
            return f"(?P={name})"
        self._seen.add(name)
        return f"(?P<{name}>.*?)"

    def read(self, text: str) -> dict[str, str] | None:
        """Return what the fields hold in a text that was made of this template, or None."""
        if self._anchor not in text:
            return None
        if self._pattern is None:
            self._pattern = re.compile(self._source, re.DOTALL if "\\n" in self._source or "\n" in self._source else 0)
        match = self._pattern.fullmatch(text)
        return match.groupdict() if match else None
