"""The service's own sentences, in each language."""

from collections.abc import Mapping
from typing import Literal

from salambot.core.businesses import NOBODY, Business
from salambot.core.schemas import Language

Phrase = Literal[
    "greeting", "thanks", "reaction", "blessing", "farewell", "nothing", "unknown", "refused", "regret", "human",
    "hello", "foreign",
]  # fmt: skip

PHRASES: Mapping[Phrase, Mapping[Language, str]] = {
    "greeting": {
        "fr": "Bonjour ! Je suis SalamBot, {assistant}. Comment puis-je vous aider ?",
        "ar": "السلام عليكم! أنا سلام بوت، {assistant}. كيف يمكنني مساعدتكم؟",
        "ary": "السلام! أنا سلام بوت، {assistant}. كيفاش نقدر نعاونك؟",
        "ary-Latn": "Salam! Ana SalamBot, {assistant}. Kifach n9der n3awnek?",
        "en": "Hello! I am SalamBot, {assistant}. How can I help you?",
    },
    "thanks": {
        "fr": "Avec plaisir ! N'hésitez pas si vous avez une autre question.",
        "ar": "على الرحب والسعة! لا تترددوا إذا كان لديكم سؤال آخر.",
        "ary": "مرحبا بيك! إلا كان عندك شي سؤال آخر، أنا هنا.",
        "ary-Latn": "Mer7ba bik! Ila kan 3ndek chi so2al akhor, ana hna.",
        "en": "You're welcome! Feel free to ask if you have another question.",
    },
    "reaction": {
        "fr": "Merci à vous ! Je reste là si vous avez une question.",
        "ar": "شكرا لكم! أنا هنا إذا كان لديكم سؤال.",
        "ary": "شكرا ليك! أنا هنا إلا كان عندك شي سؤال.",
        "ary-Latn": "Chokran lik! Ana hna ila kan 3ndek chi so2al.",
        "en": "Thank you! I am here if you have a question.",
    },
    "blessing": {
        "fr": "Amine, merci pour vos bons vœux ! Je reste à votre disposition.",
        "ar": "آمين، وبارك الله فيكم! أنا رهن إشارتكم.",
        "ary": "آمين، الله يبارك فيك! أنا هنا إلا احتاجيتي شي حاجة.",
        "ary-Latn": "Amin, llah ybarek fik! Ana hna ila 7tajiti chi 7aja.",
        "en": "Amen, and thank you for your kind words! I am here if you need anything.",
    },
    "farewell": {
        "fr": "Au revoir et à bientôt !",
        "ar": "إلى اللقاء، دمتم بخير!",
        "ary": "بسلامة، ونهارك زوين!",
        "ary-Latn": "Bslama, o nharek zwin!",
        "en": "Goodbye, and see you soon!",
    },
    "nothing": {
        "fr": "Je n'ai pas bien compris votre message. Pouvez-vous poser votre question en quelques mots ?",
        "ar": "لم أفهم رسالتكم جيدا. هل يمكنكم كتابة سؤالكم في بضع كلمات؟",
        "ary": "ما فهمتش مزيان الرسالة ديالك. واش تقدر تكتب سؤالك بشي كلمات؟",
        "ary-Latn": "Mafhemtch mezyan l message dyalek. Wach t9der tekteb so2alek b chi kelmat?",
        "en": "I did not quite understand your message. Could you write your question in a few words?",
    },
    "unknown": {
        "fr": "Je suis désolé, je ne sais pas répondre à cette question : je n'ai rien trouvé à ce sujet dans nos"
        " informations. {reach}",
        "ar": "عذرا، لا أعرف الجواب عن هذا السؤال: لم أجد شيئا حوله في معلوماتنا. {reach}",
        "ary": "سمح ليا، ما عرفتش الجواب على هاد السؤال: ما لقيت والو عليه فالمعلومات ديالنا. {reach}",
        "ary-Latn": "Sme7 liya, ma3reftch ljawab 3la had so2al: mal9it walo 3lih f lma3loumat dyalna. {reach}",
        "en": "I am sorry, I do not know the answer to this question: I found nothing about it in our information."
        " {reach}",
    },
    "refused": {
        "fr": "Je suis désolé, je ne peux pas répondre à ce message. {reach}",
        "ar": "عذرا، لا يمكنني الرد على هذه الرسالة. {reach}",
        "ary": "سمح ليا، ما نقدرش نجاوب على هاد الرسالة. {reach}",
        "ary-Latn": "Sme7 liya, man9derch njaweb 3la had lmessage. {reach}",
        "en": "I am sorry, I cannot answer this message. {reach}",
    },
    "regret": {
        "fr": "Nous sommes sincèrement désolés de ce désagrément. {reach}",
        "ar": "نعتذر لكم بصدق عما حدث. {reach}",
        "ary": "كنطلبو منك السماحة على هادشي اللي وقع. {reach}",
        "ary-Latn": "Kantelbo mennek sma7a 3la hadchi li w9e3. {reach}",
        "en": "We are truly sorry about this. {reach}",
    },
    "human": {
        "fr": "Bien sûr. {reach}",
        "ar": "بالتأكيد. {reach}",
        "ary": "واخا. {reach}",
        "ary-Latn": "Wakha. {reach}",
        "en": "Of course. {reach}",
    },
    "hello": {
        "fr": "Bonjour !",
        "ar": "مرحبا بكم!",
        "ary": "السلام!",
        "ary-Latn": "Salam!",
        "en": "Hello!",
    },
    "foreign": {
        "fr": "Voici ce que disent nos informations, qui ne sont pas encore en français :",
        "ar": "إليكم ما ورد في معلوماتنا، وهي غير متوفرة بعد بالعربية:",
        "ary": "ها شنو كاين فالمعلومات ديالنا، باقي ما كايناش بالدارجة:",
        "ary-Latn": "Ha chno kayn f lma3loumat dyalna, ba9i makaynch b darija:",
        "en": "Here is what our information says; it is not available in English yet:",
    },
}
"""`hello` answers a greeting before an answer; `foreign` leads into an answer in another language than the prompt's."""

