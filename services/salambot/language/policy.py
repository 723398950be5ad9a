"""Messages that no document should answer: what asks for another person's data, and what gives orders to the bot."""

import re
from typing import Literal

from salambot.language.detection import fold_arabic, fold_latin
from salambot.language.small_talk import detect_small_talk

Refusal = Literal["private", "instructions"]

_MAX_LENGTH = 2_000
"""Characters that are looked at."""
_PERSON = (
    r"(?:(?:autres?|other|another) (?:clients?|customers?|patients?|members?|membres?|guests?|users?)|(?<!service )"
    r"(?:client|cliente|customer|patient|patiente|guest|adherent|assure|locataire|voisin|voisine|neighbou?r|member|"
    r"membre)(?:'s)? (?:qui|who|that|appele|nomme|named)|(?:all|tous les|des) (?:clients|customers|"
    r"patients|members|membres|guests)|mon voisin|my neighbou?r|l?modir\w*|directeur|directrice|patron|owner|manager|"
    r"chef|employes?|employees|العضو|الزبونه?|المريضه?|صاحبه? (?:المتجر|المحل|الشركه)|المدير\w*|الدكتوره?|مول \w+)"
)
_DATUM = (
    r"(?:adresse|address|numero|number|phone|telephone|nom|name|names|email|mail|dossier|passport|passeport|salaire|"
    r"salary|rib|cin|orders?|commandes|nemra|nimirou|smiy\w*|رقم|نمره|النمره|عنوان|العنوان|اسم|هاتف)"
)
_AT_HOME = (
    r"(?:perso|personnel|personnelle|prive|privee|personal|private|chez (?:lui|elle)|f dar\w*|dyal dar|فالدار|الشخصي)"
)
_PRIVATE = re.compile(
    r"\b(?:passport number|numero de passeport)\b"
    rf"|\b{_DATUM}\b.{{0,60}}\b{_PERSON}(?!\w)|\b{_PERSON}.{{0,60}}\b{_DATUM}\b"
    rf"|\b{_DATUM}\b.{{0,40}}\b{_AT_HOME}(?!\w)"
)
_INSTRUCTIONS = re.compile(
    r"\b(?:ignore[rz]?|forget|disregard|oublie[rz]?|override|bypass)\b.{0,40}\b(?:instructions?|rules?|regles?|consignes?|"
    r"prompts?|above|precedent\w*|previous)\b|\b(?:system|developer) ?(?:prompt|mode)\b"
    r"|\byou are (?:now )?(?:dan|a pirate)\b"
    r"|\b(?:pretend|act as|fais comme si|agis comme)\b|\b(?:print|reveal|show|repete[rz]?|affiche[rz]?)\b.{0,40}"
    r"\b(?:instructions|prompt|consignes)\b|تجاهل .{0,30}(?:التعليمات|القواعد)"
)


def refusal_of(prompt: str) -> Refusal | None:
    """Return why no document should answer a message, or None."""
    folded = fold_arabic(fold_latin(prompt[:_MAX_LENGTH]))
    if _INSTRUCTIONS.search(folded):
        return "instructions"
    return "private" if _PRIVATE.search(folded) else None


def asks_documents(prompt: str) -> bool:
    """Return whether documents may answer a message: it is neither a courtesy nor one that is refused."""
    return detect_small_talk(prompt) is None and refusal_of(prompt) is None
