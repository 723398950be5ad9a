"""`status`: what runs, seen with the environment's own secrets, and how it differs from what is wanted."""

import asyncio
import shlex
from dataclasses import dataclass, replace
from typing import cast

from salambot_cli.config.pull_secrets import pull
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.plan import Change, Running
from salambot_cli.model.unit import ObservedStack, PartStatus, QueueBacklog
from salambot_cli.stack.choose_runtime import running_runtime
from salambot_cli.stack.observe import survey
from salambot_cli.stack.orchestrateur import ask_orchestrateur
from salambot_cli.stack.output import (
    change_document,
    components_document,
    parts_view,
    services_document,
    worker_document,
)
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output


@dataclass(frozen=True, slots=True)
class SeenStack:
    """The running stack, and the changes that `up` would make."""

    observed: ObservedStack
    pending: tuple[Change, ...] = ()
    """Nothing where no stack is up: then all of it is still to be started."""


async def look(environment: Environment) -> SeenStack:
    """Look at every service and component; a secret that cannot be read hides nothing else."""
    runtime = running_runtime(environment)
    try:
        complete, refusal = (await asyncio.to_thread(pull, environment)).environment, None
    except SalamBotError as error:
        complete, refusal = environment, error
    observed = await runtime.observe(complete)
    if refusal is not None:
        secrets = PartStatus("secrets", "unhealthy", placement=environment.placement("secrets"), detail=refusal.what)
        observed = replace(observed, components={**observed.components, "secrets": secrets})
    observed = replace(observed, waiting=await _waiting(environment, observed))
    up = observed.status != "down" and refusal is None
    return SeenStack(observed, await pending_changes(complete, observed.running) if up else ())


async def pending_changes(environment: Environment, running: Running | None = None) -> tuple[Change, ...]:
    """Return what `up` would change of a stack that runs; nothing where none does."""
    runtime = running_runtime(environment)
    try:
        running = running or await runtime.running(environment)
        if not running.parts:
            return ()
        found = await survey(environment, runtime, running=running)
    except SalamBotError:  # what a part would need is missing here: `up` says what
        return ()
    return found.plan.pending


def show_pending(session: Output, pending: tuple[Change, ...]) -> None:
    """Say what `up` would change, and why."""
    for change in pending:
        session.say(f"  {change.part:<14} [dim]{translate(change.because)}[/]")


async def _waiting(environment: Environment, observed: ObservedStack) -> QueueBacklog | None:
    """Ask what waits for its reply; None where nothing runs that could tell."""
    if observed.services["orchestrateur"].health not in {"healthy", "degraded"}:
        return None
    try:
        load = await ask_orchestrateur(environment, "/internal/webhooks/load")
    except SalamBotError:
        return None
    return QueueBacklog(cast("int", load["pending"]), round(cast("float", load["oldest_s"]), 1))


def show_status(session: Output, environment: Environment, seen: SeenStack) -> None:
    """Print the document, or the table with what stands below it."""
    observed = seen.observed
    if session.machine:
        session.document(
            {
                "status": observed.status,
                "environment": environment.name,
                "runtime": observed.runtime,
                "topology": list(environment.topology),
                "tenant": environment.tenant,
                "services": services_document(observed),
                "components": components_document(observed),
                "worker": worker_document(observed),
                "public_url": read_state(environment.root).public_url,
                "pending": [change_document(change) for change in seen.pending],
            }
        )
        return
    session.result(parts_view(observed))
    if seen.pending:
        session.say("[yellow]configuration changed: run salambot up[/]")
        show_pending(session, seen.pending)
    if observed.status != "ready":
        command = "up" if observed.status == "down" else "doctor"
        session.say(f"[yellow]{translate(observed.status)}[/]  → salambot {command}")


def addresses(environment: Environment, seen: SeenStack) -> str:
    """Return the addresses of what runs as lines that a shell reads: `GATEWAY_URL=http://localhost:8080`."""
    found = {"TENANT": environment.tenant, "SALAMBOT_STATUS": seen.observed.status}
    found |= {f"{name.upper()}_URL": part.url for name, part in seen.observed.services.items() if part.url}
    if public := read_state(environment.root).public_url:
        found["PUBLIC_BASE_URL"] = public
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in found.items())
