"""Split a URL that a person pasted, strictly: what two clients could read differently is an error with its remedy."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import quote, unquote

from salambot_contracts.pasted_text import find_pasted

ENCODING = "in a user name or password write # as %23, / as %2F, ? as %3F, @ as %40, [ as %5B, ] as %5D, % as %25"
"""What every message about a character of a password ends with."""
_DIVIDERS = "#/?@[]"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_COMMAND = re.compile(r"(psql|pgcli|pg_dump|redis-cli|valkey-cli|curl)\s", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"(?:export\s+|set\s+|\$env:)?([A-Z][A-Z0-9_]{2,})\s*=\s*['\"]?[a-z][a-z0-9+.-]*://")
_HOST = re.compile(r"[\w](?:[\w.-]*[\w])?\.?")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CREDENTIALS = ("user=", "username=", "password=")
"""The parameters whose value may hold an @ as it is; elsewhere it ends a password that held `?`."""
MAX_URL_CHARACTERS = 8192


class UrlError(ValueError):
    """A URL that cannot be used: `reason` says why, `remedy` what to write. Neither holds a part of the password."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Host:
    """A host name, an address without brackets, or the folder of a socket (it begins with `/`); and a port."""

    name: str
    port: int | None

    @property
    def is_socket(self) -> bool:
        """Return True where the name is the folder of a Unix socket."""
        return self.name.startswith("/")

    def text(self) -> str:
        """Return the host as it stands in a URL."""
        name = f"[{self.name.replace('%', '%25')}]" if ":" in self.name else quote(self.name, safe=".-_~")
        return name if self.port is None else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class UrlText:
    """The decoded parts of a URL."""

    scheme: str
    user: str | None
    password: str | None = field(repr=False)
    hosts: tuple[Host, ...]
    path: str
    """Without the first `/`, decoded."""
    parameters: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()


def split_url(text: str, example: str) -> UrlText:
    """Split a URL.

    Args:
        text: what the variable holds.
        example: how a right one looks, for the remedies.

    Raises:
        UrlError: it is no URL, or clients would disagree about what it means.
    """
    _refuse_other_writings(text, example)
    scheme, _, rest = text.partition("://")
    authority, path, query = _divide(rest)
    userinfo, at, location = authority.rpartition("@")
    _refuse_bare("the user name or password", userinfo)
    user, colon, password = userinfo.partition(":")
    return UrlText(
        scheme=scheme.lower(),
        user=unquote(user) if at and user else None,
        password=unquote(password) if colon and password else None,
        hosts=parse_hosts(location, example),
        path=unquote(path),
        parameters=_parameters(query),
        notes=(f"a % that stands for itself is taken as it is: {ENCODING}",) if _PERCENT.search(userinfo) else (),
    )


def _refuse_other_writings(text: str, example: str) -> None:
    """Refuse what people paste in place of a URL, each kind in its own words."""
    if pasted := find_pasted(text):
        raise UrlError(f"holds {pasted[0]}", "type the value again without it")
    if not text:
        raise UrlError("is empty", f"write {example}")
    if len(text) > MAX_URL_CHARACTERS:
        raise UrlError(f"is longer than {MAX_URL_CHARACTERS} characters", f"write {example}")
    _refuse_copied_code(text, example)
    scheme, separator, rest = text.partition("://")
    if not separator:
        keywords = "=" in text and re.search(r"(?i)\b(host|server|dbname|password|user id|ssl)\s*=", text)
        raise UrlError("is a list of keywords, not a URL" if keywords else "is not a URL", f"write {example}")
    if not _SCHEME.fullmatch(scheme):
        raise UrlError("does not begin with a scheme", f"write {example}")
    if not rest:
        raise UrlError("names no host", f"write {example}")


def _refuse_copied_code(text: str, example: str) -> None:
    """Refuse a URL with what stood around it where it was copied: a command, a name, quotes, Java's prefix."""
    if command := _COMMAND.match(text):
        raise UrlError(f"is a {command[1]} command", "keep the URL of that command alone")
    if named := _ASSIGNMENT.match(text):
        raise UrlError(f"begins with a name, {named[1]}=", "keep what stands behind the = alone")
    if text[:1] in "\"'`<" or text[-1:] in "\"'`>":
        raise UrlError("is written in quotes that belong to its value", "leave the quotes out")
    if text[-1:] in {",", ";"} and "://" in text:
        raise UrlError(f"ends in {text[-1]}, which stood behind it where it was copied", f"leave the {text[-1]} out")
    if text.lower().startswith("jdbc:"):
        raise UrlError("is a JDBC address, which Java programs read", f"write {example}")


