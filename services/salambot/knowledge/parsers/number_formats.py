"""Show a spreadsheet's value as the sheet shows it: Excel's number formats (ECMA-376, part 1, 18.8.31).

What depends on the reader's settings (decimal sign, names of months, the built-in short date) is written the way it
is in the language of the workbook; no library does this for Python.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

from salambot.knowledge.parsers.date_formats import show_moment

Number = int | float | Decimal
_SECTION = re.compile(r'((?:"[^"]*"|\\.|\[[^\]]*\]|[^;"\\\[])*)(;|$)')
_TOKEN = re.compile(r'"([^"]*)"|\\(.)|_(.)|\*(.)|\[\$([^\]-]*)(?:-[^\]]*)?\]|\[[^\]]*\]|(E[+-]0+)|(.)', re.DOTALL)
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?[\d.]+)\]")
_GENERAL = re.compile("general|standard", re.IGNORECASE)
_SIGNIFICANT: Final = 11
"""Digits that Excel shows of a number without a format."""
_TESTS = {
    "<": lambda value, bound: value < bound,
    ">": lambda value, bound: value > bound,
    "=": lambda value, bound: value == bound,
    "<=": lambda value, bound: value <= bound,
    ">=": lambda value, bound: value >= bound,
    "<>": lambda value, bound: value != bound,
}
_YES_NO = {"en": ("yes", "no"), "ar": ("نعم", "لا"), "ary": ("نعم", "لا")}


def show(value: object, number_format: str, language: str = "fr") -> str:
    """Return what the cell shows; booleans are yes or no, as people read them."""
    if isinstance(value, bool):
        return _YES_NO.get(language, ("oui", "non"))[not value]
    if isinstance(value, datetime | date | time | timedelta):
        return show_moment(value, _sections(number_format)[0], language)
    if isinstance(value, int | float):
        return _show_number(value, number_format, language)
    return "" if value is None else _show_text(str(value), _sections(number_format))


def _show_text(text: str, sections: Sequence[str]) -> str:
    if len(sections) > 3:
        return text if "@" in sections[3] or _GENERAL.search(sections[3]) else ""
    return text


def _show_number(value: Number, number_format: str, language: str) -> str:
    number = Decimal(repr(value))
    if not number.is_finite():
        return str(value)
    pattern, keeps_sign = _choose(_sections(number_format), number)
    if _GENERAL.search(pattern) or pattern == "@":
        return _GENERAL.sub(lambda _: _general(number, language), pattern.replace('"', "")).replace(
            "@", _general(number, language)
        )
    text = _render(abs(number), pattern, language)
    sign = "-" if number < 0 and keeps_sign and any(digit in "123456789" for digit in text) else ""
    return (sign + text).strip()


def _sections(number_format: str) -> list[str]:
    sections = []
    for match in _SECTION.finditer(number_format):
        sections.append(match[1])
        if not match[2]:
            break
    return sections


def _choose(sections: Sequence[str], number: Decimal) -> tuple[str, bool]:
    """Return the section for this number, and whether a minus stands before what it gives."""
    for section in sections:
        if test := _CONDITION.match(section):
            if _TESTS[test[1]](number, Decimal(test[2])):
                return section[test.end() :], True
        elif len(sections) > 1 and _CONDITION.match(sections[0]):
            return section, True
    if len(sections) > 1 and number < 0:
        return sections[1], False
    if len(sections) > 2 and number == 0:
        return sections[2], False
    return (sections[0], False) if len(sections) > 1 else (sections[0] or "General", True)


def _general(number: Decimal, language: str) -> str:
    digits = max(0, min(9, _SIGNIFICANT - 1 - max(number.adjusted(), 0)))
    text = f"{number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP) if number.adjusted() < 20 else number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace(".", _decimal_sign(language))


def _decimal_sign(language: str) -> str:
    return "." if language == "en" else ","


def _group_sign(language: str) -> str:
    return "," if language == "en" else " "


def _tokens(pattern: str) -> list[tuple[str, str]]:
    """Return ("text", literal), ("digit", 0#?), ("sign", . , % /) and ("power", E+00) in order."""
    found = []
    for match in _TOKEN.finditer(pattern):
        quoted, escaped, gap, _fill, currency, power, other = match.groups()
        if power:
            found.append(("power", power))
        elif other and other in "0#?":
            found.append(("digit", other))
        elif other and other in ".,%/":
            found.append(("sign", other))
        else:
            found.append(("text", quoted or escaped or currency or other or (" " if gap else "")))
    return found


def _render(number: Decimal, pattern: str, language: str) -> str:
    tokens = _tokens(pattern)
    kinds = [text if kind == "sign" else kind for kind, text in tokens]
    if "digit" not in kinds:
        return "".join(text for kind, text in tokens if kind == "text" or text == "%")
    if "power" in kinds:
        return f"{number:.{_places(tokens)}E}".replace(".", _decimal_sign(language))
    if "/" in kinds:
        return _render_fraction(number, tokens)
    number = number.scaleb(2 * kinds.count("%"))
    last = max(index for index, kind in enumerate(kinds) if kind == "digit")
    whole = kinds.index(".") if "." in kinds[: last + 1] else last + 1 + _commas(kinds[last + 1 :])
    scale = _thousands(kinds, whole, last)
    grouped = "," in kinds[kinds.index("digit") : whole] if "digit" in kinds[:whole] else False
    rounded = number.scaleb(-3 * scale).quantize(Decimal(1).scaleb(-_places(tokens)), ROUND_HALF_UP)
    integer, _, decimals = f"{rounded:f}".partition(".")
    head = _fill_integer([*tokens[:whole]], integer, _group_sign(language) if grouped else "")
    return head + _fill_decimals(tokens[whole:], decimals, _decimal_sign(language))


def _commas(kinds: Sequence[str]) -> int:
    return next((at for at, kind in enumerate(kinds) if kind != ","), len(kinds))


def _thousands(kinds: Sequence[str], whole: int, last: int) -> int:
    """Return how many times the format divides by a thousand: a comma behind the last digit each."""
    head = [kind for kind in kinds[:whole] if kind in {"digit", ","}]
    behind = len(head) - max((at + 1 for at, kind in enumerate(head) if kind == "digit"), default=0)
    return behind + (kinds[last + 1 :].count(",") if whole <= last else 0)


def _places(tokens: Sequence[tuple[str, str]]) -> int:
    """Return how many digits stand after the decimal sign."""
    after = False
    count = 0
    for kind, text in tokens:
        if kind == "power":
            break
        after = after or (text == "." and kind == "sign")
        count += after and kind == "digit"
    return count


def _fill_integer(tokens: Sequence[tuple[str, str]], digits: str, group: str) -> str:
    """Put the digits into their places from the right; the first place takes what is left."""
    digits = "" if digits == "0" and not any(token == ("digit", "0") for token in tokens) else digits
    places = sum(kind == "digit" for kind, _ in tokens)
    padded = digits.rjust(places)
    first, out, at = len(padded) - places, [], 0
    for kind, text in tokens:
        if kind != "digit":
            out.append(text if kind == "text" or text == "%" else "")
            continue
        part = padded[: first + 1] if at == 0 else padded[first + at]
        out.append(part.strip() or ("0" if text == "0" else ""))
        at += 1
    return _grouped("".join(out), group) if group else "".join(out)


def _grouped(text: str, group: str) -> str:
    return re.sub(r"\d+", lambda found: f"{int(found[0]):,}".replace(",", group), text, count=1)


def _fill_decimals(tokens: Sequence[tuple[str, str]], decimals: str, sign: str) -> str:
    """Put the decimals behind their sign; a # or ? keeps no zero at the end."""
    optional = 0
    for kind, text in reversed([token for token in tokens if token[0] == "digit"]):
        if text == "0" or decimals[len(decimals) - optional - 1 : len(decimals) - optional] != "0":
            break
        optional += kind == "digit"
    kept = iter(decimals[: len(decimals) - optional])
    out = []
    for kind, text in tokens:
        if kind == "digit":
            out.append(next(kept, ""))
        elif text == "." and kind == "sign":
            out.append(sign if len(decimals) > optional else "")
        elif kind == "text" or text == "%":
            out.append(text)
    return "".join(out)


def _render_fraction(number: Decimal, tokens: Sequence[tuple[str, str]]) -> str:
    kinds = [text if kind == "sign" else kind for kind, text in tokens]
    limit = 10 ** kinds[kinds.index("/") :].count("digit") - 1
    fraction = Fraction(number).limit_denominator(max(limit, 1))
    whole, rest = divmod(fraction.numerator, fraction.denominator)
    parts = [str(whole)] if whole or not rest else []
    return " ".join([*parts, f"{rest}/{fraction.denominator}"] if rest else parts)
