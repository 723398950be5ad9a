"""Look at what runs, and compare it with what the environment wants."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.plan import Plan, Running, WantedPart
from salambot_cli.stack.plan import make_plan
from salambot_cli.stack.runtimes.base import Runtime
from salambot_cli.stack.steps import with_public_url
from salambot_cli.tunnel.open_tunnel import TUNNEL, tunnel_wanted


@dataclass(frozen=True, slots=True)
class Survey:
    """The parts that are wanted, those that run, and the plan between the two."""

    environment: Environment
    """With its ports settled, and without the URL that a tunnel chose."""
    public_url: str | None
    """The URL of an open tunnel that is still wanted."""
    running: Running
    wanted: Mapping[str, WantedPart]
    plan: Plan
    tunnel_problem: SalamBotError | None = None
    """Why the tunnel that is wanted cannot be opened."""


async def survey(
    environment: Environment, runtime: Runtime, only: tuple[str, ...] = (), *, running: Running | None = None
) -> Survey:
    """Compare what is wanted with what runs; nothing is made or changed. `running` saves another look.

    Raises:
        SalamBotError: this machine lacks what describes a part.
    """
    running = running if running is not None else await runtime.running(environment)
    settled, url = runtime.settle(environment, running), _known_url(environment, running)
    wanted = dict(await asyncio.to_thread(runtime.wanted, with_public_url(settled, url)))
    problem = None
    if settled.placement("tunnel") != "none":
        wanted, problem = await asyncio.to_thread(_with_tunnel, settled, running, wanted)
    return Survey(settled, url, running, wanted, make_plan(wanted, running, only), problem)


def _known_url(environment: Environment, running: Running) -> str | None:
    runs = running.parts.get(TUNNEL)
    if environment.placement("tunnel") == "none" or runs is None or runs.state != "ready":
        return None
    return read_state(environment.root).public_url


def _with_tunnel(
    environment: Environment, running: Running, wanted: Mapping[str, WantedPart]
) -> tuple[dict[str, WantedPart], SalamBotError | None]:
    """Add the tunnel to what is wanted; where it cannot be described, one that runs stays as it is."""
    runs, problem = running.parts.get(TUNNEL), None
    try:
        tunnel, chooses_name = tunnel_wanted(environment)
    except SalamBotError as error:
        problem = error
        if runs is None:
            return dict(wanted), problem
        tunnel, chooses_name = WantedPart(TUNNEL, runs.marks or {}, ports=runs.ports), False
    parts = dict(wanted)
    if chooses_name and "gateway" in parts:
        parts["gateway"] = replace(parts["gateway"], follows=(TUNNEL,))
    return {TUNNEL: tunnel, **parts}, problem
