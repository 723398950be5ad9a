"""The order of `up`: a graph of steps, the same for both runtimes."""

from collections.abc import Mapping

from salambot_cli.model.plan import PlannedStep
from salambot_cli.outside.state import read_state
from salambot_cli.runtimes.base import PEERS
from salambot_cli.steps.base import Run, Step
from salambot_cli.steps.check import CheckHost
from salambot_cli.steps.prepare import Prepare
from salambot_cli.steps.pull import PullSecrets
from salambot_cli.steps.seed import SeedKnowledge
from salambot_cli.steps.start import StartPart
from salambot_cli.steps.tunnel import CheckTunnel, CloseTunnel, OpenTunnel


async def plan_up(run: Run, only: tuple[str, ...] = ()) -> tuple[Step, ...]:
    """Return the steps of `up`; with `only`, those services and what they need."""
    graph = run.runtime.parts(run.environment)
    partners = await run.runtime.partners(run.environment)
    beside = {name: (*needs, *PEERS.get(name, ()), *partners.get(name, ())) for name, needs in graph.items()}
    wanted = _with_needs(beside, only or tuple(graph))
    tunnel = _tunnel(run) if "gateway" in wanted else ()
    first = {"gateway", "image", *partners.get("gateway", ())} if tunnel else set()  # what is told the public URL
    starts = tuple(
        StartPart(
            part,
            ("prepare", *(f"start.{need}" for need in graph[part]), *(one.id for one in tunnel[:1] if part in first)),
        )
        for part in graph
        if part in wanted
    )
    pulls = (PullSecrets(),) if run.environment.placement("secrets") == "aws" else ()
    steps: tuple[Step, ...] = (
        CheckHost(),
        *pulls,
        Prepare(needs=("host.check", *(p.id for p in pulls))),
        *tunnel[:1],
        *starts,
        *tunnel[1:],
    )
    if run.seed is not False and "rag" in wanted:
        steps = (*steps, SeedKnowledge(tuple(start.id for start in starts)))
    return steps


def _tunnel(run: Run) -> tuple[Step, ...]:
    if run.environment.placement("tunnel") != "none":
        return OpenTunnel(), CheckTunnel()
    return (CloseTunnel(),) if read_state(run.environment.root).public_url else ()


def describe(steps: tuple[Step, ...]) -> tuple[PlannedStep, ...]:
    """Return the plan itself, for the dry run."""
    return tuple(PlannedStep(step.id, step.title, step.needs) for step in steps)


def _with_needs(graph: Mapping[str, tuple[str, ...]], only: tuple[str, ...]) -> tuple[str, ...]:
    wanted: list[str] = []
    open_names = list(only)
    while open_names:
        name = open_names.pop()
        if name not in wanted:
            wanted.append(name)
            open_names.extend(graph[name])
    return tuple(wanted)
