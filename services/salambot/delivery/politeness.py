"""What is said about a message that cannot be read: a picture, a voice note, a place."""

from typing import get_args

from salambot.language import language_of_locale
from salambot.messages import Language

_TEXTS: dict[Language, str] = {
    "fr": "Je ne sais lire que les messages écrits pour le moment. Pouvez-vous m'écrire votre question ?",
    "ar": "لا أستطيع حاليًا قراءة سوى الرسائل المكتوبة. هل يمكنكم كتابة سؤالكم؟",
    "ary": "دابا كنقدر نقرا غير الرسائل المكتوبة. عافاك كتب ليا السؤال ديالك.",
    "ary-Latn": "Daba kan9der n9ra ghir les messages maktoubin. 3afak kteb lia so2al dyalk.",
    "en": "I can only read written messages for now. Could you write your question, please?",
}


def only_text(language: str | None, locale: str | None) -> tuple[Language, str]:
    """Return a polite answer in the language of the conversation so far, else of the locale, else in French."""
    known: Language | None = next((one for one in get_args(Language) if one == language), None)
    chosen: Language = known or language_of_locale(locale) or "fr"
    return chosen, _TEXTS[chosen]
