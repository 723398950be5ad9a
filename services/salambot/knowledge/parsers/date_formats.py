"""Show dates, times and durations as a spreadsheet does: `dd/mm/yyyy`, `d mmmm yyyy`, `h:mm AM/PM`, `[h]:mm`."""

import re
from datetime import date, datetime, time, timedelta

_TOKEN = re.compile(
    r'"([^"]*)"|\\(.)|\[\$?[^\]]*-([0-9A-Fa-f]+)\]|\[(h+|m+|s+)\]|\[[^\]]*\]|(AM/PM|A/P)|(y+|m+|d+|h+|s+)|(\.0+)|(.)',
    re.IGNORECASE | re.DOTALL,
)
_BUILT_IN = {"mm-dd-yy": "dd/mm/yyyy", "m/d/yy": "dd/mm/yyyy", "m/d/yy h:mm": "dd/mm/yyyy hh:mm"}
"""Formats that stand for the reader's own short date."""
_LONG_DATE, _LONG_TIME = (
    re.compile(r"\[\$-(?:x-sysdate|F800)\]", re.IGNORECASE),
    re.compile(r"\[\$-(?:x-systime|F400)\]", re.IGNORECASE),
)
_LANGUAGES = {0x01: "ar", 0x09: "en", 0x0C: "fr"}
"""The primary language of a Windows locale: its lowest ten bits."""
_MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
    "ar": "يناير فبراير مارس أبريل ماي يونيو يوليوز غشت شتنبر أكتوبر نونبر دجنبر",
}
_SHORT_MONTHS = {
    "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "ar": _MONTHS["ar"],
}
_DAYS = {
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "ar": "الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت الأحد",
}


def show_moment(value: date | time | timedelta, pattern: str, language: str) -> str:
    """Return a date, a time of day or a duration in this pattern, names in the language it asks for."""
    if isinstance(value, timedelta):
        return _Clock(value, "fr").show(pattern if re.search(r"\[[hms]", pattern, re.IGNORECASE) else "[h]:mm")
    pattern = _resolve(pattern, value)
    named = re.search(r"\[\$[^\]]*-([0-9A-Fa-f]{3,8})\]", pattern)
    language = _LANGUAGES.get(int(named[1], 16) & 0x3FF, language) if named else language
    return _Clock(_to_datetime(value), {"ary": "ar"}.get(language, language)).show(pattern)


def _resolve(pattern: str, value: date | time) -> str:
    """Replace what stands for the reader's own settings, and what is no date format at all."""
    if _LONG_DATE.search(pattern):
        return "dddd d mmmm yyyy"
    if _LONG_TIME.search(pattern):
        return "hh:mm:ss"
    if pattern.lower() in _BUILT_IN:
        return _BUILT_IN[pattern.lower()]
    if re.search("[ymdhs]", re.sub(r'"[^"]*"|\[[^\]]*\]', "", pattern), re.IGNORECASE) and pattern.lower() != "general":
        return pattern
    return "hh:mm" if isinstance(value, time) else "dd/mm/yyyy hh:mm" if _has_time(value) else "dd/mm/yyyy"


def _has_time(value: date) -> bool:
    return isinstance(value, datetime) and value.time() != time()


def _to_datetime(value: date | time) -> datetime:
    moment = (
        value
        if isinstance(value, datetime)
        else datetime.combine(
            value if isinstance(value, date) else date(1900, 1, 1), value if isinstance(value, time) else time()
        )
    )
    return (moment + timedelta(microseconds=500_000)).replace(microsecond=0)


class _Clock:
    """Renders one value, token by token: `m` is minutes after an hour and before seconds, else the month."""

    def __init__(self, value: datetime | timedelta, language: str) -> None:
        self._value = value
        self._language = language if language in _MONTHS else "fr"
        seconds = round(value.total_seconds()) if isinstance(value, timedelta) else 0
        self._seconds = seconds or (
            value.hour * 3600 + value.minute * 60 + value.second if isinstance(value, datetime) else 0
        )

    def show(self, pattern: str) -> str:
        tokens = [match.groups() for match in _TOKEN.finditer(pattern)]
        codes = [(code or elapsed or "").lower() for _, _, _, elapsed, _, code, _, _ in tokens]
        has_noon = any(noon for *_, noon, _, _, _ in tokens)
        out = []
        for at, (quoted, escaped, _, elapsed, noon, code, fraction, other) in enumerate(tokens):
            if elapsed:
                out.append(self._elapsed(elapsed.lower()))
            elif noon:
                out.append("AM" if self._seconds % 86400 < 43200 else "PM")
            elif code:
                out.append(self._part(code.lower(), _is_minute(codes, at), has_noon))
            elif not fraction:
                out.append(quoted or escaped or (other or "").replace("@", "").replace("*", "").replace("_", ""))
        return "".join(out).strip()

    def _elapsed(self, code: str) -> str:
        size = {"h": 3600, "m": 60, "s": 1}[code[0]]
        return str(self._seconds // size).zfill(len(code))

    def _part(self, code: str, is_minute: bool, has_noon: bool) -> str:
        hour = self._seconds // 3600 % 24
        if code[0] == "h":
            return str((hour - 1) % 12 + 1 if has_noon else hour).zfill(len(code[:2]))
        if code[0] == "s" or is_minute:
            return str(self._seconds % 60 if code[0] == "s" else self._seconds // 60 % 60).zfill(len(code[:2]))
        return self._day(code) if isinstance(self._value, datetime) else ""

    def _day(self, code: str) -> str:
        moment, language = self._value, self._language
        assert isinstance(moment, datetime)  # noqa: S101 - the caller looked
        if code[0] == "y":
            return f"{moment.year:04}" if len(code) > 2 else f"{moment.year % 100:02}"
        if code[0] == "d":
            name = _DAYS[language].split()[moment.weekday()]
            return str(moment.day).zfill(len(code)) if len(code) < 3 else name if len(code) > 3 else name[:3]
        if len(code) < 3:
            return str(moment.month).zfill(len(code))
        return (_SHORT_MONTHS if len(code) == 3 else _MONTHS)[language].split()[moment.month - 1]


def _is_minute(codes: list[str], at: int) -> bool:
    if codes[at][:1] != "m":
        return False
    before = next((code for code in reversed(codes[:at]) if code), "")
    after = next((code for code in codes[at + 1 :] if code), "")
    return before[:1] == "h" or after[:1] == "s"
