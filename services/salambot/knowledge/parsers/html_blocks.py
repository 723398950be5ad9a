"""From the elements of a page to blocks. What is furniture, hidden or struck out is left out."""

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from salambot.knowledge.parsers.blocks import PSEUDO_LEVEL, Block, Heading, Paragraph, Table
from salambot.knowledge.parsers.cells import EMPTY, Cell, text_cell
from salambot.knowledge.parsers.tables import read_table

MAX_DEPTH = 200
"""Elements inside one another: deeper ones are read as text."""
_SKIPPED = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "head",
        "nav",
        "footer",
        "svg",
        "math",
        "canvas",
        "iframe",
        "object",
        "embed",
        "video",
        "audio",
        "map",
        "select",
        "textarea",
        "input",
        "option",
        "datalist",
        "dialog",
        "del",
        "s",
        "strike",
        "progress",
        "meter",
        "rp",
        "rt",
    ]
)
"""`del` and `s` hold what is no longer so: an old price."""
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "html",
        "li",
        "main",
        "menu",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "ul",
        "caption",
        "legend",
    ]
)
_FURNITURE = re.compile(
    r"\b(?:nav(?:bar|igation)?|menu|breadcrumbs?|fil-ariane|cookies?|consent|sidebar|footer|site-header|topbar|social|"
    r"share|sharing|newsletter|skip-link|popup|modal|pagination|widget-area)\b",
    re.IGNORECASE,
)
_QUESTION_CLASS = re.compile(
    r"(?:accordion|toggle|collapse|collapsible|faq|tab|panel)[-_]*(?:item[-_]*)?(?:title|header|heading|button|btn|question|trigger|head|label)"
    r"|(?:^|[\s_-])question(?:$|[\s_-])|(?:^|\s)faq-q(?:$|\s)",
    re.IGNORECASE,
)
_REVEALED = re.compile(r"accordion|collapse|panel|toggle|answer|reponse|tab|faq|content", re.IGNORECASE)
_HEADING = re.compile(r"h([1-6])")
_WORD_HEADING = re.compile(r"\b(?:MsoTitle|MsoHeading([1-9]))\b")
_BOLD = frozenset({"b", "strong"})
_SPACE = re.compile(r"[ \t\r\n\f\v\u00a0]+")
_SUPERSCRIPT = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
_MEASURE = re.compile(r"(?:^|[^a-zA-Z])[kcdm]?m$|10$")
_CONTACT = re.compile(r"^(?:tel|mailto|sms):([^?]+)", re.IGNORECASE)
_MAX_SPAN = 200


def read_element(element: HtmlElement) -> Iterator[Block]:
    """Yield the blocks of an element, in reading order."""
    yield from _Walker().blocks(element, 0)


class _Walker:
    """Collects inline text until a block ends; a list item keeps its bullet."""

    def blocks(self, element: HtmlElement, depth: int) -> Iterator[Block]:
        if depth > MAX_DEPTH:
            yield from _paragraph(" ".join(element.itertext()), is_bold=False)
            return
        runs: list[HtmlElement | str] = [element.text or ""]
        for child in element:
            if not isinstance(child.tag, str) or _is_skipped(child):
                runs.append(child.tail or "")
                continue
            if _is_block(child):
                yield from _flush(runs)
                runs = []
                yield from self._block(child, depth + 1)
            else:
                runs.append(child)
            runs.append(child.tail or "")
        yield from _flush(runs)

    def _block(self, element: HtmlElement, depth: int) -> Iterator[Block]:
        level = _heading_level(element)
        text = inline_text(element)
        if level and text and len(text) <= 300 and not element.xpath(".//table | .//ul | .//ol"):
            yield Heading(level, text.replace("\n", " "))
        elif element.tag == "table":
            yield from self._table(element, depth)
        elif element.tag in {"ul", "ol", "menu"}:
            yield from self._list(element, depth)
        else:
            yield from self.blocks(element, depth)

    def _list(self, element: HtmlElement, depth: int) -> Iterator[Block]:
        number = int(element.get("start")) if (element.get("start") or "").isdigit() else 1
        for child in element:
            if child.tag != "li":
                continue
            bullet = f"{number}. " if element.tag == "ol" else "- "
            number += 1
            first = True
            for block in self.blocks(child, depth + 1):
                if isinstance(block, Paragraph) and not (first and block.is_item):
                    yield Paragraph(f"{bullet if first else '  '}{block.text}", is_item=True)
                elif isinstance(block, Paragraph):
                    yield Paragraph(f"  {block.text}", is_item=True)
                else:
                    yield block
                first = False

    def _table(self, element: HtmlElement, depth: int) -> Iterator[Block]:
        """Read a table; one that only lays the page out is read as its cells."""
        rows = _own_rows(element)
        if element.get("role") == "presentation" or _is_layout(rows) or not _is_data(rows):
            for row in rows:
                for cell in row.iterchildren("td", "th"):
                    yield from self.blocks(cell, depth + 1)
            return
        caption = element.find("caption")
        yield Table(_grid(rows), inline_text(caption) if caption is not None else "")


