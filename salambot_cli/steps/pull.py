"""`secrets.pull`: the secrets of Secrets Manager, into memory and nowhere else."""

import asyncio
from dataclasses import dataclass

from salambot_cli.catalog.pull import pull
from salambot_cli.model.plan import StepStatus
from salambot_cli.steps.base import Run


@dataclass(frozen=True)
class PullSecrets:
    """Read every secret in one call. From here on the environment holds them."""

    id: str = "secrets.pull"
    title: str = "read the secrets"
    needs: tuple[str, ...] = ("host.check",)

    async def run(self, run: Run) -> StepStatus:
        """Complete the environment, or say which secret cannot be read and why."""
        pulled = await asyncio.to_thread(pull, run.environment)
        run.environment, run.secret_versions = pulled.environment, pulled.versions
        run.details[self.id] = ", ".join(pulled.versions)
        return "done"

    async def undo(self, run: Run) -> None:
        """Memory forgets by itself."""
