"""The reply to messages that cannot be read: pictures, voice notes, locations."""

from typing import get_args

from salambot.core.schemas import Language
from salambot.language.detection import language_of_locale

_TEXTS: dict[Language, str] = {
    "fr": "Je ne sais lire que les messages écrits pour le moment. Pouvez-vous m'écrire votre question ?",
    "ar": "لا أستطيع حاليًا قراءة سوى الرسائل المكتوبة. هل يمكنكم كتابة سؤالكم؟",
    "ary": "دابا كنقدر نقرا غير الرسائل المكتوبة. عافاك كتب ليا السؤال ديالك.",
    "ary-Latn": "Daba kan9der n9ra ghir les messages maktoubin. 3afak kteb lia so2al dyalk.",
    "en": "I can only read written messages for now. Could you write your question, please?",
}


def unsupported_reply(language: str | None, locale: str | None) -> tuple[Language, str]:
    """Return a polite reply in the language of the conversation, else of the locale, else in French."""
    known: Language | None = next((one for one in get_args(Language) if one == language), None)
    chosen: Language = known or language_of_locale(locale) or "fr"
    return chosen, _TEXTS[chosen]
