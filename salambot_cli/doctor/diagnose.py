"""Run the doctor as a library: everything, a preflight before a start, hints after a failure."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from salambot_cli.doctor.graph import ProbeOutcome, is_lenient, run_probes
from salambot_cli.doctor.merge_causes import merge_shared_causes
from salambot_cli.doctor.probe import Address, Probe, ProbeContext
from salambot_cli.doctor.redact import mask_finding
from salambot_cli.doctor.report import Report, valid_ignores
from salambot_cli.doctor.values import with_origin
from salambot_cli.model.environment import Environment, Ignore
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.finding import Finding


@dataclass(frozen=True, slots=True)
class Options:
    """How a run differs from the default one."""

    my_ip: tuple[Address, ...] = ()
    offline: bool = False
    strict: bool = False
    problem: ConfigurationError | None = None
    ahead: bool = False


DEFAULT = Options()


@dataclass(slots=True)
class Diagnosis:
    """A run that can be watched: iterate over its outcomes, then take its report."""

    environment: Environment
    probes: tuple[Probe, ...]
    options: Options = DEFAULT
    _findings: list[Finding] = field(default_factory=list)
    _started: float = field(default_factory=time.perf_counter)

    async def outcomes(self) -> AsyncIterator[ProbeOutcome]:
        """Yield each probe's outcome in the fixed order, while the others still run."""
        options = self.options
        exam = ProbeContext(self.environment, options.offline, options.my_ip, options.problem, options.ahead)
        lenient = frozenset(entry.id for entry in self._ignores())
        try:
            async for outcome in run_probes(self.probes, exam, lenient=lenient):
                found = tuple(self._final(finding, exam, lenient) for finding in outcome.findings)
                self._findings += found
                yield replace(outcome, findings=found)
        finally:
            await exam.close()

    def _final(self, finding: Finding, exam: ProbeContext, lenient: frozenset[str]) -> Finding:
        masked = mask_finding(with_origin(finding, exam), exam.hidden())
        if is_lenient(masked, lenient) and masked.status in {"fail", "warn"}:
            return replace(masked, status="ok", title=f"Ignored: {masked.title}")
        if self.options.strict and masked.status == "warn":
            return replace(masked, status="fail")
        return masked

    def _ignores(self) -> tuple[Ignore, ...]:
        return valid_ignores(self.environment.ignored_findings, datetime.now(UTC).date())

    def report(self) -> Report:
        """Return what was found so far."""
        took = int((time.perf_counter() - self._started) * 1000)
        return Report(merge_shared_causes(self._findings), self.probes, took, self._ignores(), self.options.strict)


def diagnosis(
    environment: Environment, *, checks: Sequence[str] = (), group: str | None = None, options: Options = DEFAULT
) -> Diagnosis:
    """Prepare a run of the probes that apply, with what the chosen ones need."""
    from salambot_cli.doctor.probes import probes_for

    applicable = [probe for probe in probes_for(environment) if probe.applies(environment)]
    chosen = [p for p in applicable if (not checks or _chosen(p, checks)) and (group is None or p.group == group)]
    return Diagnosis(environment, with_needs(chosen, applicable, environment), options)


def _chosen(probe: Probe, checks: Sequence[str]) -> bool:
    names = {probe.id, probe.group, *probe.finds, *probe.parts}
    return any(check in names or probe.id.startswith(f"{check}.") for check in checks)


def with_needs(chosen: Sequence[Probe], every: Sequence[Probe], environment: Environment) -> tuple[Probe, ...]:
    """Add what the chosen probes need, in the order of the whole."""
    known = {probe.id: probe for probe in every}
    names: set[str] = set()
    pending = [probe.id for probe in chosen]
    while pending:
        name = pending.pop()
        if name in known and name not in names:
            names.add(name)
            pending.extend(known[name].needed(environment))
    return tuple(probe for probe in every if probe.id in names)


async def diagnose(
    environment: Environment, *, checks: Sequence[str] = (), group: str | None = None, options: Options = DEFAULT
) -> Report:
    """Run probes to the end and return the report."""
    running = diagnosis(environment, checks=checks, group=group, options=options)
    async for _ in running.outcomes():
        pass
    return running.report()


async def preflight(environment: Environment, options: Options = DEFAULT) -> Report:
    """Run the prerequisites, before `up` starts anything."""
    from salambot_cli.doctor.probes import PROBES

    chosen = tuple(p for p in PROBES if p.preflight and p.applies(environment))
    running = Diagnosis(environment, chosen, replace(options, ahead=True))
    async for _ in running.outcomes():
        pass
    return running.report()


async def hints(environment: Environment, failing: str, options: Options = DEFAULT) -> Report:
    """Run the probes of a component or service that did not start, with what they need."""
    return await diagnose(environment, checks=(failing,), options=options)


async def quick_check(environment: Environment, options: Options = DEFAULT) -> Report:
    """Run the cheap probes, for `status`."""
    from salambot_cli.doctor.probes import PROBES

    applicable = [probe for probe in PROBES if probe.applies(environment)]
    chosen = [probe for probe in applicable if probe.cheap]
    running = Diagnosis(environment, with_needs(chosen, applicable, environment), options)
    async for _ in running.outcomes():
        pass
    return running.report()