def _divide(rest: str) -> tuple[str, str, str]:
    """Return authority, path and query; raise UrlError where a character of the password divides them wrongly."""
    end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
    authority, tail = rest[:end], rest[end:]
    if _swallows_password(authority, tail):
        userinfo = rest[: rest.rfind("@")]
        _refuse_bare("the user name or password", userinfo)
    if "#" in tail:
        raise UrlError("holds a bare #, which ends a URL", f"leave out what begins with #, or {ENCODING}")
    path, _, query = tail.partition("?")
    return authority, path.removeprefix("/"), query


def _swallows_password(authority: str, tail: str) -> bool:
    """Return True where an @ stands behind the place at which `/`, `?` or `#` ended the authority."""
    if "@" not in tail:
        return False
    path, mark, query = tail.partition("?")
    named = all(pair.startswith(_CREDENTIALS) for pair in query.split("&") if "@" in pair)
    port = authority.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    plausible = "@" in authority or not port or port.replace(",", "").replace(":", "").isdigit()
    return "#" in tail or "@" in path or (bool(mark) and not named) or not plausible


def _refuse_bare(what: str, text: str) -> None:
    """Refuse characters that have to be percent-encoded in a user name or password."""
    bare = sorted({character for character in text if character in _DIVIDERS})
    if bare:
        raise UrlError(f"{what} holds {' '.join(bare)} as it is, which divides a URL", ENCODING)


def parse_hosts(location: str, example: str) -> tuple[Host, ...]:
    """Read `host:port,host:port` as it stands in an authority or in a parameter. Raises UrlError."""
    if not location:
        return ()
    if location.startswith("/"):  # Cloud SQL's sockets have colons in their path
        return (Host(location, None),)
    if location.count(":") > 1 and "[" not in location and "," not in location:
        raise UrlError("holds an IPv6 address without brackets", "write the address as [::1]")
    return tuple(_host(part, example) for part in location.split(","))


def _host(part: str, example: str) -> Host:
    if part.startswith("["):
        name, closed, port = part[1:].partition("]")
        name = unquote(name)
        if not closed or not _is_ipv6(name) or not (port == "" or port.startswith(":")):
            raise UrlError("holds an IPv6 address that is none", f"write [::1]:PORT as the host, or {ENCODING}")
        return Host(name, _port(port.removeprefix(":")))
    name, _, port = part.partition(":")
    name = unquote(name)
    if not name:
        raise UrlError("names no host", f"write {example}")
    if not name.startswith("/") and not _HOST.fullmatch(name):
        raise UrlError("names a host that cannot exist", f"write {example}; {ENCODING}")
    return Host(name if name.startswith("/") else name.lower(), _port(port))


def _is_ipv6(name: str) -> bool:
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return False
    return True


def _port(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):  # what stands there may be a password
        raise UrlError("has something behind the host's colon that is no port", f"write a port, or {ENCODING}")
    return int(text)


def parse_ports(text: str) -> tuple[int | None, ...]:
    """Read `5432,5433` of a parameter. Raises UrlError."""
    return tuple(_port(port) for port in text.split(",")) if text else ()


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        name, value = unquote(name), unquote(value)
        if found.setdefault(name, value) != value:
            raise UrlError(f"gives {name} twice, with different values", leave_out(name))
    return found


def unknown_parameter(name: str, known: frozenset[str]) -> UrlError:
    """Return the error about a parameter that nothing here understands."""
    nearest = get_close_matches(name, known, n=1, cutoff=0.75)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return UrlError(f"holds the parameter {name}, which is not understood here{hint}", leave_out(name))


def leave_out(name: str) -> str:
    """Return the remedy about a parameter that has to go."""
    return f"leave {name} out"


def encode(text: str) -> str:
    """Percent-encode a user name, a password or a value."""
    return quote(text, safe="")


def encode_userinfo(user: str | None, password: str | None) -> str:
    """Return `user:password@`, or what of it there is."""
    if not user and not password:
        return ""
    return f"{encode(user or '')}{f':{encode(password)}' if password else ''}@"
