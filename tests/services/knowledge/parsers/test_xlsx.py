"""Workbooks are read as they are shown: formats, merged cells, hidden parts, several tables on a sheet."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import datetime, time, timedelta

import pytest
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from salambot.knowledge.parsers import parse
from salambot.knowledge.parsers.archives import rewrite
from salambot.knowledge.parsers.base import Document
from salambot.knowledge.parsers.number_formats import show


def read(fill: Callable[[Worksheet], None], title: str = "Feuil1") -> Document:
    """Parse a workbook whose only sheet `fill` writes."""
    book, file = Workbook(), io.BytesIO()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title
    fill(sheet)
    book.save(file)
    return parse("x.xlsx", file.getvalue())


def shown(document: Document) -> list[str]:
    return [" | ".join((" > ".join(part.headings), *part.text.split("\n"))) for part in document.sections]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (522112233, "0000000000", "0522112233"),
        (522112233, '0#" "##" "##" "##" "##', "05 22 11 22 33"),
        (212522112233, "\\+0", "+212522112233"),
        (0.2, "0%", "20%"),
        (0.125, "0.0%", "12,5%"),
        (1290, "General", "1290"),
        (0.1 + 0.2, "General", "0,3"),
        (1290.5, '# ##0.00 "MAD"', "1 290,50 MAD"),
        (1290, '#,##0\\ "DH"', "1 290 DH"),
        (1290, "#,##0 [$DH-380C]", "1 290 DH"),
        (1290, '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-;_-* "-"??\\ "€"_-;_-@_-', "1 290,00 €"),
        (-5.5, "#,##0.00;[Red]-#,##0.00", "-5,50"),
        (-5, "0;(0)", "(5)"),
        (0, '0;-0;"gratuit"', "gratuit"),
        (0.004, "0.00", "0,00"),
        (2.345, "0.00", "2,35"),
        (1234, "0.##", "1234"),
        (1_500_000, '0.0,,"M"', "1,5M"),
        (1.5, "# ?/?", "1 1/2"),
        (12345, "0.00E+00", "1,23E+4"),
        (1, '[=1]0" jour";0" jours"', "1 jour"),
        (3, '[=1]0" jour";0" jours"', "3 jours"),
        (12, ";;;", ""),
        ("caché", ";;;", ""),
        (True, "General", "oui"),
        (datetime(2026, 3, 15), "mm-dd-yy", "15/03/2026"),  # noqa: DTZ001 - a sheet knows no time zones
        (datetime(2026, 3, 15), "[$-40C]d mmmm yyyy;@", "15 mars 2026"),  # noqa: DTZ001
        (datetime(2026, 3, 15), "[$-409]mmm d, yyyy", "Mar 15, 2026"),  # noqa: DTZ001
        (datetime(2026, 3, 15), "yyyy\\-mm\\-dd", "2026-03-15"),  # noqa: DTZ001
        (datetime(2026, 3, 15, 14, 5), "dd/mm/yy hh:mm", "15/03/26 14:05"),  # noqa: DTZ001
        (datetime(2026, 8, 1), "[$-F800]dddd", "samedi 1 août 2026"),  # noqa: DTZ001
        (time(9, 30), "hh:mm", "09:30"),
        (time(21, 5), "h:mm AM/PM", "9:05 PM"),
        (time(9), 'h"h"mm', "9h00"),
        (timedelta(hours=26, minutes=5), "[h]:mm", "26:05"),
    ],
)
def test_a_value_is_shown_as_the_sheet_shows_it(value: object, number_format: str, text: str) -> None:
    assert show(value, number_format) == text


def test_an_english_sheet_has_english_numbers_and_words() -> None:
    assert [show(1290.5, "#,##0.00", "en"), show(False, "General", "en")] == ["1,290.50", "no"]


def test_merged_cells_stand_in_each_of_their_places_and_headers_have_two_lines() -> None:
    def fill(sheet: Worksheet) -> None:
        sheet.append(["Riad Yasmine, tarifs 2026"])
        sheet.append([])
        for row in (["Catégorie", "Chambre", "Prix par nuit", None], [None, None, "1 pers.", "2 pers."]):
            sheet.append(row)
        for row in (["Patio", "Rose", 500, 650], [None, "Jasmin", 550, 700], ["Toit", "Olive", "devis", None]):
            sheet.append(row)
        for area in ("A1:D1", "A3:A4", "B3:B4", "C3:D3", "A5:A6", "C7:D7"):
            sheet.merge_cells(area)

    assert shown(read(fill, "Chambres")) == [
        f"Chambres > Riad Yasmine, tarifs 2026 | {row}"
        for row in (
            "Catégorie: Patio | Chambre: Rose | Prix par nuit, 1 pers.: 500 | Prix par nuit, 2 pers.: 650",
            "Catégorie: Patio | Chambre: Jasmin | Prix par nuit, 1 pers.: 550 | Prix par nuit, 2 pers.: 700",
            "Catégorie: Toit | Chambre: Olive | Prix par nuit, 1 pers.: devis | Prix par nuit, 2 pers.: devis",
        )
    ]


def test_what_is_hidden_stays_hidden_and_is_told() -> None:
    def fill(sheet: Worksheet) -> None:
        for row in (["Article", "Prix d'achat", "Prix"], ["Thé", 20, 45], ["Sucre", 5, 12]):
            sheet.append(row)
        sheet.column_dimensions["B"].hidden = True
        sheet.row_dimensions[3].hidden = True
        assert sheet.parent is not None
        secret = sheet.parent.create_sheet("Marges")
        secret.append(["Thé", 25])
        secret.sheet_state = "veryHidden"

    document = read(fill)
    assert shown(document) == [" | Article: Thé | Prix: 45"]
    assert document.warnings == ("left out hidden sheets: Marges", "sheet Feuil1: hidden rows or columns left out")


def test_formulas_without_a_result_and_errors_are_told() -> None:
    def fill(sheet: Worksheet) -> None:
        for row in (["Produit", "HT", "TTC"], ["Tapis", 2500, "=B2*1.2"], ["Pouf", 300, "=B3*1.2"]):
            sheet.append(row)

    document = read(fill, "Prix")
    assert shown(document) == ["Prix | Produit: Tapis | HT: 2500", "Prix | Produit: Pouf | HT: 300"]
    (warning,) = document.warnings
    assert "sheet Prix: 2 formulas without a stored result (C2, C3)" in warning


def test_a_cell_far_away_and_a_wrong_dimension_change_nothing() -> None:
    def fill(sheet: Worksheet) -> None:
        for row in (["Produit", "Prix"], ["Savon", 15]):
            sheet.append(row)
        sheet.cell(1_048_576, 16_384).font = Font(bold=True)

    assert shown(read(fill)) == [" | Produit: Savon | Prix: 15"]
    book, file, wrong = Workbook(), io.BytesIO(), io.BytesIO()
    for row in (["Produit", "Prix"], ["Savon", 15]):
        book.active.append(row)
    book.save(file)
    with zipfile.ZipFile(file) as before, zipfile.ZipFile(wrong, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(b'ref="A1:B2"', b'ref="A1"'))
    assert shown(parse("x.xlsx", wrong.getvalue())) == [" | Produit: Savon | Prix: 15"]


ODD = [
    ("xl/styles.xml", rb"<fills.*</fills>", b'<fills><fill><patternFill patternType="odd"/></fill></fills>', "0,2"),
    ("xl/styles.xml", rb".*", b"<styleSheet", "0,2"),
    (
        "xl/worksheets/sheet1.xml",
        rb"</sheetData>",
        b'</sheetData><mergeCells><mergeCell ref="Z9:A1"/></mergeCells>',
        "20%",
    ),
    ("xl/worksheets/sheet1.xml", rb"</sheetData>", b'</sheetData><autoFilter ref="nowhere"/>', "20%"),
    ("docProps/core.xml", rb">20", b">xx", "20%"),
]


@pytest.mark.parametrize(("part", "old", "new", "rate"), ODD)
def test_one_odd_style_rule_or_property_costs_no_value(part: str, old: bytes, new: bytes, rate: str) -> None:
    book, file = Workbook(), io.BytesIO()
    for row in (["Produit", "Remise"], ["Savon", 0.2]):
        book.active.append(row)
    book.active["B2"].number_format = "0%"
    book.save(file)
    changed = re.compile(old, re.DOTALL)
    odd = rewrite(file.getvalue(), lambda name, old: changed.sub(new, old, count=1) if name == part else old)
    document = parse("x.xlsx", odd)
    assert shown(document) == [f" | Produit: Savon | Remise: {rate}"]
    assert "cannot be read" in document.warnings[0]


def test_bold_names_and_particulars_are_told_from_rows() -> None:
    def all_bold(sheet: Worksheet) -> None:
        for row in (["Marque", "SAV"], ["LG", "Casablanca"], ["Sony", "Rabat"]):
            sheet.append(row)
        for row in sheet.iter_rows():
            for cell in row:
                cell.font = Font(bold=True)

    def contact(sheet: Worksheet) -> None:
        for row in (["Adresse", "12 rue Ibn Sina, Rabat"], ["Téléphone", 537112233], ["Email", "a@exemple.ma"]):
            sheet.append(row)

    assert shown(read(all_bold)) == [" | Marque: LG | SAV: Casablanca", " | Marque: Sony | SAV: Rabat"]
    assert shown(read(contact)) == [" | Adresse: 12 rue Ibn Sina, Rabat | Téléphone: 0537112233 | Email: a@exemple.ma"]
