"""Each format gives its sections; what cannot be read says why; chunks stay within their bounds."""

import contextlib
import io
import re
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from pypdf import PdfWriter

from salambot.knowledge.chunks import CAPACITY, HEADING, chunk
from salambot.knowledge.parsers import FORMATS, MAX_DOCUMENT_BYTES, MAX_TITLE_CHARACTERS, parse
from salambot.knowledge.parsers.archives import MAX_UNPACKED_BYTES, rewrite
from salambot.knowledge.parsers.base import Document, Section, UnreadableDocumentError

_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"


def headings(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(section.headings, section.text) for section in document.sections]


def docx(body: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{_WORD}.document.main+xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
            'officeDocument" Target="word/document.xml"/></Relationships>',
        )
        archive.writestr(
            "word/document.xml",
            '<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
            f"<w:body>{body}</w:body></w:document>",
        )
    return file.getvalue()


def paragraph(text: str, style: str = "") -> str:
    styled = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{styled}<w:r><w:t>{text}</w:t></w:r></w:p>"


def xlsx(*rows: tuple[str, ...]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def pdf(text: str, password: str = "") -> bytes:
    """Write a PDF by hand: a page with one line in a standard font."""
    stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
            b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, item)
    start = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start
    if not password:
        return out
    writer, file = PdfWriter(io.BytesIO(out)), io.BytesIO()
    writer.encrypt(password, algorithm="RC4-128")
    writer.write(file)
    return file.getvalue()


def test_markdown_keeps_questions_tables_and_front_matter() -> None:
    source = (
        "---\ncity: Fès\n---\n# T\n\nintro\n## Q ?\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> # no heading\n\n### R\n\nr"
    )
    document = parse("x.md", source.encode())
    assert (document.title, document.metadata) == ("T", {"city": "Fès"})
    assert headings(document) == [
        ((), "intro"),
        (("Q ?",), "a: 1\nb: 2"),
        (("Q ?",), "> # no heading"),
        (("Q ?", "R"), "r"),
    ]


def test_html_leaves_the_menu_out() -> None:
    page = (
        "<html><head><title>Aide</title></head><body><nav><a href='/'>Accueil</a></nav><main><h1>Aide</h1>"
        "<h2>Livraison</h2><p>La livraison coûte 25 DH à Casablanca et 35 DH dans les autres villes du Maroc.</p>"
        "<h2>Retours</h2><p>Vous avez 14 jours pour nous retourner un article, c'est simple et rapide.</p>"
        "<table><tr><th>ville</th><th>prix</th></tr><tr><td>Fès</td><td>35 DH</td></tr></table>"
        "</main></body></html>"
    )
    document = parse("x.html", page.encode())
    assert document.title == "Aide"
    assert headings(document) == [
        (("Livraison",), "La livraison coûte 25 DH à Casablanca et 35 DH dans les autres villes du Maroc."),
        (("Retours",), "Vous avez 14 jours pour nous retourner un article, c'est simple et rapide."),
        (("Retours",), "ville: Fès\nprix: 35 DH"),
    ]


def test_csv_jsonl_and_xlsx_are_questions_with_answers() -> None:
    asked = [(("Livrez-vous à Fès ?",), "Oui ; en 3 jours.")]
    assert (
        headings(parse("faq.csv", '\ufeffquestion;réponse\nLivrez-vous à Fès ?;"Oui ; en 3 jours."\n'.encode()))
        == asked
    )
    line = '{"question": "Livrez-vous à Fès ?", "answer": "Oui ; en 3 jours."}\n\n'
    assert headings(parse("faq.jsonl", line.encode())) == asked
    assert headings(parse("faq.xlsx", xlsx(("Question", "Réponse"), *[(q[0], a) for q, a in asked]))) == asked
    assert headings(parse("p.csv", b"nom,prix\nTajine,120\n")) == [((), "nom: Tajine\nprix: 120")]


def test_docx_has_its_headings() -> None:
    body = paragraph("Livraison", "Heading1") + paragraph("La livraison coûte 25 DH à Casablanca et à Rabat.")
    document = parse("x.docx", docx(body))
    assert "25 DH" in document.sections[-1].text


