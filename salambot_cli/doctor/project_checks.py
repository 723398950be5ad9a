"""project.*: the checks of `[[doctor.check]]`: a URL or a command of the project's own, and what it has to answer."""

from collections.abc import Sequence
from functools import partial

from salambot_cli.doctor.http_service import ask
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.host.programs import run
from salambot_cli.model.environment import Environment, ProjectCheck
from salambot_cli.model.finding import Facts, Finding

FAILED = "project.check-failed"
_SECONDS = 10.0
_SHOWN = 200


async def check_project(_: ProbeContext, *, check: ProjectCheck) -> Finding:
    """Ask once, and compare."""
    name = f"project.{check.name}"
    status, text = await (_ask(check.url) if check.url else _run(check.command))
    if status == check.status and (check.contains is None or check.contains in text):
        return ok(name, f"{check.name}: as expected", status=status)
    what = "no answer" if status is None else f"status {status}"
    wanted = f"status {check.status}" + (f" and {check.contains!r}" if check.contains else "")
    asked = check.url or " ".join(check.command)
    evidence: Facts = {"asked": asked, "status": status, "expected": wanted, "says": text.strip()[:_SHOWN]}
    title = f"{check.name}: {what} from {asked}, expected {wanted}"
    return fault(f"{FAILED}.{check.name}", name, title, evidence, text=check.remedy)


async def _ask(url: str) -> tuple[int | None, str]:
    answer = await ask("GET", url, seconds=_SECONDS / 2)
    return answer.status or None, answer.text if answer.contact is None else answer.contact.detail


async def _run(command: Sequence[str]) -> tuple[int | None, str]:
    ran = await run(*command, seconds=_SECONDS)
    return ran.status, f"{ran.out}{ran.err}"


def project_probes(environment: Environment) -> tuple[Probe, ...]:
    """Return a probe for each check of the project."""
    return tuple(
        Probe(
            f"project.{check.name}",
            "project",
            f"Check of the project: {check.name}",
            partial(check_project, check=check),
            (FAILED,),
            seconds=_SECONDS + 2,
            parts=(check.part,) if check.part else (),
        )
        for check in environment.project_checks
    )
