"""Pages keep their headings, questions and tables, and lose their furniture."""

import pytest

from salambot.knowledge.parsers import parse
from salambot.knowledge.parsers.base import Document


def shown(document: Document) -> list[str]:
    return [" | ".join((" > ".join(part.headings), *part.text.split("\n"))) for part in document.sections]


PAGES = {
    "an accordion of buttons": (
        (
            '<h1>Aide</h1><div class="accordion-item"><h2><button class="accordion-button" aria-expanded="false">'
            'Faut-il réserver ?</button></h2><div class="accordion-collapse collapse" style="display:none"><div '
            'class="accordion-body">Oui, <b>24 h</b> avant.</div></div></div><button>Réserver</button>'
        ),
        ["Faut-il réserver ? | Oui, 24 h avant."],
    ),
    "details": ("<details><summary>Quels modes ?</summary><p>Carte.</p></details>", ["Quels modes ? | Carte."]),
    "a list of definitions": ("<dl><dt>Retours</dt><dd>14 jours</dd></dl>", ["Retours | 14 jours"]),
    "classes that say question": (
        '<div class="faq-question">Combien ?</div><div class="faq-answer">350 DH</div>',
        ["Combien ? | 350 DH"],
    ),
    "microdata": (
        (
            '<div itemscope itemtype="https://schema.org/Question"><span itemprop="name">Parking ?</span><div '
            'itemprop="acceptedAnswer"><div itemprop="text">Gratuit.</div></div></div>'
        ),
        ["Parking ? | Gratuit."],
    ),
    "a question in bold, with its answer in the next line": ("<p><b>Où ?</b><br>À Salé.</p>", ["Où ? | À Salé."]),
    "JSON-LD": (
        (
            '<script type="application/ld+json">{"@graph": [{"@type": "FAQPage", "mainEntity": [{"@type": "Question", '
            '"name": "Livrez-vous&nbsp;?", "acceptedAnswer": {"text": "<p>Oui, <b>partout</b>.</p>'
            '<ul><li>90 DH</li></ul>"'
            "}}]}]}</script><script type='application/ld+json'>{broken</script><p>Bonjour à tous.</p>"
        ),
        [" | Bonjour à tous.", "Livrez-vous ? | Oui, partout. | 90 DH"],
    ),
    "cells that span": (
        (
            "<table><caption>Soins</caption><thead><tr><th rowspan=2>Soin<th colspan=2>Prix<tr><th>semaine<th>week-end"
            "</thead><tr><td>Gommage<td>200 DH<td>250 DH<tr>"
            "<td>Massage 1<sup>re</sup> heure<td colspan=2>400 DH</table>"
        ),
        [
            "Soins | Soin: Gommage | Prix, semaine: 200 DH | Prix, week-end: 250 DH",
            "Soins | Soin: Massage 1re heure | Prix, semaine: 400 DH | Prix, week-end: 400 DH",
        ],
    ),
    "names of rows": (
        "<table><tr><th>Marque<td>Samsung<tr><th>Garantie<td>2 ans<tr><th>Prix<td>3 490 DH</table>",
        [" | Marque: Samsung | Garantie: 2 ans | Prix: 3 490 DH"],
    ),
    "a table that lays the page out": (
        "<table><tr><td>À gauche<td><h1>Bienvenue</h1><p>Du safran.</p></table>",
        [" | À gauche", " | Du safran."],
    ),
    "raised and struck text": (
        '<p>120 m<sup>2</sup>, 2<sup>e</sup> étage<sup><a href="#n">1</a></sup>, <del>500</del> 400 DH</p>',
        [" | 120 m², 2e étage, 400 DH"],
    ),
    "numbers behind links": (
        '<p>Le <a href="tel:+212522000000">standard</a>.</p>',
        [" | Le standard (+212522000000)."],
    ),
    "lists": (
        "<h2>Étapes</h2><ol start=3><li>Trois<ul><li>a</li></ul></li><li><p>Quatre</p></li></ol>",
        ["Étapes | 3. Trois |   - a | 4. Quatre"],
    ),
    "menus, banners and what is hidden": (
        (
            '<nav><a>Menu</a></nav><div class="cookie-consent"><p>Des cookies <a>OK</a></p></div><main>'
            "<p hidden>Marge</p><p>Inscriptions en juin.</p></main><footer>RC 1</footer>"
        ),
        [" | Inscriptions en juin."],
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_what_its_reader_reads(name: str) -> None:
    page, expected = PAGES[name]
    assert shown(parse("x.html", f"<html><body>{page}</body></html>".encode())) == expected


WORD = (
    "<html xmlns:w='urn:schemas-microsoft-com:office:word'><head><meta http-equiv=Content-Type content='text/html; "
    "charset=windows-1252'><title></title></head><body><p class=MsoTitle>Règlement</p><p class=MsoNormal><b><span>Quand"
    " rendre les clés ?<o:p></o:p></span></b></p><p class=MsoNormal>Avant midi,\nsauf accord.<o:p>&nbsp;</o:p></p>"
    "<table>"
    "<tr><td><p><b>Saison</b></p></td><td><p><b>Prix</b></p></td></tr><tr><td><p>Été</p></td><td><p>900 DH</p></td>"
    "</table></body></html>"
)


def test_a_page_that_word_saved_is_read_in_its_charset() -> None:
    document = parse("x.htm", WORD.encode("cp1252"))
    assert document.title == "Règlement"
    assert shown(document) == [
        "Quand rendre les clés ? | Avant midi, sauf accord.",
        "Quand rendre les clés ? | Saison: Été | Prix: 900 DH",
    ]


def test_markdown_holds_bold_questions_tables_and_html() -> None:
    text = (
        "# Guide\n\n**Le vendredi ?**\n\nLe matin.\n\n**À Dakhla ?**\nPas encore, [voir](http://x).\n\n"
        "| Ville | Prix |\n|--|--|\n| **Fès** | 25 DH<br>dès 500 DH |\n\n"
        "<details><summary>Annuler ?</summary>\nSous 24 h.\n</details>\n"
    )
    assert shown(parse("x.md", text.encode())) == [
        "Le vendredi ? | Le matin.",
        "À Dakhla ? | Pas encore, [voir](http://x).",
        "À Dakhla ? | Ville: Fès | Prix: 25 DH, dès 500 DH",
        "Annuler ? | Sous 24 h.",
    ]


def test_plain_text_has_questions_and_headings_too() -> None:
    text = "FOIRE AUX QUESTIONS\n===\n\nQ: Livrez-vous ?\nR: Oui.\n\nCONTACT\nTél : 05 22 11 22 33\nAdresse : rue X\n"
    assert shown(parse("x.txt", text.encode("cp1252"))) == [
        "Livrez-vous ? | Oui.",
        "CONTACT | Tél : 05 22 11 22 33 | Adresse : rue X",
    ]
