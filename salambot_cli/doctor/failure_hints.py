"""After a start that failed, or beside a stack that is not well: what the probes say, so that nobody has to ask."""

import asyncio
from collections.abc import Iterable, Mapping

from salambot_cli.doctor.diagnose import diagnose, preflight, quick_check
from salambot_cli.doctor.text_report import full
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Finding
from salambot_cli.model.topology import LOCAL, Component
from salambot_cli.terminal.output import Output

_SECONDS = 20
_TOLD_BY_UP = frozenset({"local.port-busy"})
"""Findings whose holder and way out `up` has named already."""
_RESTS_ON: Mapping[str, tuple[Component, ...]] = {
    "migrate": ("postgres",),
    "worker": ("postgres", "redis"),
    "rag": ("postgres", "redis", "vector"),
    "nlu": ("llm",),
    "orchestrateur": ("postgres", "redis", "vector", "llm"),
    "gateway": ("postgres", "redis", "vector", "llm"),
}


async def causes_of(environment: Environment, part: str) -> tuple[Finding, ...]:
    """Examine what a part rests on in the cloud; what is local speaks through its own log."""
    remote = tuple(name for name in _RESTS_ON.get(part, ()) if environment.placement(name) != LOCAL[name])
    if not remote:
        return ()
    try:
        report = await asyncio.wait_for(diagnose(environment, checks=remote), _SECONDS)
    except TimeoutError:
        return ()
    return tuple(finding for finding in report.roots if not finding.id.startswith("local."))


async def show_prerequisites(session: Output, environment: Environment) -> None:
    """Print what the probes of the prerequisites say of a machine on which nothing could be started."""
    found = (await preflight(environment)).roots
    _say(session, (finding for finding in found if finding.id not in _TOLD_BY_UP))


async def show_glance(session: Output, environment: Environment) -> None:
    """Print what the cheap probes say of a stack that is not well."""
    _say(session, (await quick_check(environment)).roots)


async def show_causes(session: Output, environment: Environment, part: str) -> None:
    """Print the findings that explain why a part did not start."""
    _say(session, await causes_of(environment, part))


def _say(session: Output, findings: Iterable[Finding]) -> None:
    for finding in findings:
        session.say("\n".join(full(finding)))
