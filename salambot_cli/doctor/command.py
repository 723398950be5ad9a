"""One visit to the doctor: load what can be loaded, run, show, fix, watch; what the command does."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

from salambot_cli import __version__
from salambot_cli.config.load import load_started_environment
from salambot_cli.doctor.bundle import write_bundle
from salambot_cli.doctor.catalogue import CATALOGUE
from salambot_cli.doctor.catalogue_page import section
from salambot_cli.doctor.diagnose import Diagnosis, Options, diagnosis
from salambot_cli.doctor.fix import apply_fixes
from salambot_cli.doctor.formats import junit, sarif
from salambot_cli.doctor.lookalikes import lookalikes
from salambot_cli.doctor.probe import Address
from salambot_cli.doctor.probes import GROUPS, probes_for
from salambot_cli.doctor.report import Report
from salambot_cli.doctor.text_report import group_line, summary
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, DoctorError, SalamBotError
from salambot_cli.model.finding import Finding
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output

_WATCH_SECONDS = 5.0
_NOT_OPENED = (("placement.tunnel", "none"),)
"""`up --no-tunnel` opens none; one that its owner runs is looked at all the same."""


Tell = Callable[[Environment, Report, bool], Awaitable[None]]
"""Takes an environment, what was found, and whether every check ran."""


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """The options of `salambot doctor`."""

    checks: tuple[str, ...] = ()
    group: str | None = None
    list_only: bool = False
    simulate: bool = False
    explain: str | None = None
    strict: bool = False
    watch: bool = False
    fix: bool = False
    format: Literal["text", "json", "junit", "sarif"] = "text"
    my_ip: tuple[str, ...] = ()
    offline: bool = False
    bundle: Path | None = None
    tell: Tell | None = None
    """Hears each round's report."""


async def run_doctor(session: Output, request: DoctorOptions) -> int:
    """Do what was asked; return the exit status: 0 without a root cause, else 1.

    Raises:
        ConfigurationError: an option names something that does not exist (exit 2).
        DoctorError: the doctor itself could not run (exit 4).
    """
    if request.explain is not None:
        return _explain(session, request.explain)
    environment, problem = load(session.project)
    if request.list_only:
        return _list(session, request, environment)
    _known(request, environment)
    if request.simulate:
        return _simulate(session, request, environment)
    options = Options(_addresses(request.my_ip), request.offline, request.strict, problem)
    try:
        # One document at the end; --json-lines tells each round.
        rounds = not request.watch or request.format == "text" or session.json_lines
        report = await _run(session, request, environment, options, show=rounds)
        if request.fix and await apply_fixes(session, environment, report.roots):
            report = await _run(session, request, environment, options)
        while request.watch and report.root_causes:
            await asyncio.sleep(_WATCH_SECONDS)
            environment, problem = load(session.project)  # it may be fixed meanwhile
            options = replace(options, problem=problem)
            again = tuple(dict.fromkeys(f.check for f in report.findings if f.status in {"fail", "skipped"}))
            request = replace(request, checks=again, group=None)
            report = await _run(session, request, environment, options, show=rounds)
        if not rounds:
            _show(session, request, report)
    except (SalamBotError, BrokenPipeError):
        raise
    except Exception as error:
        raise DoctorError(
            "the doctor could not run", f"{type(error).__name__}: {error}", "salambot doctor --debug"
        ) from error
    if request.bundle is not None:
        await asyncio.to_thread(write_bundle, request.bundle, environment, report)
        session.say(f"[green]✓[/] {request.bundle}")
    return 1 if report.root_causes else 0


def load(project: Path) -> tuple[Environment, ConfigurationError | None]:
    """Load the environment; where that fails, what the rest says, and why it failed."""
    try:
        environment = load_started_environment(project, without=_NOT_OPENED)
        for entry in environment.ignored_findings:
            if entry.until is not None:
                date.fromisoformat(entry.until)
    except ConfigurationError as error:
        empty = project if project.is_dir() else project.parent
        return _bare(empty), error
    except ValueError as error:
        problem = ConfigurationError("doctor.ignore: `until` is no date", str(error), "write it as 2027-01-31")
        return replace(environment, ignored_findings=()), problem
    return environment, None


def _bare(root: Path) -> Environment:
    """Return the default environment of a folder, as if it held no configuration."""
    from salambot_cli.model.topology import DEFAULT_PORTS, PRESETS

    return Environment(
        root=root.resolve(),
        config_file=None,
        tenant="demo",
        topology=("local",),
        runtime="auto",
        placements=dict(PRESETS["local"]),
        ports={str(name): port for name, port in DEFAULT_PORTS.items()},
        variables={},
    )


