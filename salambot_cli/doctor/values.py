"""config.values: a value that is there and cannot work: quotes or line ends kept, a place-holder, a broken URL."""

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from salambot_cli.components.variables import is_known, is_secret
from salambot_cli.config.load import read_dotenv
from salambot_cli.doctor.origins import is_from_vault, required_names
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.finding import Facts, Finding
from salambot_contracts.http_url import parse_http_url, parse_openai_url
from salambot_contracts.postgres_url import parse_postgres_url
from salambot_contracts.redis_url import parse_redis_url
from salambot_contracts.url_text import UrlError

CHECK = "config.values"
_HEADER_VALUES = re.compile(r"_(KEY|TOKEN|AUTHTOKEN|KEY_ID)\Z")
"""Variables that are sent as they stand, in an HTTP header."""
_URLS: Mapping[str, Callable[[str], object]] = {
    "POSTGRES_URL": parse_postgres_url,
    "REDIS_URL": parse_redis_url,
    "QDRANT_URL": parse_http_url,
    "OPENAI_BASE_URL": parse_openai_url,
    "OTEL_EXPORTER_OTLP_ENDPOINT": parse_http_url,
    "PUBLIC_BASE_URL": parse_http_url,
}
_PLACE_HOLDER = re.compile(
    r"…|\.\.\.\Z|\A<[^<>]+>\Z|\A\{\{.*\}\}\Z|\A\$\{?\w+\}?\Z|changeme|change-me|replace[-_ ]?me|\A(?:sk-"
    r"|pcsk_)?(?:x{4,}|your[-_]\w+)\Z",
    re.IGNORECASE,
)
_TWICE = re.compile(r"%25[0-9A-Fa-f]{2}")


def oddity_of(name: str, value: str) -> tuple[str, str] | None:
    """Return what is odd about a value, as kind and words that never hold it; None where it can work."""
    if any(c in value for c in "\r\n\0") and not name.endswith("_SECRET"):
        return "line-end", "holds a line end: it was pasted or read from a file with its last newline"
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" and not name.endswith("_HEADERS"):
        return "quotes", "keeps the quotes that stood around it"
    if value != value.strip() and name in _URLS:
        return "blanks", "begins or ends with a blank"
    if _PLACE_HOLDER.search(value) and (is_secret(name) or name in _URLS):
        return "place-holder", "is still a place-holder"
    if _HEADER_VALUES.search(name) and (bad := _unsendable(value)) is not None:
        return "characters", f"holds {bad}, which no header can carry: it was copied with it"
    if name in _SHAPES and _SHAPES[name][0].fullmatch(value) is None:
        return "shape", f"is {value[:80]!a}: {_SHAPES[name][1]}"
    return _url_oddity(name, value) if name in _URLS else None


