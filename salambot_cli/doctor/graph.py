"""One root cause: probes run when what they need is known; a failure skips what depends on it and names itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from salambot_cli.doctor.deadline import Deadline
from salambot_cli.doctor.probe import Probe, ProbeContext, fault
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Finding

_RANK = {"critical": 0, "high": 1, "medium": 2, "low": 3}


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """The findings of one probe, and their meaning for the probes that need it."""

    probe: Probe
    findings: tuple[Finding, ...]
    root: str | None = None
    """The root that blocks whatever needs this probe; None when it passed."""
    blind: str | None = None
    """The finding that says that nothing was seen, where that is all it says."""
    condemned: Mapping[str, str] = field(default_factory=dict)
    """Variable or check -> root: where it is not empty, only these are blocked."""

    def blocks(self, probe: Probe, environment: Environment) -> str | None:
        """Return the finding that keeps a probe from running."""
        if self.condemned:
            keys = (probe.id, *probe.variables(environment))
            return next((self.condemned[key] for key in keys if key in self.condemned), None)
        return self.root or (self.blind if self.probe.id in probe.strictly_needed(environment) else None)


async def run_probes(
    probes: Sequence[Probe], examination: ProbeContext, *, lenient: frozenset[str] = frozenset()
) -> AsyncIterator[ProbeOutcome]:
    """Run probes at once, each when its needs are met; yield outcomes in the probes' own order.

    `lenient` holds ids of findings that the owner ignores: they neither fail nor explain.
    """
    environment = examination.environment
    chosen = {probe.id for probe in probes}
    tasks: dict[str, asyncio.Task[ProbeOutcome]] = {}
    deadline = Deadline()

    async def examine(probe: Probe) -> ProbeOutcome:
        needed = [tasks[name] for name in probe.needed(environment) if name in chosen]
        for outcome in [await task for task in needed]:
            root = outcome.blocks(probe, environment)
            if root is not None:
                return ProbeOutcome(probe, (_skipped(probe, root),), root)
        return await _run(probe, examination, lenient, deadline)

    async with deadline.running():
        for probe in in_order(probes, environment):
            tasks[probe.id] = asyncio.create_task(examine(probe), name=probe.id)
        try:
            for probe in probes:
                yield await tasks[probe.id]
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)


def in_order(probes: Sequence[Probe], environment: Environment) -> list[Probe]:
    """Sort probes so that each stands behind what it needs.

    Raises:
        graphlib.CycleError: two probes wait for each other.
    """
    from graphlib import TopologicalSorter

    known = {probe.id: probe for probe in probes}
    graph = {p.id: [name for name in p.needed(environment) if name in known] for p in probes}
    return [known[name] for name in TopologicalSorter(graph).static_order()]


def _skipped(probe: Probe, root: str) -> Finding:
    return Finding(probe.id, probe.id, "skipped", f"{probe.about}: waits for {root}", caused_by=root, severity="low")


async def _run(probe: Probe, examination: ProbeContext, lenient: frozenset[str], deadline: Deadline) -> ProbeOutcome:
    started = time.perf_counter()
    view = examination.of(probe.id)
    findings = await _findings(probe, view, deadline)
    took = int((time.perf_counter() - started) * 1000)
    findings = tuple(replace(finding, duration_ms=took) for finding in findings)
    failed = sorted((f for f in findings if f.status == "fail" and not is_lenient(f, lenient)), key=_severity)
    consequences = [f.caused_by for f in findings if f.caused_by]
    root = failed[0].id if failed else consequences[0] if consequences else None
    if not probe.competes:
        return ProbeOutcome(probe, findings)
    if findings and findings[0].id.startswith("doctor."):
        return ProbeOutcome(probe, findings, blind=findings[0].id)
    blind = findings[0].id if findings and all(f.status == "unknown" for f in findings) else None
    condemned = {key: name for key, name in view.condemned.get(probe.id, {}).items() if root is not None}
    return ProbeOutcome(probe, findings, root, blind, condemned)


async def _findings(probe: Probe, view: ProbeContext, deadline: Deadline) -> tuple[Finding, ...]:
    try:
        async with deadline.within(probe.seconds):
            result = await probe.run(view)
    except TimeoutError:
        return (_broken(probe, "doctor.probe-timeout", f"it did not end within {probe.seconds:g} s"),)
    except Exception as error:  # noqa: BLE001 - a crash of one probe is reported by name and type, and stops no other
        return (_broken(probe, "doctor.probe-crashed", f"{type(error).__name__} at {_place_of(error)}"),)
    return (result,) if isinstance(result, Finding) else tuple(result)


def is_lenient(finding: Finding, lenient: frozenset[str]) -> bool:
    """Return whether the owner ignores this finding, by its id or a prefix of it that ends at a dot."""
    return any(finding.id == name or finding.id.startswith(f"{name}.") for name in lenient)


def _severity(finding: Finding) -> int:
    return _RANK[finding.severity]


def _broken(probe: Probe, name: str, why: str) -> Finding:
    """A check that fails by itself saw nothing: no pass. Security and cost are no reason to say that the run failed."""
    title, evidence = f"The check {probe.id} itself failed: {why}", {"check": probe.id}
    return fault(name, probe.id, title, evidence, status="fail" if probe.competes else "unknown")


def _place_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else "?"


def root_causes(findings: Iterable[Finding], besides: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the ids of failures that no other explains: by severity, then by how much each blocks.

    `besides` holds the checks that do not compete (security, cost): theirs come last.
    """
    findings = list(findings)
    failed = [f for f in findings if f.status == "fail" and f.caused_by is None]
    blocked: Mapping[str, int] = {f.id: sum(g.caused_by == f.id for g in findings) for f in failed}
    failed.sort(key=lambda f: (f.check in besides, _severity(f), -blocked[f.id]))
    return tuple(dict.fromkeys(f.id for f in failed))
