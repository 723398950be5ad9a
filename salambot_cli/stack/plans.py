"""The steps that carry out a plan: a graph, the same for both runtimes."""

from collections.abc import Mapping

from salambot_cli.model.plan import Change, PlannedStep, WantedPart
from salambot_cli.seed.documents import SeedKnowledge
from salambot_cli.stack.observe import Survey
from salambot_cli.stack.steps import ChangePart, Step
from salambot_cli.tunnel.open_tunnel import TUNNEL
from salambot_cli.tunnel.steps import CheckTunnel, CloseTunnel, OpenTunnel, SkipTunnel

BEFORE = (
    PlannedStep("host.check", "check this machine", ()),
    PlannedStep("secrets.pull", "read the secrets", ("host.check",)),
    PlannedStep("prepare", "prepare ports, keys and local data", ("host.check",)),
)
"""What comes before the first part is touched, one after the other."""


def steps_of(found: Survey, *, seed: bool | None) -> tuple[Step, ...]:
    """Return the steps of a plan; each change waits for what its part rests on."""
    changes = {change.part: change for change in found.plan.changes}
    tunnel = _tunnel(found, changes)
    told = _told_of_tunnel(found) if tunnel and tunnel[0].id == "tunnel.open" else set()
    starts = tuple(
        ChangePart(change, _needs(found.wanted, change, changes, told, tunnel))
        for name, change in changes.items()
        if name != TUNNEL
    )
    steps: tuple[Step, ...] = (*tunnel[:1], *starts, *tunnel[1:])
    if seed is not False and "rag" in changes:
        steps = (*steps, SeedKnowledge(tuple(step.id for step in starts)))
    return steps


def describe(found: Survey, *, seed: bool | None) -> tuple[PlannedStep, ...]:
    """Return all steps of a run, for the dry run."""
    pulls = found.environment.placement("secrets") == "aws"
    before = tuple(step for step in BEFORE if pulls or step.id != "secrets.pull")
    later = (PlannedStep(step.id, step.title, ("prepare", *step.needs)) for step in steps_of(found, seed=seed))
    return (*before, *later)


def _tunnel(found: Survey, changes: Mapping[str, Change]) -> tuple[Step, ...]:
    change = changes.get(TUNNEL)
    if change is not None and change.action == "stop":
        return (CloseTunnel(),)
    if change is not None:
        return OpenTunnel(change), CheckTunnel()
    if found.tunnel_problem is not None and "gateway" in changes:
        return (SkipTunnel(found.tunnel_problem),)
    return ()


def _told_of_tunnel(found: Survey) -> set[str]:
    """Return the parts that are told the public URL, with those that share their process."""
    return {"gateway", "image", *(found.wanted["gateway"].group if "gateway" in found.wanted else ())}


def _needs(
    wanted: Mapping[str, WantedPart],
    change: Change,
    changes: Mapping[str, Change],
    told: set[str],
    tunnel: tuple[Step, ...],
) -> tuple[str, ...]:
    if change.action == "stop":  # last: what still runs with it is replaced first
        return tuple(f"start.{name}" for name, other in changes.items() if other.action != "stop" and name != TUNNEL)
    needs = tuple(f"start.{need}" for need in wanted[change.part].needs if need in changes)
    return (*needs, *(step.id for step in tunnel[:1] if change.part in told))
