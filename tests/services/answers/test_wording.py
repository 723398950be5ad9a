"""How much of a document an answer takes, and in which shape."""

import pytest

from salambot.answers.answering import find_answers
from salambot.answers.days import days_of
from salambot.answers.markup import plain, sentences
from salambot.answers.tables import Row, record, row_of_cells, rows_of
from salambot.language.detection import detect
from tests.services.answers.kb import passages_of


def answered(question: str, text: str, name: str = "doc.md") -> str:
    """Return the answers to a question from one document."""
    return "\n".join(answer.text for answer in find_answers(question, detect(question), passages_of(name, text)))


FAQ = """# Soins
## Je suis enceinte, puis-je me faire soigner ?
Oui, de préférence entre le 4e et le 7e mois.
## Qui ne peut pas faire de blanchiment ?
Les moins de 18 ans et les femmes enceintes.
"""
NOT_COVERED = """# Assurance
## Ce qui n'est jamais couvert
- erreur de carburant
- effets personnels volés
- dommages sous la voiture
"""
REFUSED_CARDS = """# Paiement
## Cartes
Ne sont pas acceptées :
- carte prépayée
- carte virtuelle
"""


def test_a_yes_under_another_heading_is_no_answer() -> None:
    reply = answered("enceinte de 3 mois blanchiment possible ?", FAQ)
    assert "Oui" not in reply
    assert "blanchiment" in reply
    assert "femmes enceintes" in reply


def test_a_yes_answers_its_own_question() -> None:
    assert answered("je suis enceinte, puis-je me faire soigner ?", FAQ).startswith("Oui, de préférence")


def test_the_heading_that_turns_the_meaning_stays() -> None:
    assert (
        answered("erreur de carburant couverte ?", NOT_COVERED) == "Ce qui n'est jamais couvert : erreur de carburant"
    )
    assert answered("carte prépayée ?", REFUSED_CARDS) == "Ne sont pas acceptées : carte prépayée"


def test_a_heading_that_the_answer_repeats_is_left_out() -> None:
    text = "# Clés\n## Clés perdues\nLa perte des clés est facturée 2 500 DH."
    assert answered("j'ai perdu mes clés", text) == "La perte des clés est facturée 2 500 DH."


def test_a_title_alone_is_no_answer() -> None:
    assert answered("horaires ?", "Horaires d'ouverture", "horaires.txt") == ""
    assert "Page 1" not in answered("quel est le délai ?", "Le délai est de 3 jours.\nPage 1 / 3\n", "a.txt")


def test_a_long_text_gives_the_sentence_with_its_exceptions() -> None:
    filler = "Notre maison existe depuis longtemps et reçoit ses clients avec plaisir. " * 8
    text = f"# Délais\n{filler}La livraison prend trois jours. Elle prend une semaine à Dakhla. {filler}"
    reply = answered("combien de temps prend la livraison ?", text)
    assert "trois jours. Elle prend une semaine à Dakhla." in reply
    assert len(reply) < 500


TABLE = """# Tarifs
| Formule | Prix | Durée |
|---|---|---|
| Coupe | 80 DH | 30 min |
| Coupe et couleur | 350 DH | 2 h |
| Brushing | 60 DH | 20 min |
"""


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("prix d'une coupe ?", "Coupe : Prix 80 DH"),
        ("brushing", "Brushing : Prix 60 DH, Durée 20 min"),
        (
            "différence de prix entre coupe et brushing ?",
            "- Coupe : Prix 80 DH\n- Brushing : Prix 60 DH",
        ),
    ],
)
def test_the_row_that_was_asked_for(question: str, reply: str) -> None:
    assert answered(question, TABLE) == reply


OPENING = """# Horaires
| Jour | Matin | Soir |
|---|---|---|
| Lundi à jeudi | 9 h | 18 h |
| Samedi | 10 h | fermé |
"""