_ASSISTANT: Mapping[Language, tuple[str, str]] = {
    "fr": ("votre assistant", "l'assistant de {name}"),
    "ar": ("مساعدكم", "مساعد {name}"),
    "ary": ("المساعد ديالكم", "المساعد ديال {name}"),
    "ary-Latn": ("l'assistant dyalkom", "l'assistant dyal {name}"),
    "en": ("your assistant", "the assistant of {name}"),
}
_REACH: Mapping[Language, tuple[str, str]] = {
    "fr": (
        "Vous pouvez la reformuler ou contacter notre service client.",
        "Vous pouvez nous joindre : {contact}.",
    ),
    "ar": ("يمكنكم إعادة صياغته أو التواصل مع خدمة الزبناء لدينا.", "يمكنكم التواصل معنا: {contact}."),
    "ary": (
        "تقدر تعاود تسول بطريقة أخرى ولا تواصل مع خدمة الزبناء ديالنا.",
        "تقدر تواصل معانا: {contact}.",
    ),
    "ary-Latn": (
        "T9der t3awed tswel b tari9a okhra, wla twasel m3a service client dyalna.",
        "T9der twasel m3ana: {contact}.",
    ),
    "en": ("You can rephrase it or contact our customer service.", "You can reach us here: {contact}."),
}
_REACH_A_PERSON: Mapping[Language, str] = {
    "fr": "Vous pouvez contacter notre service client.",
    "ar": "يمكنكم التواصل مع خدمة الزبناء لدينا.",
    "ary": "تقدر تواصل مع خدمة الزبناء ديالنا.",
    "ary-Latn": "T9der twasel m3a service client dyalna.",
    "en": "You can contact our customer service.",
}
"""Where nothing was asked that could be put in other words."""


def phrase(name: Phrase, language: Language, business: Business = NOBODY, found_contact: str | None = None) -> str:
    """Return a phrase that names the business, and how to reach it as far as its owner or its documents say."""
    contact = (business.contact or found_contact or "").rstrip(". ")
    nobody, somebody = _REACH[language]
    if name != "unknown":
        nobody = _REACH_A_PERSON[language]
    nameless, named = _ASSISTANT[language]
    # One step after the other, by `replace`: a name is an owner's text, in which braces mean nothing.
    text = PHRASES[name][language].replace("{assistant}", named if business.name else nameless)
    text = text.replace("{reach}", somebody if contact else nobody)
    return text.replace("{contact}", contact).replace("{name}", business.name)
