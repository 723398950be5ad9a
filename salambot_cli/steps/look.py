"""What runs, seen with the environment's own secrets; a secret that cannot be read hides nothing else."""

import asyncio
from dataclasses import replace

from salambot_cli.catalog.pull import pull
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.unit import Observed, Part
from salambot_cli.runtimes.choose import running_runtime


async def look(environment: Environment) -> Observed:
    """Look at every service and component; the component `secrets` is healthy when its secrets can be read."""
    try:
        environment = (await asyncio.to_thread(pull, environment)).environment
    except SalamBotError as error:
        observed = await running_runtime(environment).observe(environment)
        secrets = Part("secrets", "unhealthy", placement=environment.placement("secrets"), detail=error.what)
        return replace(observed, components={**observed.components, "secrets": secrets})
    return await running_runtime(environment).observe(environment)