def _addresses(texts: tuple[str, ...]) -> tuple[Address, ...]:
    try:
        return tuple(ipaddress.ip_address(text.strip()) for text in texts)
    except ValueError as error:
        raise ConfigurationError("--my-ip is no address", str(error), "salambot doctor --my-ip 203.0.113.7") from error


def _known(request: DoctorOptions, environment: Environment) -> None:
    names = {n for p in probes_for(environment) for n in (p.id, p.group, p.id.split(".")[0], *p.finds, *p.parts)}
    unknown = [check for check in request.checks if check not in names]
    if request.group is not None and request.group not in GROUPS:
        raise ConfigurationError(
            f"no group {request.group}", f"there are: {', '.join(GROUPS)}", "salambot doctor --list"
        )
    if unknown:
        from difflib import get_close_matches

        near = get_close_matches(unknown[0], names, 1)
        raise ConfigurationError(
            f"no check {unknown[0]}", f"did you mean {near[0]}?" if near else "", "salambot doctor --list"
        )


def _explain(session: Output, name: str) -> int:
    if name not in CATALOGUE:
        from difflib import get_close_matches

        near = get_close_matches(name, CATALOGUE, 1)
        why = f"did you mean {near[0]}?" if near else f"{len(CATALOGUE)} findings are known"
        raise ConfigurationError(f"no finding {name}", why, "salambot doctor --list")
    entry = CATALOGUE[name]
    if session.machine:
        fields = ("id", "severity", "symptom", "told_by", "remedy", "example")
        session.document({field: getattr(entry, field) for field in fields} | {"looks_like": lookalikes(name)})
    else:
        from rich.markdown import Markdown

        session.result(Markdown(section(entry, translate)))
    return 0


def _simulate(session: Output, request: DoctorOptions, environment: Environment) -> int:
    """Say what the chosen checks would ask, for whoever has to allow it."""
    from rich.markup import escape

    from salambot_cli.doctor.simulate import questions

    asked = questions(diagnosis(environment, checks=request.checks, group=request.group).probes, environment)
    if session.machine:
        session.document({"questions": [question.as_json() for question in asked]})
        return 0
    for question in asked:
        session.result(f"[bold]{question.check}[/] [dim]{translate(question.about)}[/]")
        rows = (("hosts", question.hosts), ("permissions", question.permissions), ("variables", question.variables))
        for label, values in rows:
            if values:
                session.result(f"  [dim]{translate(label)}[/] {escape(', '.join(values))}")
        if question.does:
            session.result(f"  [dim]{translate('does')}[/] {escape(translate(question.does))}")
    return 0


def _list(session: Output, request: DoctorOptions, environment: Environment) -> int:
    probes = [p for p in probes_for(environment) if request.group in {None, p.group}]
    if session.machine:
        session.document(
            {
                "checks": [
                    {
                        "id": p.id,
                        "group": p.group,
                        "about": p.about,
                        "applies": p.applies(environment),
                        "finds": [*p.finds],
                    }
                    for p in probes
                ]
            }
        )
        return 0
    for probe in probes:
        mark = "[green]•[/]" if probe.applies(environment) else "[dim]◦[/]"
        session.result(f"{mark} {probe.id:<20} [dim]{probe.group:<10}[/] {translate(probe.about)}")
    return 0


async def _run(
    session: Output, request: DoctorOptions, environment: Environment, options: Options, *, show: bool = True
) -> Report:
    running = diagnosis(environment, checks=request.checks, group=request.group, options=options)
    text = request.format == "text"
    if text:
        await _show_groups(session, running)
    else:
        async for _ in running.outcomes():
            pass
    report = running.report()
    if show:
        _show(session, request, report)
    if request.tell is not None:
        await request.tell(environment, report, not request.checks and request.group is None)
    return report


def _show(session: Output, request: DoctorOptions, report: Report) -> None:
    match request.format:
        case "text":
            for line in summary(report):
                session.result(line)
        case "json":
            session.document({k: v for k, v in report.as_json().items() if k != "schema_version"})
        case "junit":
            print(junit(report), end="")  # noqa: T201 - the result
        case "sarif":
            print(sarif(report, CATALOGUE, __version__), end="")  # noqa: T201 - the result


async def _show_groups(session: Output, running: Diagnosis) -> None:
    """Print each group's line as soon as its last check has ended, in the fixed order."""
    group = ""
    findings: list[Finding] = []
    async for outcome in running.outcomes():
        if outcome.probe.group != group and findings:
            session.result(group_line(group, findings))
            findings = []
        group = outcome.probe.group
        findings += outcome.findings
    if findings:
        session.result(group_line(group, findings))
