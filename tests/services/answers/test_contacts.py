"""The contact that a refusal names: one for customers, not the police's or the breakdown service's."""

import pytest

from salambot.answers.contacts import find_contact
from salambot.language.small_talk import Courtesy, asks_for_a_person, detect_small_talk, is_complaint
from tests.services.answers.kb import passages_of


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        (
            "# Contact\nLe secrétariat répond au 05 36 50 20 20 et à contact@ecole.example.",
            "05 36 50 20 20, contact@ecole.example",
        ),
        ("# Accident\nAppelez la police (19) puis notre assistance au 06 70 11 22 33.", None),
        ("# Urgences\nLa nuit : 06 61 20 30 41.\n# Rendez-vous\nPar téléphone au 05 22 99 41 10.", "05 22 99 41 10"),
        ("# الموعد\nللحجز اتصلوا على 05 39 96 70 80.", "05 39 96 70 80"),
        ("# Livraison\nEn 3 jours, réf. 12345678.", None),
        ("# Reservations\nCall +212 5 35 63 40 40.", "+212 5 35 63 40 40"),
    ],
)
def test_contact(text: str, contact: str | None) -> None:
    assert find_contact(passages_of("a.md", text)) == contact


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Bonjour", "greeting"), ("salam cv", "greeting"), ("مرحبا كيداير", "greeting"), ("hi there", "greeting"),
        ("السلام عليكم ورحمة الله وبركاته", "greeting"), ("cc", "greeting"),
        ("merci infiniment", "thanks"), ("ok great thank you so much!", "thanks"), ("chokran bzaf khouya", "thanks"),
        ("d'accord merci à demain", "thanks"), ("شكرا جزيلا على المساعدة", "thanks"), ("top merci", "thanks"),
        ("lah yr7em lwalidin", "blessing"), ("الله يرحم الوالدين", "blessing"), ("llah ykhalik", "blessing"),
        ("الله يعطيك الصحة", "blessing"), ("bonne journée à vous", "farewell"), ("bslama", "farewell"),
        ("👍", "reaction"), ("❤️🙏", "reaction"), ("😡", "regret"), ("...", "nothing"), ("", "nothing"),
        ("merci, et le prix ?", None), ("Bonjour, vous ouvrez quand ?", None), ("prix", None),
        ("ok et à Rabat ?", None), ("à demain", "farewell"), ("have a nice day", "farewell"), ("ça va ?", "greeting"),
        ("la nuit c'est combien", None), ("demain ?", None), ("weekend ?", None), ("nuit ?", None),
    ],
)  # fmt: skip
def test_small_talk(message: str, kind: Courtesy | None) -> None:
    assert detect_small_talk(message) == kind


@pytest.mark.parametrize(
    ("message", "upset"),
    [
        ("Franchement déçu, personne ne répond au téléphone !!!", True), ("This is unacceptable", True),
        ("خدمة سيئة جدا", True), ("khayb bzaf had service", True), ("3ib 3likom, arnaque", True),
        ("Comment faire un retour ?", False), ("quel est le prix", False), ("كم الثمن؟", False),
        ("Combien pour 3 nuits ?", False),
    ],
)  # fmt: skip
def test_complaints(message: str, upset: bool) -> None:
    assert is_complaint(message) is upset


@pytest.mark.parametrize(
    "message",
    ["je veux parler à un conseiller", "can I talk to a human", "بغيت نهضر مع شي واحد", "أريد التحدث مع موظف"],
)
def test_a_person_is_asked_for(message: str) -> None:
    assert asks_for_a_person(message)
