"""Probes: their shape, what they examine, and how they say what they saw."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from salambot_cli.doctor.catalogue import find_entry
from salambot_cli.doctor.origins import CONFIG, is_in_vault, layer_of, origins_of
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.finding import Evidence, Finding, FindingStatus, Remedy

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
T = TypeVar("T")
_THREADS = 8
Result = Finding | Sequence[Finding]


@dataclass(slots=True)
class ProbeContext:
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
    check: str = ""
    """The probe that looks through this view."""
    readings: dict[str, set[str]] = field(default_factory=dict)
    """Probe -> the variables that it read."""
    condemned: dict[str, dict[str, str]] = field(default_factory=dict)
    """Probe -> variable or check that its failure explains -> finding: the rest of what needs the probe goes on."""
    endings: list[Callable[[], Awaitable[None]]] = field(default_factory=list, repr=False)
    """The resources to close at the end of the run."""
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

    def of(self, check: str) -> "ProbeContext":
        """Return this examination as one probe sees it: facts are shared, what it reads is noted."""
        return replace(self, check=check)

    def value(self, name: str) -> str | None:
        """Return a variable as the services get it: Secrets Manager wins against `.env`, the shell against both."""
        self.readings.setdefault(self.check, set()).add(name)
        pulled = self.secrets.get(name)
        if pulled is not None and is_in_vault(self.environment, name):
            own = self.environment.variables.get(name)
            return pulled if own is None or own.layer not in {"flag", "environment"} else own.reveal()
        return self.environment.value(name)

    def layer(self, name: str) -> str:
        """Say where the value of a variable was read."""
        return layer_of(self.environment, name, pulled=name in self.secrets)

    def condemn(self, key: str, finding: str) -> None:
        """Say that a finding of this probe explains whatever reads a variable, or a check."""
        self.condemned.setdefault(self.check, {})[key] = finding

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


Run = Callable[[ProbeContext], Awaitable[Result]]
Needs = Sequence[str] | Callable[[Environment], Sequence[str]]
"""Names: of checks, or of variables. Some depend on the placements."""


def always(_: Environment) -> bool:
    """Every environment."""
    return True


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to the environment.

    `reads` names the variables it looks at: whatever answers for their values comes first. `needs` names the probes
    without which it cannot be judged: it is skipped where one failed, crashed or saw nothing. `after` names those whose
    failure explains one here, and whose ignorance does not. `seconds` bounds it; `cheap` ones serve `status`;
    `preflight` ones run before a start; `parts` are the components it speaks of.
    """

    id: str
    group: str
    about: str
    run: Run
    finds: tuple[str, ...]
    needs: Needs = ()
    applies: Callable[[Environment], bool] = always
    seconds: float = 20.0
    cheap: bool = False
    preflight: bool = False
    parts: tuple[str, ...] = ()
    competes: bool = True
    """False for security and cost: they stand beside root causes and explain nothing."""
    reads: Needs = ()
    after: Needs = ()

    def variables(self, environment: Environment) -> tuple[str, ...]:
        """Return the variables that this probe reads in an environment."""
        return _resolved(self.reads, environment)

    def origins(self, environment: Environment) -> tuple[str, ...]:
        """Return the checks that answer for what this probe reads."""
        names = self.variables(environment)
        found = [origin for name in names for origin in origins_of(environment, name)]
        return tuple(dict.fromkeys([CONFIG, *found])) if names else ()

    def needed(self, environment: Environment) -> tuple[str, ...]:
        """Return every check that comes before this one."""
        later = (*self.origins(environment), *_resolved(self.needs, environment), *_resolved(self.after, environment))
        return tuple(dict.fromkeys(name for name in later if name != self.id))

    def strictly_needed(self, environment: Environment) -> frozenset[str]:
        """Return the checks without whose answer this one cannot be judged."""
        return frozenset((*self.origins(environment), *_resolved(self.needs, environment)))


def _resolved(names: Needs, environment: Environment) -> tuple[str, ...]:
    return tuple(names(environment) if callable(names) else names)


def ok(check: str, title: str, **evidence: str | float | bool | list[str] | None) -> Finding:
    """All is well here."""
    return Finding(check, check, "ok", title, evidence, severity="low")


def unknown(check: str, title: str, **evidence: str | float | bool | list[str] | None) -> Finding:
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
    entry = find_entry(id)
    remedy = Remedy(text or entry.remedy, tuple(commands), safe)
    return Finding(id, check, status, title, evidence, remedy, severity=entry.severity)
