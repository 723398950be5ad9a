"""Consonant skeletons: `nrje3`, `nraj3` and `نرجع` become one, so that Arabizi finds what stands in Arabic script."""

import re

_LETTER_PAIRS = {"ch": "ش", "sh": "ش", "kh": "خ", "gh": "غ", "th": "ت", "dh": "د", "ph": "ف", "ck": "ك"}
_LETTERS = {
    **dict(zip("bptjdrzsfvqckglmnhx", "ببتجدرزسففككككلمنحش", strict=True)),
    "2": "",
    "3": "ع",
    "4": "",
    "5": "خ",
    "6": "ت",
    "7": "ح",
    "8": "ح",
    "9": "ك",
}
_PAIR = re.compile("|".join(_LETTER_PAIRS))
_VOWELS = re.compile("[aeiouyw\u0621\u0627\u0648\u064a]")
"""Latin vowels and half-vowels; hamza, alif, waw, ya: people write or leave them as they like."""
_FOLDS = str.maketrans("صطضظثذقه", "ستددتدكح")
"""Emphatic and interdental letters sound alike in Darija, and Arabizi has one letter for both."""
_DOUBLE = re.compile(r"(.)\1+")
_ARABIC_ARTICLE = re.compile(r"^[وفبك]?(?:ال|لل)(?=..)")
_LATIN_ARTICLE = re.compile(r"^(?:w|f|b)?(?:el|al|l|[nrtdsz](?=[nrtdsz]))(?=[^aeiou\W].)")
_PREFIX = re.compile("^(?:كن|كت|غن|غت|مت|[نتمبفل])(?=..)")
_SUFFIX = re.compile("(?<=..)(?:كم|نا|ت|ش|ح|ن)$")
_SILENT_H = re.compile("(?<=[aeiou])h$")
_SHORTEST = 3


def skeletons(word: str) -> tuple[str, ...]:
    """Return the skeletons that a normalised word may stand for: the plain one first, then without affixes.

    Arabic letters keep their own consonants. Empty when fewer than three are left: it would match nearly anything.
    """
    plain = _consonants(word)
    bare = _consonants(_strip_article(word))
    found = [plain, bare]
    found += [_PREFIX.sub("", form, count=1) for form in (bare,) if len(form) > _SHORTEST]
    found += [_SUFFIX.sub("", form, count=1) for form in found[1:] if len(form) > _SHORTEST]
    return tuple(dict.fromkeys(form for form in found if len(form) >= _SHORTEST))


def fold_arabizi(skeleton: str) -> str:
    """Fold the consonants that Arabizi does not tell apart, as in ط and ت: this is where both scripts meet."""
    return _DOUBLE.sub(r"\1", skeleton.translate(_FOLDS))


def _strip_article(word: str) -> str:
    return _LATIN_ARTICLE.sub("", word) if word.isascii() else _ARABIC_ARTICLE.sub("", word)


def _consonants(word: str) -> str:
    if word.isascii():
        word = _PAIR.sub(lambda pair: _LETTER_PAIRS[pair[0]], _SILENT_H.sub("", word))
        word = "".join(_LETTERS.get(letter, letter) for letter in word)
    else:
        word = re.sub("ه$", "", word)
    return _DOUBLE.sub(r"\1", _VOWELS.sub("", word))
