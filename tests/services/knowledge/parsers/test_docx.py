"""Word documents keep their title, questions in bold, merged cells and text boxes, and lose what Word hides."""

import io
from collections.abc import Callable

import docx
from docx.document import Document as WordDocument
from lxml import etree

from salambot.knowledge.parsers import parse
from salambot.knowledge.parsers.base import Document

_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def read(write: Callable[[WordDocument], None]) -> Document:
    word, file = docx.Document(), io.BytesIO()
    write(word)
    word.save(file)
    return parse("x.docx", file.getvalue())


def shown(document: Document) -> list[str]:
    return [" | ".join((" > ".join(part.headings), *part.text.split("\n"))) for part in document.sections]


def test_a_title_and_bold_questions_are_headings() -> None:
    def write(word: WordDocument) -> None:
        word.add_heading("Règlement", 0)
        word.add_paragraph().add_run("Puis-je venir avec un ami ?").bold = True
        word.add_paragraph("Oui, une fois.")
        word.add_paragraph("Livrez-vous ?")
        word.add_paragraph("Non.")
        word.add_paragraph("NOTRE ADRESSE")
        word.add_paragraph("3 bd Pasteur\nTanger")

    document = read(write)
    assert document.title == "Règlement"
    assert shown(document) == [
        "Puis-je venir avec un ami ? | Oui, une fois.",
        "Livrez-vous ? | Non.",
        "NOTRE ADRESSE | 3 bd Pasteur | Tanger",
    ]


def test_merged_cells_fill_their_places() -> None:
    def write(word: WordDocument) -> None:
        word.add_heading("Tarifs", 1)
        table = word.add_table(rows=4, cols=4)
        for number, row in enumerate(
            (
                ["Forfait", "Prix", "", "Durée"],
                ["", "mois", "an", ""],
                ["Solo", "199", "1990", "12 mois"],
                ["Duo", "299", "2990", ""],
            )
        ):
            for column, text in enumerate(row):
                table.cell(number, column).text = text
        for first, last in (((0, 1), (0, 2)), ((0, 0), (1, 0)), ((0, 3), (1, 3)), ((2, 3), (3, 3))):
            table.cell(*first).merge(table.cell(*last))
        word.add_paragraph("Frais : 100 DH.")

    document = read(write)
    assert document.title == "Tarifs"
    assert shown(document) == [
        " | Forfait: Solo | Prix, mois: 199 | Prix, an: 1990 | Durée: 12 mois",
        " | Forfait: Duo | Prix, mois: 299 | Prix, an: 2990 | Durée: 12 mois",
        " | Frais : 100 DH.",
    ]


def test_a_table_inside_a_cell_stays_in_its_row_and_one_inside_a_frame_is_a_table() -> None:
    def write(word: WordDocument) -> None:
        data, frame = word.add_table(rows=3, cols=2), word.add_table(rows=1, cols=2)
        for number, texts in enumerate((("Service", "Détail"), ("Livraison", ""), ("Retour", "7 jours"))):
            for column, text in enumerate(texts):
                data.cell(number, column).text = text
        for cell in (data.cell(1, 1), frame.cell(0, 0)):
            inner = cell.add_table(rows=2, cols=2)
            for place, text in enumerate(("Ville", "Prix", "Fès", "20 DH")):
                inner.cell(place // 2, place % 2).text = text

    assert shown(read(write)) == [
        " | Service: Livraison | Détail: Ville: Fès, Prix: 20 DH",
        " | Service: Retour | Détail: 7 jours",
        " | Ville: Fès | Prix: 20 DH",
    ]


def test_lists_notes_and_what_is_struck_out_or_hidden() -> None:
    def write(word: WordDocument) -> None:
        word.add_heading("Guide", 1)
        word.add_heading("Garantie", 2)
        paragraph = word.add_paragraph("Prix : ")
        paragraph.add_run("500 DH").font.strike = True
        paragraph.add_run(" 400 DH")
        paragraph.add_run(" marge 40 %").font.hidden = True
        for text in ("pièces", "main-d'œuvre"):
            word.add_paragraph(text, style="List Bullet")
        word.sections[0].header.paragraphs[0].text = "CONFIDENTIEL"
        box = (
            f'<w:p {_WORD} xmlns:v="urn:schemas-microsoft-com:vml"><w:r><w:pict><v:shape><v:textbox><w:txbxContent>'
            "<w:p><w:r><w:t>Promo en mai.</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r></w:p>"
        )
        word.element.body.insert(5, etree.fromstring(box))

    assert shown(read(write)) == ["Garantie | Prix : 400 DH | - pièces | - main-d'œuvre |  | Promo en mai."]