_REGION = (re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+"), "no region's name, such as eu-west-3 (eu-west-3a is a zone)")
_SHAPES = {
    "AWS_REGION": _REGION,
    "AWS_DEFAULT_REGION": _REGION,
    "S3_BUCKET": (
        re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:.+"),
        "no bucket's name (3 to 63 small letters, digits, dots and hyphens, without s3://)",
    ),
}


def _unsendable(value: str) -> str | None:
    found = next((c for c in value if ord(c) < 0x21 or ord(c) > 0x7E), None)
    return None if found is None else f"the character U+{ord(found):04X}"


def _url_oddity(name: str, url: str) -> tuple[str, str] | None:
    try:
        _URLS[name](url)
    except UrlError as error:
        return "url", f"{error.reason}: {error.remedy}"
    password = urlsplit(url).password or "" if name in {"POSTGRES_URL", "REDIS_URL"} else ""
    if _TWICE.search(password) and unquote(unquote(password)) != unquote(password):
        return "encoded-twice", "has a password that is percent-encoded twice"
    return None


def odd(check: str, finding_id: str, name: str, layer: str, oddity: tuple[str, str], how: tuple[str, ...]) -> Finding:
    """Say what is odd about a value, and in which layer it stands."""
    kind, words = oddity
    title = f"{name} ({layer}) {words}" if not words.startswith("the ") else f"{name} ({layer}): {words}"
    text = f"Correct {name} where it is read, in {layer}; the value itself is shown nowhere."
    evidence: Facts = {"variable": name, "read_from": layer, "kind": kind}
    return fault(finding_id, check, title, evidence, how, text=text)


async def check_values(exam: ProbeContext) -> list[Finding] | Finding:
    """Can each value work that the configuration sets? Those of Secrets Manager are looked at where they are read."""
    findings = _trust_files(exam)
    for name, value in _own_values(exam):
        oddity = oddity_of(name, value)
        if oddity is not None:
            findings.append(odd(CHECK, "config.invalid", name, exam.layer(name), oddity, ("salambot config show",)))
            exam.condemn(name, "config.invalid")
    return findings or ok(CHECK, "Every value has a shape that can work")


_TRUST: Mapping[str, str] = {"SSL_CERT_FILE": "net.path", "AWS_CA_BUNDLE": "aws.credentials"}
"""Variables that name a file of CAs, and the check that a file which cannot be used explains."""


def _trust_files(exam: ProbeContext) -> list[Finding]:
    """Say which file of CAs cannot be used: Python's TLS then trusts nobody, without a word."""
    findings: list[Finding] = []
    for name, explains in _TRUST.items():
        path = exam.environment.value(name) or os.environ.get(name)
        why = _unusable(path) if path else None
        if why is not None:
            title = f"{name} names {path}, which cannot be used: {why}"
            text = f"Correct {name}, or unset it: without a file of CAs, no certificate can be verified."
            evidence: Facts = {"variable": name, "path": path, "kind": "trust-file", "detail": why}
            findings.append(fault("config.invalid", CHECK, title, evidence, (f"unset {name}",), text=text))
            exam.condemn(explains, "config.invalid")
    return findings


def _unusable(path: str) -> str | None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "it holds no certificate"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def _own_values(exam: ProbeContext) -> Iterator[tuple[str, str]]:
    environment = exam.environment
    wanted = {*required_names(environment), *environment.variables}
    for name in sorted(wanted):
        if is_known(name) and not is_from_vault(environment, name) and (value := exam.value(name)):
            yield name, value


def hidden_layer(environment: Environment, name: str) -> str | None:
    """Return `.env` where it holds a value that the process environment overrides by another one."""
    variable = environment.variables.get(name)
    if variable is None or variable.layer != "environment":
        return None
    try:
        below = read_dotenv(environment.variables_file).get(name)
    except ConfigurationError:
        return None
    return ".env" if below and below != variable.reveal() else None


def with_origin(finding: Finding, exam: ProbeContext) -> Finding:
    """Say where the value was read that a failure is about, and what it hides there."""
    name = finding.evidence.get("variable")
    if finding.status not in {"fail", "warn"} or not isinstance(name, str) or not is_known(name):
        return finding
    layer = str(finding.evidence.get("read_from") or exam.layer(name))
    if layer in {"nowhere", "default"}:
        return finding
    evidence: Facts = {**finding.evidence, "read_from": layer}
    hidden = hidden_layer(exam.environment, name)
    if hidden is None or finding.remedy is None:
        return replace(finding, evidence=evidence)
    text = (
        f"{name} of the shell's environment hides another value in {hidden}: `unset {name}` there, if that is the "
        "right one."
    )
    remedy = replace(
        finding.remedy, text=f"{text} {finding.remedy.text}", commands=(f"unset {name}", *finding.remedy.commands)
    )
    return replace(finding, evidence={**evidence, "hides": hidden}, remedy=remedy)


PROBES = (
    Probe(
        CHECK,
        "host",
        "Values",
        check_values,
        ("config.invalid",),
        ("config.parse",),
        cheap=True,
        preflight=True,
    ),
)
