"""What a probe is, what it examines, and how it says what it saw."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar, cast

from salambot_cli.doctor.catalogue import entry_of
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.finding import Evidence, Finding, FindingStatus, Remedy

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
T = TypeVar("T")
_THREADS = 8
Result = Finding | Sequence[Finding]


@dataclass(slots=True)
class Examination:
    """One run's view of an environment: facts are gathered once and shared by the probes that read them."""

    environment: Environment
    offline: bool = False
    my_ip: tuple[Address, ...] = ()
    problem: ConfigurationError | None = None
    """Why the configuration could not be loaded; `environment` is then the default one."""
    ahead: bool = False
    """True before a start: what `up` is about to bring is not missed."""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """Variables read from Secrets Manager, in memory only."""
    endings: list[Callable[[], Awaitable[None]]] = field(default_factory=list, repr=False)
    """What has to be closed at the end of the run."""
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS, "doctor"), repr=False)
    _facts: dict[str, asyncio.Task[object]] = field(default_factory=dict, repr=False)

    async def once(self, key: str, gather: Callable[[], Awaitable[T]]) -> T:
        """Gather a fact the first time it is asked for. A probe that gives up does not take it from the others."""
        if key not in self._facts:
            self._facts[key] = asyncio.ensure_future(_task(gather))
        return cast("T", await asyncio.shield(self._facts[key]))

    async def blocking(self, call: Callable[[], T]) -> T:
        """Run a blocking SDK in a thread of our own: name resolution lives in the loop's, and must not wait."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def value(self, name: str) -> str | None:
        """Return a variable from the environment's layers, else from Secrets Manager."""
        return self.environment.value(name) or self.secrets.get(name)

    def hidden(self) -> frozenset[str]:
        """Every secret text that must not appear in what the doctor says."""
        from salambot_cli.doctor.redact import secrets_of

        return secrets_of(self.environment, self.secrets)

    async def close(self) -> None:
        """Stop what is still being gathered."""
        for task in self._facts.values():
            task.cancel()
        await asyncio.gather(*self._facts.values(), return_exceptions=True)
        await asyncio.gather(*(end() for end in self.endings), return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _task(gather: Callable[[], Awaitable[T]]) -> object:
    return await gather()


Run = Callable[[Examination], Awaitable[Result]]
Needs = Sequence[str] | Callable[[Environment], Sequence[str]]


def always(_: Environment) -> bool:
    """Every environment."""
    return True


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to the environment.

    `needs` names the probes whose failure explains a failure of this one; `seconds` bounds it;
    `cheap` ones serve `status`; `preflight` ones run before a start; `parts` are the components it speaks of.
    """

    id: str
    group: str
    about: str
    run: Run
    finds: tuple[str, ...]
    needs: Needs = ()
    applies: Callable[[Environment], bool] = always
    seconds: float = 12.0
    cheap: bool = False
    preflight: bool = False
    parts: tuple[str, ...] = ()
    competes: bool = True
    """False for security and cost: they stand beside root causes and explain nothing."""

    def needed(self, environment: Environment) -> tuple[str, ...]:
        """Return what this probe needs in an environment."""
        return tuple(self.needs(environment) if callable(self.needs) else self.needs)


def fine(check: str, title: str, **evidence: str | float | bool | list[str] | None) -> Finding:
    """All is well here."""
    return Finding(check, check, "ok", title, evidence, severity="low")


def unseen(check: str, title: str, **evidence: str | float | bool | list[str] | None) -> Finding:
    """Something could not be seen, and why: never a pass."""
    return Finding(check, check, "unknown", title, evidence, severity="low")


def fault(
    id: str,  # noqa: A002 - the name of the field in the contract
    check: str,
    title: str,
    evidence: Evidence,
    commands: Sequence[str] = (),
    *,
    text: str | None = None,
    safe: bool = False,
    status: FindingStatus = "fail",
) -> Finding:
    """A finding of the catalogue: severity and the remedy's sentence come from its entry."""
    entry = entry_of(id)
    remedy = Remedy(text or entry.remedy, tuple(commands), safe)
    return Finding(id, check, status, title, evidence, remedy, severity=entry.severity)
