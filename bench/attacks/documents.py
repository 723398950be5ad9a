"""Documents that are small and cost much: bombs of several kinds, deep nesting, what makes parsers quadratic."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATION = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)
_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_LAUGHS = "<!DOCTYPE x [<!ENTITY a 'lollollollol'>" + "".join(
    f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)  # fmt: skip


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    """Return a zip archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return archive.getvalue()


def docx(body: str, doctype: str = "") -> bytes:
    """Return a Word document of this body."""
    document = f'<?xml version="1.0"?>{doctype}<w:document {_WORD}><w:body>{body}</w:body></w:document>'
    return zipped({"[Content_Types].xml": _TYPES, "_rels/.rels": _RELATION, "word/document.xml": document})


def paragraph(text: str) -> str:
    """Return a paragraph of a Word document."""
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def xlsx(change: Callable[[str], str]) -> bytes:
    """Return a workbook of two rows whose sheet was changed in its XML."""
    from openpyxl import Workbook

    workbook, made = Workbook(), io.BytesIO()
    workbook.active.append(["Question", "Réponse"])
    workbook.active.append(["Livrez-vous ?", "Oui, partout."])
    workbook.save(made)
    with zipfile.ZipFile(made) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    return zipped({**files, sheet: change(files[sheet].decode())})


def _pdf(*objects: bytes) -> bytes:
    body = b"".join(b"%d 0 obj%b endobj\n" % (number, one) for number, one in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R>>\n%%EOF"


def _pdf_bomb() -> bytes:
    stream = zlib.compress(zlib.compress(b"BT /F1 9 Tf (x) Tj ET\n" * 20_000_000, 9), 9)
    return _pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/MediaBox[0 0 99 99]>>",
        b"<</Filter[/FlateDecode/FlateDecode]/Length %d>>stream\n%b\nendstream" % (len(stream), stream),
    )


DOCUMENTS: Mapping[str, Callable[[], tuple[str, bytes]]] = {
    "a sheet whose last row is the last of all": lambda: (
        "a.xlsx",
        xlsx(lambda sheet: sheet.replace('r="2"', 'r="1048576"').replace('"B2"', '"XFD1048576"')),
    ),
    "a sheet that says it is full": lambda: ("a.xlsx", xlsx(lambda sheet: sheet.replace("A1:B2", "A1:XFD1048576"))),
    "a sheet of empty rows": lambda: (
        "a.xlsx",
        xlsx(lambda sheet: sheet.replace("</sheetData>", '<row spans="1:2"/>' * 400_000 + "</sheetData>")),
    ),
    "a Word document of one long word": lambda: ("a.docx", docx(paragraph("mot " * 4_000_000))),
    "a Word document of 200,000 lines": lambda: ("a.docx", docx(paragraph("ligne") * 200_000)),
    "a Word document of deep paragraphs": lambda: ("a.docx", docx("<w:p>" * 30_000 + "</w:p>" * 30_000)),
    "a Word document of deep tables": lambda: (
        "a.docx",
        docx("<w:tbl><w:tr><w:tc>" * 3_000 + paragraph("x") + "</w:tc></w:tr></w:tbl>" * 3_000),
    ),
    "a billion laughs": lambda: ("a.docx", docx(paragraph("&i;"), f"{_LAUGHS}]>")),
    "an entity of 100 kB, 10,000 times": lambda: (
        "a.docx",
        docx(paragraph("&a;" * 10_000), f"<!DOCTYPE x [<!ENTITY a '{'b' * 100_000}'>]>"),
    ),
    "an archive of 100,000 files": lambda: ("a.docx", zipped({f"{n}": b"" for n in range(100_000)})),
    "an archive of zeros": lambda: ("a.xlsx", zipped({"xl/workbook.xml": bytes(150_000_000)})),
    "an archive in an archive": lambda: ("a.docx", zipped({"word/document.xml": zipped({"a": bytes(50_000_000)})})),
    "images that do not end": lambda: ("a.md", b"![a](b" * 50_000),
    "links that do not end": lambda: ("a.md", b"[a](<b" * 50_000),
    "open brackets": lambda: ("a.md", b"[" * 100_000),
    "closed brackets": lambda: ("a.md", b"[a]" * 100_000),
    "stars and lines": lambda: ("a.md", b"*a _b " * 60_000),
    "backticks of every length": lambda: ("a.md", b" ".join(b"`" * n for n in range(1, 2_000))),
    "quotes in quotes": lambda: ("a.md", b"> " * 50_000 + b"x\n"),
    "lists in lists": lambda: ("a.md", b"- " * 20_000 + b"x\n"),
    "references to references": lambda: ("a.md", b"".join(b"[%d]: /a\n" % n for n in range(50_000)) + b"[1] " * 50_000),
    "a table of one line and many columns": lambda: (
        "a.md",
        b"|a" * 20_000 + b"|\n" + b"|-" * 20_000 + b"|\n" + b"|b" * 20_000,
    ),
    "half a tag, again and again": lambda: ("a.md", b"<a " * 100_000),
    "deep elements": lambda: ("a.html", b"<div>" * 200_000 + b"x"),
    "deep tables": lambda: ("a.html", b"<table><tr><td>" * 20_000 + b"x"),
    "deep lists": lambda: ("a.html", b"<ul><li>" * 20_000 + b"x"),
    "one element of 200,000 attributes": lambda: ("a.html", b"<p " + b"a=1 " * 200_000 + b">x"),
    "cells that span everything": lambda: (
        "a.html",
        b"<table>" + b"<tr><td colspan=10000 rowspan=10000>x</td></tr>" * 1_000 + b"</table>",
    ),
    "comments that do not end": lambda: ("a.html", b"<!--" * 200_000),
    "a line of 3 MB in quotes": lambda: ("a.csv", b'a,b\n"' + b"x" * 3_000_000),
    "20,000 columns": lambda: ("a.csv", b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"v," * 19_999 + b"v\n"),
    "a million rows": lambda: ("a.csv", b"a,b\n" + b"1,2\n" * 1_000_000),
    "deep JSON": lambda: ("a.jsonl", b"[" * 100_000 + b"\n"),
    "deep objects": lambda: ("a.jsonl", b'{"a":' * 100_000 + b"\n"),
    "a number of a million digits": lambda: ("a.jsonl", b'{"a":' + b"9" * 1_000_000 + b"}\n"),
    "pages that hold themselves": lambda: (
        "a.pdf",
        _pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 9/Kids[2 0 R]>>"),
    ),
    "a page that unpacks to 440 MB": lambda: ("a.pdf", _pdf_bomb()),
    "one word of 15 MB": lambda: ("a.txt", b"a" * 15_000_000),
    "15 MB of marks on one letter": lambda: ("a.txt", b"e" + "\u0301".encode() * 7_000_000),
    "15 MB of direction marks": lambda: ("a.txt", "\u202e".encode() * 5_000_000),
    "15 MB of empty lines": lambda: ("a.txt", b"a\n" + b"\n" * 15_000_000),
}  # fmt: skip