def inline_text(element: HtmlElement) -> str:
    """Return what an element says, with `\\n` where the page breaks a line."""
    return _tidy("".join(_inline(element)))


def _flush(runs: list[HtmlElement | str]) -> Iterator[Block]:
    text = _tidy("".join(run if isinstance(run, str) else "".join(_inline(run)) for run in runs))
    marked = [run for run in runs if not isinstance(run, str)]
    plain = any(run.strip(" \t\r\n\u00a0:") for run in runs if isinstance(run, str))
    is_bold = bool(marked) and not plain and all(_is_bold(run) for run in marked if inline_text(run))
    yield from _paragraph(text, is_bold=is_bold)


def _paragraph(text: str, *, is_bold: bool) -> Iterator[Block]:
    if text:
        yield Paragraph(text, is_bold=is_bold)


def _is_bold(element: HtmlElement) -> bool:
    weight = re.search(r"font-weight\s*:\s*(bold|[6-9]00)", element.get("style") or "")
    children = [child for child in element if inline_text(child)]
    wraps = not (element.text or "").strip() and len(children) == 1 and not (children[0].tail or "").strip()
    return element.tag in _BOLD or weight is not None or (wraps and _is_bold(children[0]))


def _inline(element: HtmlElement) -> Iterator[str]:
    if element.tag == "br":
        yield "\n\0"
        return
    if element.tag == "sup":
        yield _superscript(element)
        return
    if element.tag == "table":  # in a cell of another one
        yield "\n\0".join(section.text.replace("\n", ", ") for section in read_table(_grid(_own_rows(element))))
        return
    yield _SPACE.sub(" ", element.text or "")
    for child in element:
        if isinstance(child.tag, str) and not _is_skipped(child):
            yield from _inline(child)
            if _is_block(child):
                yield "\n\0"
        yield _SPACE.sub(" ", child.tail or "")
    if element.tag == "a":
        yield _contact(element)


def _superscript(element: HtmlElement) -> str:
    """Return an ordinal's ending as it is, an exponent as one; a mark of a footnote is no text."""
    text = str(element.text_content()).strip()
    before = (element.getprevious().tail if element.getprevious() is not None else element.getparent().text) or ""
    if text.isdigit() and _MEASURE.search(before):
        return text.translate(_SUPERSCRIPT)
    is_note = element.find(".//a") is not None or re.fullmatch(r"[\[(]?[\d*†‡]+[\])]?", text)
    return "" if is_note else text


def _contact(link: HtmlElement) -> str:
    """Return the number or address of a link that does not show it."""
    found = _CONTACT.match((link.get("href") or "").strip())
    if found is None:
        return ""
    shown = re.sub(r"\W", "", link.text_content())
    value = found[1].replace("%20", " ").strip()
    return "" if re.sub(r"\W", "", value)[-8:] in shown else f" ({value})"


def _tidy(text: str) -> str:
    lines = (_SPACE.sub(" ", line).strip() for line in text.replace("\n\0", "\0").replace("\n", " ").split("\0"))
    return "\n".join(line for line in lines if line)


def _is_block(element: HtmlElement) -> bool:
    if element.tag in _BLOCKS or _heading_level(element):
        return True
    return any(isinstance(child.tag, str) and child.tag in _BLOCKS for child in element.iterdescendants())


def _is_skipped(element: HtmlElement) -> bool:
    if element.tag in _SKIPPED:
        return True
    if element.tag == "button":
        return not _opens_something(element)
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    if element.get("role") in {"navigation", "banner", "contentinfo", "search", "alertdialog", "dialog", "menu"}:
        return True
    if element.tag in _BLOCKS | {"span"} and _is_hidden(element) and not _REVEALED.search(names):
        return not _is_controlled(element)
    return element.tag in {"div", "ul", "ol", "header", "aside", "section"} and _is_furniture(element, names)


def _is_hidden(element: HtmlElement) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    return (
        element.get("hidden") is not None
        or "display:none" in style
        or "visibility:hidden" in style
        or "mso-hide:all" in style
    )


def _is_controlled(element: HtmlElement) -> bool:
    """True if a button of the page shows this element."""
    name = element.get("id")
    return bool(name) and bool(
        element.getroottree()
        .getroot()
        .xpath("//*[@aria-controls=$name or @href=$link or @data-target=$link]", name=name, link=f"#{name}")
    )


