"""Output for screen readers and dumb terminals: words in place of marks, no frames, no colour, nothing that moves."""

import os
import re

from salambot_cli.terminal.i18n import translate

_MARKUP = re.compile(r"\[/?[a-z ]*\]|\[link=[^\]]*\]|\[/link\]")
_WORDS = {"✓": "ok:", "✗": "failed:", "→": "try:", "●": "", "↳": "source:", "•": "-", "◦": "-"}
_MARK = re.compile(f"[{''.join(_WORDS)}] ?")


def is_plain() -> bool:
    """Return whether plain output is requested: --plain, SALAMBOT_PLAIN, or a dumb terminal."""
    return bool(os.environ.get("SALAMBOT_PLAIN")) or os.environ.get("TERM") == "dumb"


def symbols_to_words(text: str) -> str:
    """Return a text with its marks as words."""
    return _MARK.sub(lambda match: f"{translate(_WORDS[match[0].strip()])} ".lstrip(), text)


def without_markup(text: str) -> str:
    """Return a text without Rich's markup."""
    return _MARKUP.sub("", text)