def test_the_row_of_a_day() -> None:
    text = OPENING
    assert answered("vous ouvrez mardi ?", text).startswith("Lundi à jeudi")
    assert answered("horaires du samedi", text) == "Samedi : Matin 10 h, Soir fermé"
    assert answered("are you open on Saturday?", text) == "Samedi : Matin 10 h, Soir fermé"


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("du lundi au jeudi", {0, 1, 2, 3}),
        ("Monday to Friday", {0, 1, 2, 3, 4}),
        ("من الاثنين إلى الخميس", {0, 1, 2, 3}),
        ("samedi et dimanche", {5, 6}),
        ("samedi - lundi", {5, 6, 0}),
        ("واش حالين نهار الجمعة؟", {4}),
        ("nhar l7ed", {6}),
        ("tous les jours", set(range(7))),
        ("marchandise", set()),
        ("mardi gras", {1}),
    ],
)
def test_days(text: str, days: set[int]) -> None:
    assert days_of(text) == days


def test_a_thing_that_stands_in_two_tables_is_said_from_both() -> None:
    text = (
        "# Flotte\n## Basse saison\n| Modèle | Prix |\n|---|---|\n| Clio | 300 DH |\n| Logan | 250 DH |\n"
        "## Haute saison\n| Modèle | Prix |\n|---|---|\n| Clio | 450 DH |\n| Logan | 400 DH |\n"
    )
    assert answered("prix de la Clio ?", text) == "Basse saison – Clio : 300 DH\nHaute saison – Clio : 450 DH"


def test_two_questions_two_answers() -> None:
    text = "# A\n## Livraison\nLa livraison coûte 30 DH.\n## Retours\nLes retours se font sous 14 jours.\n"
    reply = answered("Combien coûte la livraison ? Et comment faire un retour ?", text)
    assert reply == "La livraison coûte 30 DH.\nLes retours se font sous 14 jours."
    assert answered("combien coûte la livraison ?", text) == "La livraison coûte 30 DH."


def test_a_row_in_lines_is_a_sentence() -> None:
    row = row_of_cells(["Référence: MT-1", "Marque: Kasbah", "Prix (DH): 850", "en stock"])
    assert row is not None
    assert row.said() == "MT-1 : Marque Kasbah, Prix 850 DH, en stock"


def test_members_in_lines_are_a_row_each() -> None:
    assert [row.said() for row in record(["Adresse: 12, rue A", "Téléphone: 05 22 00 00 00"])] == [
        "Adresse : 12, rue A",
        "Téléphone : 05 22 00 00 00",
    ]
    assert record(["Parking : à 50 m."]) == []
    assert record(["Une phrase.", "Prix: 3"]) == []


def test_rows_keep_their_columns_and_repeat_an_empty_first_cell() -> None:
    rows = list(rows_of(["| Ville | Rue |", "|---|---|", "| Fès | A |", "|  | B \\| C |"]))
    assert rows == [Row((("Ville", "Fès"), ("Rue", "A"))), Row((("Ville", "Fès"), ("Rue", "B | C")))]


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**Prix** : [voir](https://x.example/a_(b))", "Prix : voir"),
        ("* un _deux_ `trois`", "- un deux trois"),
        ("2<sup>e</sup> étage &amp; cour", "2e étage & cour"),
        ("5 < 6 et 7 > 3", "5 < 6 et 7 > 3"),
        ("![logo](a.png) Texte", "Texte"),
        ("snake_case et 2*3*4", "snake_case et 2*3*4"),
    ],
)
def test_plain_text(markdown: str, text: str) -> None:
    assert plain(markdown) == text


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("Appelez le Dr. Alami. Il répond.", 2),
        ("Prix : 3.5 DH. Merci", 2),
        ("نعم. الثمن 30 درهما؟ لا.", 3),
        ("e.g. This one", 1),
        ("Av. Hassan II, n. 4", 1),
    ],
)
def test_sentences(line: str, count: int) -> None:
    assert len(list(sentences(line))) == count


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["Remise: 20%"], "Remise: 20%"),
        (["Produit: Savon noir", "Remise: 20 %"], "Savon noir: Remise 20 %"),
        (["Remise: 20%", "Fin: 31/12/2026"], "Remise 20%, Fin 31/12/2026"),
        (["Date: 12/06/2026", "Atelier: Savon"], "Savon: Date 12/06/2026"),
        (["Soin: Massage", "Durée: 1 h"], "Massage : 1 h"),
    ],
)
def test_an_amount_is_said_with_its_column_and_names_no_row(lines: list[str], said: str) -> None:
    row = row_of_cells(lines)
    assert row is not None
    assert row.said() == said
