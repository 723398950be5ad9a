"""Tables of text formats become rows that are understood on their own, and no cell is lost, whatever its shape."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salambot.knowledge.parsers import parse
from salambot.knowledge.parsers.base import Document, UnreadableDocumentError


def shown(document: Document) -> list[str]:
    """Return each passage as `heading > heading | line | line`."""
    return [" | ".join((" > ".join(part.headings), *part.text.split("\n"))) for part in document.sections]


TABLES = {
    "a semicolon, a sep= line": ("sep=;\r\nVille;Prix\r\nFès;35 DH\r\n", [" | Ville: Fès | Prix: 35 DH"]),
    "a tab": ("Ville\tPrix\nFès\t35 DH\n", [" | Ville: Fès | Prix: 35 DH"]),
    "a bar": ("Ville|Prix|Note\nFès|35|lent\n", [" | Ville: Fès | Prix: 35 | Note: lent"]),
    "a comma in a quoted cell": ('Plat,Prix\n"Tajine, agneau","70,50"\n', [" | Plat: Tajine, agneau | Prix: 70,50"]),
    "blank columns at the end": ("Plat;Prix;;\nTajine;70;;\n;;;\n", [" | Plat: Tajine | Prix: 70"]),
    "a title above": (
        '"Tarifs 2026"\n\n"Permis","Prix"\n"B","2 900,00 DH"\n',
        ["Tarifs 2026 | Permis: B | Prix: 2 900,00 DH"],
    ),
    "two lines of header": (
        ";Été;;Hiver;\nChambre;1 pers.;2 pers.;1 pers.;2 pers.\nStandard;500;650;400;520\n",
        [" | Chambre: Standard | Été, 1 pers.: 500 | Été, 2 pers.: 650 | Hiver, 1 pers.: 400 | Hiver, 2 pers.: 520"],
    ),
    "groups of rows": (
        "Soin;Prix\nVISAGE;\nGommage;200\nCORPS;\nMassage;400\n",
        ["VISAGE | Soin: Gommage | Prix: 200", "CORPS | Soin: Massage | Prix: 400"],
    ),
    "a first cell that stands for the rows below it": (
        "Type;Matière;Prix\nCouronne;or;900\n;zircone;700\n",
        [" | Type: Couronne | Matière: or | Prix: 900", " | Type: Couronne | Matière: zircone | Prix: 700"],
    ),
    "two tables, one below the other": (
        "Abonnement;Prix\nSolo;199\n\nCoachs\nNom;Heures\nAmal;12\n",
        [" | Abonnement: Solo | Prix: 199", "Coachs | Nom: Amal | Heures: 12"],
    ),
    "two tables, side by side": (
        "Ville;Frais;;Taille;Tour\nFès;35;;S;86-90\n;;;M;90-94\n",
        [" | Ville: Fès | Frais: 35", " | Taille: S | Tour: 86-90", " | Taille: M | Tour: 90-94"],
    ),
    "years as names": ("Mesure;2024;2025\nClients;120;180\n", [" | Mesure: Clients | 2024: 120 | 2025: 180"]),
    "words only": (
        "Marque;Garantie\nLG;deux ans\nSony;un an\n",
        [" | Marque: LG | Garantie: deux ans", " | Marque: Sony | Garantie: un an"],
    ),
    "particulars": (
        "Adresse;5 rue X\nTéléphone;536681010\nHoraires;9 h - 18 h\n",
        [" | Adresse: 5 rue X | Téléphone: 0536681010 | Horaires: 9 h - 18 h"],
    ),
    "a header that is printed again": (
        "Plat;Prix\nA;1\nPlat;Prix\nB;2\n",
        [" | Plat: A | Prix: 1", " | Plat: B | Prix: 2"],
    ),
    "a column without a name": ("Plat;Prix;\nTajine;70;sans gluten\n", [" | Plat: Tajine | Prix: 70 | sans gluten"]),
    "telephone numbers that a spreadsheet cut": (
        "Agence;GSM\nSafi;661223344\nTaza;212535667788\n",
        [" | Agence: Safi | GSM: 0661223344", " | Agence: Taza | GSM: +212535667788"],
    ),
    "questions": ("Question;Réponse\nOù ?;À Salé.\n", ["Où ? | À Salé."]),
    "questions in two languages, with a theme and a number": (
        "N°;Thème;Question (FR);Réponse (FR);السؤال;الجواب\n1;Lieu;Où ?;Ici.;أين؟;هنا.\n",
        ["Lieu > Où ? | Ici.", "Lieu > أين؟ | هنا."],
    ),
    "questions by other names": ("Demande du client,Rep\nOù ?,Ici\n", ["Où ? | Ici"]),
    "questions with more beside the answer": ("question;answer;délai\nOù ?;Ici;48 h\n", ["Où ? | Ici | délai: 48 h"]),
    "questions without a header": ("Où ?;Ici\nQuand ?;Demain\n", ["Où ? | Ici", "Quand ? | Demain"]),
    "lines inside a cell": (
        'Plat;Remarque\nTajine;"sans sel\nou peu salé"\nSoupe;x\n',
        [" | Plat: Tajine | Remarque: sans sel, ou peu salé", " | Plat: Soupe | Remarque: x"],
    ),
    "a separator of lines inside a cell": ("question;réponse\nOù ?;Ici\u2028là\u0085bas\n", ["Où ? | Ici | là | bas"]),
    "quotes behind backslashes": (
        'Question,Réponse\n"Le \\"Royal\\", c\'est combien ?","70 DH, \\"tout compris\\""\n',
        ['Le "Royal", c\'est combien ? | 70 DH, "tout compris"'],
    ),
    "a backslash of its own at the end": (
        'Plat,Chemin\n"Thé","C:\\"\nSoupe,"D:\\"\n',
        [" | Plat: Thé | Chemin: C:\\", " | Plat: Soupe | Chemin: D:\\"],
    ),
    "cells that are HTML": (
        'Produit;Description;Prix\nThé;"<p>Vert,&nbsp;<b>bio</b><br>1 &lt; 2</p><li>Fès</li>";5\nCafé;a < b;6\n',
        [
            " | Produit: Thé | Description: Vert, bio, 1 < 2, Fès | Prix: 5",
            " | Produit: Café | Description: a < b | Prix: 6",
        ],
    ),
    "one column": ("Pièces à fournir\nCIN\nPhoto\n", [" | Pièces à fournir | CIN | Photo"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_csv_file_becomes_rows(name: str) -> None:
    text, expected = TABLES[name]
    assert shown(parse("x.csv", text.encode())) == expected


def test_json_lines_are_split_at_line_ends_only_and_nested_members_are_named() -> None:
    lines = (
        '\ufeff{"question": "Où ?", "answer": "Ici\u2028là"}\r\n\n'
        '{"nom": "Tajine", "prix": 70.5, "halal": true, "note": null, "lieu": {"ville": "Fès", "étages": [1, 2]}}\n'
        '{"question": "Promo ?", "answer": "Oui \\ud83d\\ude00"}\n'
    )
    assert shown(parse("x.jsonl", lines.encode())) == [
        "Où ? | Ici | là",
        " | nom: Tajine | prix: 70.5 | halal: oui | lieu ville: Fès | lieu étages: 1, 2",
        "Promo ? | Oui 😀",
    ]


cells = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)


@st.composite
def grids(draw: st.DrawFn) -> list[list[str]]:
    """Draw rows of equal width without blank cells."""
    width = draw(st.integers(2, 5))
    row = st.lists(cells, min_size=width, max_size=width)
    return draw(st.lists(row, min_size=1, max_size=7))


@given(grids(), st.sampled_from(";,\t"))
@settings(max_examples=150, deadline=None)
def test_no_cell_of_a_csv_file_is_lost(rows: list[list[str]], delimiter: str) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
    try:
        document = parse("x.csv", file.getvalue().encode())
    except UnreadableDocumentError:
        return
    everything = letters(" ".join(" ".join((*part.headings, part.text)) for part in document.sections))
    assert set(letters("".join(cell for row in rows for cell in row))) <= set(everything)


def letters(text: str) -> str:
    """Return the letters of a text, as the storable one has them."""
    from salambot.language.storable import make_storable

    return "".join(letter for letter in make_storable(text).casefold() if letter.isalpha())


@given(st.text(max_size=300), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused_and_what_comes_can_be_stored(text: str, encoding: str) -> None:
    for name in ("x.csv", "x.jsonl", "x.txt", "x.md", "x.html"):
        try:
            document = parse(name, text.encode(encoding, "surrogatepass"))
        except UnreadableDocumentError:
            continue
        for part in document.sections:
            stored = "".join((*part.headings, part.text))
            assert "\0" not in stored
            assert stored.encode().decode() == stored