def test_pdf_has_a_section_a_page() -> None:
    assert headings(parse("guide-retours.pdf", pdf("Retours sous 14 jours"))) == [((), "Retours sous 14 jours")]


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as member:
        for _ in range(MAX_UNPACKED_BYTES // (1 << 24) + 1):
            member.write(bytes(1 << 24))
    return file.getvalue()


def open_document() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("content.xml", "<office:document-content/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pdf", pdf("x", "secret"), "encrypted"),
        ("a.pdf", pdf(""), "scanned"),
        ("a.pdf", b"hello", "damaged"),
        ("a.docx", b"hello", "not what its name says"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0 " + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0 BIFF", "an old .doc or .xls file"),
        ("a.docx", b"{\\rtf1 x}", "not what its name says"),
        ("a.pdf", b"<!doctype html><p>Sign in</p>", "not what its name says"),
        ("a.pdf", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n", "git lfs pull"),
        ("a.docx", open_document(), "OpenDocument"),
        ("a.xlsx", b"<?xml version='1.0'?><Workbook/>", "not what its name says"),
        ("a.xlsx", b"\x00\x01\x02\x03", "binary"),
        ("a.docx", docx(""), "no text"),
        ("a.docx", docx("<w:p>"), "damaged"),
        ("a.txt", b"x" * (MAX_DOCUMENT_BYTES + 1), "larger than 20 MiB"),
        ("a.jsonl", b'{"q": 1}\nnot json\n', "line 2"),
        ("a.jsonl", b"[1]\n", "line 1 is not an object"),
        ("a.jsonl", b"[" * 100_000, "line 1"),
        ("a.csv", b"justoneword\n", "columns"),
        ("a.html", b"<html><body></body></html>", "text"),
        ("a.txt", b"\x00\x01", "binary"),
        ("a.md", b" ", "empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # archives hold the time
)
def test_what_cannot_be_read_says_why(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=reason):
        parse(name, content)


LINES = docx(paragraph("Trois jours."))
TABLE = xlsx(("Question", "Réponse"), ("Quand ?", "Lundi"))
PAGE = b"\xef\xbb\xbf<HTML><table><tr><td>Question<td>Reponse<tr><td>Quand ?<td>Lundi</table>"

ARCHIVE = b"""From: <Saved by Blink>
MIME-Version: 1.0
Content-Type: multipart/related; boundary="x"

--x
Content-Type: text/html; charset="windows-1252"
Content-Transfer-Encoding: quoted-printable

<html><head><title>Livraison</title></head><body><p>Trois jours ouvr=E9s=
.</p></body></html>
--x
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--x--
"""
"""What browsers and Word save as one file."""


def rewrite_names(archive: bytes, separator: str) -> bytes:
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(copy, "w") as after:
        for name in before.namelist():
            after.writestr(name.replace("/", separator), before.read(name))
    return copy.getvalue()


def strict(archive: bytes) -> bytes:
    """Name everything as the strict variant of Office's formats does."""
    usual = re.compile(rb"http://schemas\.openxmlformats\.org/(officeDocument|\w+ml)/2006/(\w+)")
    return rewrite(archive, lambda _, part: usual.sub(rb"http://purl.oclc.org/ooxml/\1/\2", part))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.docx", TABLE, "Lundi"),
        ("a.csv", TABLE, "Lundi"),
        ("a.xlsm", TABLE, "Lundi"),
        ("a.xlsx", LINES, "Trois jours."),
        ("a.pdf", LINES, "Trois jours."),
        ("a.docm", LINES, "Trois jours."),
        ("a.txt", pdf("Trois jours."), "Trois jours."),
        ("a.xlsx", PAGE, "Lundi"),
        ("a.docx", PAGE, "Lundi"),
        ("a.docx", strict(LINES), "Trois jours."),
        ("a.xlsx", strict(TABLE), "Lundi"),
        ("a.docx", rewrite_names(LINES, "\\"), "Trois jours."),
        ("a.xlsx", rewrite_names(TABLE, "\\"), "Lundi"),
        ("a.tsv", "Question\tRéponse\nQuand ?\tLundi\n".encode("utf-16"), "Lundi"),
        ("a.xlsx", "Question;Réponse\nQuand ?;Lundi\n".encode("cp1252"), "Lundi"),
        ("a.mhtml", ARCHIVE, "Trois jours ouvrés."),
        ("a.html", ARCHIVE, "Trois jours ouvrés."),
        ("a.md", b"+++\ntitle = 'x'\n+++\nTrois jours.", "Trois jours."),
        ("a.txt", b"Oui\0", "Oui"),
        ("a.txt", b"\0Prix : 5 DH", "Prix : 5 DH"),
        ("a.jsonl", b'{"question": "Quand ?", "answer": "<p>Lundi</p>"}\n', "Lundi"),
        ("a.jsonl", b'[{"question": "Quand ?", "answer": "Lundi"}]', "Lundi"),
        ("a.jsonl", b'{\n"question": "Quand ?",\n"answer": "Lundi"\n}', "Lundi"),
        ("a.ndjson", b'{"question": "Quand ?", "answer": "Lundi"},\n', "Lundi"),
        ("a.jsonl", b'{"question": "Quand ?", "answer": "Lundi\\ud83d"}\n', "Lundi"),
        ("a.jsonl", b'{"question": "Quand ?", "answer": "Lundi", "prix": NaN}\n', "Lundi"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # archives hold the time
)
def test_what_is_in_a_file_counts_more_than_its_name_and_its_program(name: str, content: bytes, text: str) -> None:
    (section,) = parse(name, content).sections
    assert section.text.startswith(text)


def test_a_zip_bomb_is_not_unpacked() -> None:
    with pytest.raises(UnreadableDocumentError, match="unpacks to far more"):
        parse("a.docx", bomb())


@given(name=st.sampled_from(sorted(FORMATS)), content=st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(name: str, content: bytes) -> None:
    with contextlib.suppress(UnreadableDocumentError):
        parse(f"x{name}", content)


_WHOLE = {"a.docx": docx(paragraph("Livraison : 25 DH")), "a.xlsx": xlsx(("q", "a"), ("1", "2")), "a.pdf": pdf("25 DH")}


def damaged(name: str, part: int, at: int, put: bytes) -> bytes:
    """Return a file with other bytes at one place: in a PDF anywhere, in an office file within one of its parts."""
    whole = _WHOLE[name]
    if name == "a.pdf":
        return _put(whole, at, put)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as before, zipfile.ZipFile(file, "w") as after:
        names = before.namelist()
        for item in names:
            content = before.read(item)
            after.writestr(item, _put(content, at, put) if item == names[part % len(names)] else content)
    return file.getvalue()


def _put(content: bytes, at: int, put: bytes) -> bytes:
    at %= len(content)
    return content[:at] + put + content[at + 2 * len(put) :]


@given(
    name=st.sampled_from(sorted(_WHOLE)), part=st.integers(0, 20), at=st.integers(0, 9999), put=st.binary(max_size=9)
)
@settings(max_examples=200, deadline=None)
def test_a_file_damaged_anywhere_is_read_or_refused(name: str, part: int, at: int, put: bytes) -> None:
    with contextlib.suppress(UnreadableDocumentError):
        parse(name, damaged(name, part, at, put))


def test_a_row_of_a_long_table_is_a_passage_of_its_own() -> None:
    rows = "\n".join(f"| Ville {number} | {number} DH, livré en deux jours |" for number in range(80))
    table = f"# Prix\n\n## Par ville\n\nTTC.\n\n| Ville | Prix |\n|---|---:|\n{rows}\n"
    first, *parts = chunk(parse("a.md", table.encode()))
    assert first.text == "TTC."
    assert [part.text for part in parts] == [
        f"Ville: Ville {number}\nPrix: {number} DH, livré en deux jours" for number in range(80)
    ]
    assert {part.heading for part in parts} == {"Par ville"}


def test_a_title_made_of_the_name_and_an_endless_heading_are_not_embedded() -> None:
    (piece,) = chunk(parse("horaires-d-ouverture.txt", b"Ouvert de 9 h."))
    assert piece.embedded == "Ouvert de 9 h."
    assert {"horair", "ouvertur"} <= piece.weights.keys(), "its words are searched all the same"
    (piece,) = chunk(parse("faq.csv", ("question,answer\n" + "pourquoi " * 900 + "zellige,Parce que.\n").encode()))
    assert len(piece.embedded) <= HEADING + CAPACITY
    assert any(term.startswith("zellig") for term in piece.weights)
    assert len(parse("a.md", b"# " + b"x" * 9000 + b"\n\ntexte").title) == MAX_TITLE_CHARACTERS


@given(st.lists(st.text(max_size=3000), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_chunks_are_bounded_stable_and_lose_no_word(texts: list[str]) -> None:
    document = Document("T", tuple(Section((f"h{n}",), text, "markdown") for n, text in enumerate(texts)))
    chunks = chunk(document)
    assert [piece.digest for piece in chunk(document)] == [piece.digest for piece in chunks]
    assert all(len(piece.text) <= CAPACITY for piece in chunks)
    assert [piece.number for piece in chunks] == list(range(len(chunks)))
    assert "".join("".join(piece.text for piece in chunks).split()) == "".join("".join(texts).split())
