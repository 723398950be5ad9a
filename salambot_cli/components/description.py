"""The description of a component's placement: everything that the command knows of it, in one value."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from salambot_cli.model.environment import Environment
from salambot_cli.model.prices import Prices, Saving, Usage
from salambot_cli.model.topology import Component, Program
from salambot_contracts.http_url import HttpUrl
from salambot_contracts.postgres_url import PostgresUrl
from salambot_contracts.redis_url import RedisUrl

UrlReader: TypeAlias = Callable[[str], PostgresUrl | RedisUrl | HttpUrl]
INDEXERS: tuple[Program, ...] = ("rag", "orchestrateur")
"""The job seed_kb runs inside orchestrateur and needs rag's variables."""
STORE_CLIENTS: tuple[Program, ...] = ("gateway", "orchestrateur", "rag", "worker")
_THIS_STACK = frozenset({"", "localhost", "127.0.0.1", "::1", "postgres", "redis", "host.docker.internal"})


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """A variable of an environment. Several owners may declare one; the first that has a meaning describes it."""

    name: str
    meaning: str = ""
    example: str = ""
    default: str = ""
    """The value that holds in the services where nothing sets it."""
    given: str = ""
    """The value that the command sets where nothing else does."""
    readers: tuple[Program, ...] = ()
    secret: bool = False
    required: bool = False
    """The placement cannot work without it."""
    url: UrlReader | None = None
    """The parser that validation, the services and the doctor share."""
    refuse_well_known: bool = False
    """A well-known word is refused as a key."""
    plain_on_loopback: bool = False
    """http:// is accepted towards this machine."""


@dataclass(frozen=True, slots=True)
class VariableGroup:
    """Variables of no component, and the environments in which they are read."""

    variables: tuple[VariableSpec, ...]
    when: Callable[[Environment], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Placement:
    """One place where a component can stand, such as `vector` in `qdrant`."""

    component: Component
    name: str
    variables: tuple[VariableSpec, ...] = ()
    recognized_by: str = ""
    """The variable of an older `.env` that shows this placement."""
    recognized: Callable[[str], bool] = bool
    """Return True if that variable's value shows it."""
    older_names: tuple[str, ...] = ()
    """Its names in configurations of before, which `upgrade-config` replaces."""
    address: Callable[[Environment], str | None] | None = None
    """The URL at which a connection shows that it is there. Raises UrlError."""
    monthly: Callable[[Usage, Prices], tuple[str, float]] | None = None
    """What is paid for, and its price a month in US dollars."""
    savings: Callable[[Usage, Prices], Iterator[Saving]] | None = None

    def is_used_in(self, environment: Environment) -> bool:
        """Return True if the environment places the component here."""
        return environment.placement(self.component) == self.name


def is_on_another_machine(url: str) -> bool:
    """Return True for a URL of another machine than this one or its containers."""
    try:
        return bool(url) and (urlsplit(url).hostname or "") not in _THIS_STACK
    except ValueError:
        return True


def host_of(url: str) -> str:
    """Return the host that a URL names; empty where it names none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
