"""`host.check`: every missing prerequisite and taken port in one report, before anything is touched."""

import asyncio
from dataclasses import dataclass

from salambot_cli.catalog.validate import validate
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import PrerequisiteError, SalamBotError
from salambot_cli.model.plan import StepStatus
from salambot_cli.runtimes.choose import runs_elsewhere
from salambot_cli.steps.base import Run


@dataclass(frozen=True)
class CheckHost:
    """Look at configuration, tools, ports and disk."""

    id: str = "host.check"
    title: str = "check this machine"
    needs: tuple[str, ...] = ()

    async def run(self, run: Run) -> StepStatus:
        """Raise one error that names everything that stands in the way."""
        validate(run.environment)
        await _refuse_a_second_stack(run)
        problems = await run.runtime.check(run.environment)
        problems += await asyncio.to_thread(_credentials_problem, run.environment)
        if problems:
            lines = "\n".join(f"- {problem}" for problem in problems)
            raise PrerequisiteError("this machine is not ready", lines, "mend the above, then: salambot up")
        return "done"

    async def undo(self, run: Run) -> None:
        """Looking leaves nothing behind."""


async def _refuse_a_second_stack(run: Run) -> None:
    """Refuse to start beside what runs in the other runtime, whose ports and data are others."""
    running = await runs_elsewhere(run.environment, run.runtime.name)
    if running:
        raise SalamBotError(
            f"this environment runs already, but not in runtime {run.runtime.name}",
            f"still running: {', '.join(sorted(running))}",
            f"salambot down; salambot up --runtime {run.runtime.name}",
        )


def _credentials_problem(environment: Environment) -> list[str]:
    """Say when a component stands in AWS and no credentials are found; whether AWS takes them is seen later."""
    if environment.placement("objects") != "s3" and environment.placement("secrets") != "aws":
        return []
    from salambot_cli.outside.aws import AwsFailure, aws_of

    try:
        found = aws_of(environment).credentials()
    except AwsFailure as failure:
        return [f"no AWS credentials ({failure.message}): aws sso login, or aws configure"]
    return [] if found else ["no AWS credentials in the environment, .env or ~/.aws: aws configure sso"]
