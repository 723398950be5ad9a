"""`park` and `unpark`: stop and start what an environment pays for by the hour, where its provider offers that."""

import asyncio
from dataclasses import dataclass

from salambot_cli.catalog.endpoints import host_and_port
from salambot_cli.catalog.validate import require
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import PrerequisiteError, SalamBotError
from salambot_cli.model.topology import Component
from salambot_cli.outside.aws import Aws, AwsFailure, aws_of
from salambot_cli.outside.aws_parking import Parkable, Wanted, bring, parkable
from salambot_cli.steps.records import pull_recorded

_UNDER_WAY = {"stopped": {"stopped", "stopping"}, "available": {"available", "starting"}}
_READY = {"stopped": "available", "available": "stopped"}


@dataclass(frozen=True, slots=True)
class Parked:
    """What became of one component."""

    component: Component
    id: str | None
    before: str | None
    after: str | None
    changed: bool
    reason: str = ""
    """Why nothing was done."""


async def park(environment: Environment, wanted: Wanted) -> list[Parked]:
    """Bring the environment's cloud components into a state; what is there already, or cannot be, stays.

    Raises:
        SalamBotError: nothing names the database, AWS refuses, or its state can only be waited for.
    """
    found = []
    if environment.placement("postgres") == "cloud":
        pulled = (await pull_recorded(environment)).environment
        require(pulled, "postgres")
        found.append(await asyncio.to_thread(_database, pulled, wanted))
    if environment.placement("redis") == "cloud":
        found.append(Parked("redis", None, None, None, changed=False, reason="ElastiCache has no stop"))
    return found


def _database(environment: Environment, wanted: Wanted) -> Parked:
    host, _ = host_and_port(environment.value("POSTGRES_URL") or "", 5432)
    aws = aws_of(environment)
    try:
        what = parkable(aws, host)
        if what is None:
            raise PrerequisiteError(
                f"no RDS instance of this account and region answers at {host}",
                f"region {aws.region}",
                "salambot doctor rds",
            )
        return _bring(aws, what, wanted)
    except AwsFailure as failure:
        raise PrerequisiteError("AWS refuses", f"{failure.code}: {failure.message}", "salambot doctor aws") from failure


def _bring(aws: Aws, what: Parkable, wanted: Wanted) -> Parked:
    if what.status in _UNDER_WAY[wanted]:
        return Parked("postgres", what.id, what.status, what.status, changed=False, reason=f"it is {what.status}")
    if what.status != _READY[wanted]:
        raise SalamBotError(
            f"RDS {what.kind} {what.id} is {what.status}",
            "it can be stopped only while it is available, and started only while it is stopped",
            "salambot park" if wanted == "stopped" else "salambot unpark",
        )
    return Parked("postgres", what.id, what.status, bring(aws, what, wanted), changed=True)
