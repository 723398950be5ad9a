"""What runs, seen with the environment's own secrets; a secret that cannot be read hides nothing else."""

import asyncio
from dataclasses import replace
from typing import cast

from salambot_cli.catalog.pull import pull
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.unit import Observed, Part, Waiting
from salambot_cli.runtimes.choose import running_runtime
from salambot_cli.steps.orchestrateur import ask_orchestrateur


async def look(environment: Environment) -> Observed:
    """Look at every service and component; the component `secrets` is healthy when its secrets can be read."""
    try:
        environment = (await asyncio.to_thread(pull, environment)).environment
    except SalamBotError as error:
        observed = await running_runtime(environment).observe(environment)
        secrets = Part("secrets", "unhealthy", placement=environment.placement("secrets"), detail=error.what)
        observed = replace(observed, components={**observed.components, "secrets": secrets})
    else:
        observed = await running_runtime(environment).observe(environment)
    return replace(observed, waiting=await _waiting(environment, observed))


async def _waiting(environment: Environment, observed: Observed) -> Waiting | None:
    """Ask what waits for its reply; None where nothing runs that could tell."""
    if observed.services["orchestrateur"].health not in {"healthy", "degraded"}:
        return None
    try:
        load = await ask_orchestrateur(environment, "/internal/webhooks/load")
    except SalamBotError:
        return None
    return Waiting(cast("int", load["pending"]), round(cast("float", load["oldest_s"]), 1))
