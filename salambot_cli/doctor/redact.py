"""Keep secrets out of what the doctor says: known values, and parts of URLs, are masked wherever they stand."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote, unquote, urlsplit

from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Evidence, Facts, Finding, Remedy
from salambot_cli.model.secret import MASK, Secret

_SHORTEST = 6
_USERINFO = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")


def secrets_of(environment: Environment, more: Mapping[str, str]) -> frozenset[str]:
    """Return every text that is secret: values, passwords inside URLs, both as written and unquoted."""
    values = [v.reveal() for v in environment.variables.values() if isinstance(v.value, Secret)] + list(more.values())
    found: set[str] = set()
    for value in values:
        found.add(value)
        if "://" not in value:
            found.update(_parts(value))
        password = _password(value)
        found.update({password, unquote(password), quote(password, safe="")})
    return frozenset(text for text in found if len(text) >= _SHORTEST)


def _parts(value: str) -> Iterator[str]:
    """Yield what is secret in a list of `name=value`: the values, as written and decoded; the names are none."""
    for entry in re.split(r"[,\s]", value):
        name, equals, held = entry.partition("=")
        text = held if equals and held.strip("=") and name.replace("-", "").replace("_", "").isalnum() else entry
        yield text.strip()
        yield from unquote(text).split()


def _password(value: str) -> str:
    try:
        return urlsplit(value).password or "" if "://" in value else ""
    except ValueError:
        return ""


def mask_text(text: str, hidden: Iterable[str]) -> str:
    """Mask known secrets (longest first) and the userinfo of URLs."""
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _USERINFO.sub(MASK, text)


def mask_finding(finding: Finding, hidden: frozenset[str]) -> Finding:
    """Return the finding with every text in it masked."""
    remedy = finding.remedy
    if remedy is not None:
        commands = tuple(mask_text(command, hidden) for command in remedy.commands)
        remedy = Remedy(mask_text(remedy.text, hidden), commands, remedy.safe)
    return replace(
        finding,
        title=mask_text(finding.title, hidden),
        evidence=_mask_evidence(finding.evidence, hidden),
        remedy=remedy,
    )


def _mask_evidence(evidence: Evidence, hidden: frozenset[str]) -> Evidence:
    masked: Facts = {}
    for key, value in evidence.items():
        match value:
            case str():
                masked[key] = mask_text(value, hidden)
            case list():
                masked[key] = [mask_text(item, hidden) for item in value]
            case _:
                masked[key] = value
    return masked
