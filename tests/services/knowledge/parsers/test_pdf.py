"""PDFs are read by where their letters stand: Arabic of several programs, headings, tables, columns, feet of pages."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from bidi import get_display
from fpdf import FPDF
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from salambot.knowledge.parsers import parse
from salambot.knowledge.parsers.base import Document

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
needs_font = pytest.mark.skipif(not FONT.exists(), reason="needs Debian's fonts-dejavu-core: it has Arabic letters")

ARABIC = (
    "يسري الضمان لمدة 24 شهرا (من تاريخ الشراء) على جميع الأجهزة.",
    "رقم الهاتف: 0522112233 أو البريد info@exemple.ma",
    "الثمن: 1 500 درهم بدل 1800 درهم، أي تخفيض 20% حتى 31/12/2026.",
)


def shown(document: Document) -> list[str]:
    return [" | ".join((" > ".join(part.headings), *part.text.split("\n"))) for part in document.sections]


def drawn(*pages: Sequence[tuple[str, float, float, float, str]]) -> bytes:
    """Draw (font, size, x, y, text) on pages."""
    if FONT.exists():
        pdfmetrics.registerFont(TTFont("DejaVu", FONT))
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    for page in pages:
        for font, size, x, y, text in page:
            canvas.setFont(font, size)
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def test_headings_feet_and_paragraphs() -> None:
    def page(number: int) -> list[tuple[str, float, float, float, str]]:
        return [
            ("Helvetica", 8, 60, 810, "Riad Atlas - brochure 2026"),
            ("Helvetica-Bold", 15, 60, 760, f"Partie {number}"),
            ("Helvetica", 11, 60, 735, f"Les frais du dossier {number} sont de cent dirhams et ne sont pas rembour-"),
            ("Helvetica", 11, 60, 721, "sables, sauf accord du directeur. Le paiement se fait en trois fois au"),
            ("Helvetica", 11, 60, 707, "plus."),
            ("Helvetica", 11, 60, 680, "Adresse : rue X"),
            ("Helvetica", 11, 60, 666, "Tél : 05 22 11 22 33"),
            ("Helvetica", 11, 60, 640, "- une photo"),
            ("Helvetica", 11, 60, 626, "- la carte"),
            ("Helvetica", 8, 280, 30, f"Page {number} / 3"),
        ]

    text = (
        "sont de cent dirhams et ne sont pas remboursables, sauf accord du directeur. Le paiement "
        "se fait en trois fois au plus. |  | Adresse : rue X | Tél : 05 22 11 22 33 | - une photo | - la carte"
    )
    assert shown(parse("x.pdf", drawn(page(1), page(2), page(3)))) == [
        f"Partie {number} | Les frais du dossier {number} {text}" for number in (1, 2, 3)
    ]


def test_rows_that_stand_below_one_another_are_a_table() -> None:
    rows = [
        ("Soin", "Durée", "Prix"),
        ("Coupe", "45 min", "180 DH"),
        ("Brushing", "30 min", "120 DH"),
        ("Soin kératine", "2 h", "900 DH"),
    ]
    page = [
        ("Helvetica-Bold" if not number else "Helvetica", 11, x, 700 - 18 * number, text)
        for number, row in enumerate(rows)
        for x, text in zip((60, 260, 420), row, strict=True)
    ]
    leaders = [("Helvetica", 11, 60, 560, f"Maquillage {'.' * 50} 250 DH")]
    assert shown(parse("x.pdf", drawn([*page, *leaders]))) == [
        " | Soin: Coupe | Durée: 45 min | Prix: 180 DH",
        " | Soin: Brushing | Durée: 30 min | Prix: 120 DH",
        " | Soin: Soin kératine | Durée: 2 h | Prix: 900 DH",
        " | Maquillage: 250 DH",
    ]


def test_columns_are_read_one_after_the_other() -> None:
    left = [f"La colonne de gauche dit ceci, ligne {number}" for number in range(8)]
    right = [f"Celle de droite dit autre chose, ligne {number}" for number in range(8)]
    page = [("Helvetica", 10, 50, 700 - 14 * number, text) for number, text in enumerate(left)]
    page += [("Helvetica", 10, 320, 693 - 14 * number, text) for number, text in enumerate(right)]
    whole = " ".join(shown(parse("x.pdf", drawn(page))))
    assert whole.index("ligne 7") < whole.index("Celle de droite")


def test_ruled_tables_go_on_on_the_next_page_and_merged_cells_fill_their_places() -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    with pdf.table(first_row_as_headings=True, num_heading_rows=2) as table:
        for cells in ((("Chambre", 1, 2), ("Prix", 2, 1)), (("semaine", 1, 1), ("week-end", 1, 1))):
            row = table.row()
            for text, columns, lines in cells:
                row.cell(text, colspan=columns, rowspan=lines)
        for number in range(60):
            table.row((f"Chambre {number}", f"{500 + number} DH", f"{600 + number} DH"))
    document = parse("x.pdf", bytes(pdf.output()))
    assert shown(document) == [
        f" | Chambre: Chambre {number} | Prix, semaine: {500 + number} DH | Prix, week-end: {600 + number} DH"
        for number in range(60)
    ]


@needs_font
@pytest.mark.parametrize("text", ARABIC)
def test_arabic_that_a_program_put_into_the_order_of_the_eye(text: str) -> None:
    pages = drawn([("DejaVu", 12, 60, 700, str(get_display(text.replace("1 500", "1\u00a0500"))))])
    assert shown(parse("x.pdf", pages)) == [f" | {text}"]


@needs_font
@pytest.mark.parametrize("text", ARABIC)
def test_arabic_that_a_program_shaped(text: str) -> None:
    pdf = FPDF()
    pdf.add_font("DejaVu", fname=FONT)
    pdf.add_page()
    pdf.set_font("DejaVu", size=11)
    pdf.set_text_shaping(use_shaping_engine=True)
    pdf.cell(text=text.replace("1 500", "1\u00a0500"))
    assert shown(parse("x.pdf", bytes(pdf.output()))) == [f" | {text}"]


@needs_font
def test_arabic_that_an_old_program_wrote_letter_by_letter_from_the_left() -> None:
    text = "نفتح أبوابنا من الاثنين إلى السبت"
    assert shown(parse("x.pdf", drawn([("DejaVu", 12, 60, 700, text)]))) == [f" | {text}"]


def test_pages_without_text_are_told_and_a_watermark_is_no_text() -> None:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    canvas.drawString(60, 700, "Le contrat dure douze mois.")
    canvas.rotate(45)
    canvas.setFont("Helvetica-Bold", 60)
    canvas.drawString(300, 100, "SPECIMEN")
    canvas.showPage()
    canvas.rect(50, 50, 400, 600, fill=1)
    canvas.save()
    document = parse("x.pdf", file.getvalue())
    assert shown(document) == [" | Le contrat dure douze mois."]
    assert document.warnings == ("1 of 2 pages without text (2): scans need character recognition first",)