def _is_furniture(element: HtmlElement, names: str) -> bool:
    """True for a menu or banner: its name says so, and most of it are links, or little is in it."""
    if not _FURNITURE.search(names) or element.find(".//table") is not None:
        return False
    text = len(element.text_content().strip())
    links = sum(len(link.text_content().strip()) for link in element.iter("a"))
    return links * 2 > text or not element.xpath(".//h1 | .//h2 | .//p")


def _opens_something(button: HtmlElement) -> bool:
    """True for the button of an accordion: it holds a question or a title."""
    is_trigger = (
        button.get("aria-expanded")
        or button.get("aria-controls")
        or button.get("data-bs-toggle")
        or button.get("data-toggle")
    )
    return bool(is_trigger) or (
        button.getparent() is not None and _HEADING.fullmatch(str(button.getparent().tag)) is not None
    )


def _heading_level(element: HtmlElement) -> int:
    """Return 1 to 6 for a heading, 7 for what serves as one, 0 for any other element."""
    if found := _HEADING.fullmatch(element.tag):
        return int(found[1])
    names = element.get("class") or ""
    if word := _WORD_HEADING.search(names):
        return int(word[1] or 1)
    if element.tag == "p" and "title" in names.split():
        return 1
    if element.get("role") == "heading" and (element.get("aria-level") or "2").isdigit():
        return int(element.get("aria-level") or 2)
    if element.tag in {"dt", "summary", "legend", "button"}:
        return PSEUDO_LEVEL
    if element.get("itemprop") == "name" and "Question" in (
        element.xpath("string(ancestor::*[@itemtype][1]/@itemtype)")
    ):
        return PSEUDO_LEVEL
    return (
        PSEUDO_LEVEL
        if _QUESTION_CLASS.search(names) and not element.xpath(".//p | .//ul | .//table | .//h2 | .//h3")
        else 0
    )


def _is_layout(rows: list[HtmlElement]) -> bool:
    """True for a table of one cell, or whose cells hold headings and paragraphs."""
    cells = [cell for row in rows for cell in row.iterchildren("td", "th")]
    blocks = sum(
        cell.find(".//h2") is not None or cell.find(".//h1") is not None or len(list(cell.iter("p"))) > 3
        for cell in cells
    )
    return len(cells) < 2 or len(rows) < 2 or blocks * 2 > len(cells)


def _own_rows(table: HtmlElement) -> list[HtmlElement]:
    return [row for row in table.iter("tr") if next(row.iterancestors("table")) is table]


def _is_data(rows: list[HtmlElement]) -> bool:
    """False for a table that holds others to lay them out: rows of other widths, or a table in half of its cells."""
    cells = [cell for row in rows for cell in row.iterchildren("td", "th")]
    holding = sum(cell.find(".//table") is not None for cell in cells)
    widths = {len(list(row.iterchildren("td", "th"))) for row in rows}
    return not holding or (len(widths) == 1 and holding * 2 < len(cells))


def _grid(rows: list[HtmlElement]) -> list[list[Cell]]:
    """Return the cells of a table, those that span rows or columns in each of their places."""
    grid: list[list[Cell]] = []
    below: dict[int, tuple[Cell, int]] = {}
    for row in rows:
        line: list[Cell] = []
        for element in row.iterchildren("td", "th"):
            _carry(line, below)
            cell = _cell(element, row)
            for _ in range(_span(element, "colspan")):
                if (more := _span(element, "rowspan") - 1) > 0:
                    below[len(line)] = (cell, more)
                line.append(cell)
        _carry(line, below)
        grid.append(line)
    return grid


def _carry(line: list[Cell], below: dict[int, tuple[Cell, int]]) -> None:
    """Put the cells from above that reach down to this row into their places."""
    while (found := below.pop(len(line), None)) is not None:
        cell, more = found
        if more > 1:
            below[len(line)] = (cell, more - 1)
        line.append(cell)


def _cell(element: HtmlElement, row: HtmlElement) -> Cell:
    is_header = element.tag == "th" or row.getparent().tag == "thead" or _is_all_bold(element)
    return text_cell(inline_text(element), is_header=is_header) if inline_text(element) else EMPTY


def _is_all_bold(element: HtmlElement) -> bool:
    children = [child for child in element if inline_text(child)]
    has_own_text = (element.text or "").strip() or any((child.tail or "").strip() for child in element)
    return bool(children) and not has_own_text and all(_is_bold(child) for child in children)


def _span(element: HtmlElement, name: str) -> int:
    value = (element.get(name) or "1").strip()
    return min(int(value), _MAX_SPAN) if value.isdigit() and int(value) else 1
