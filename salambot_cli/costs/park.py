"""`park` and `unpark`: stop and start what an environment pays for by the hour, where its provider offers that."""

import asyncio
from dataclasses import dataclass

from salambot_cli.audit.records import pull_recorded
from salambot_cli.aws.clients import Aws, AwsError, aws_clients
from salambot_cli.aws.parking import StoppableDatabase, Wanted, parkable, set_state
from salambot_cli.config.endpoints import host_and_port
from salambot_cli.config.validate import require
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import PrerequisiteError, SalamBotError
from salambot_cli.model.topology import Component

_UNDER_WAY = {"stopped": {"stopped", "stopping"}, "available": {"available", "starting"}}
_READY = {"stopped": "available", "available": "stopped"}


@dataclass(frozen=True, slots=True)
class ParkResult:
    """The result for one component."""

    component: Component
    id: str | None
    before: str | None
    after: str | None
    changed: bool
    reason: str = ""
    """Why nothing was done."""


async def park(environment: Environment, wanted: Wanted) -> list[ParkResult]:
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
        found.append(ParkResult("redis", None, None, None, changed=False, reason="ElastiCache has no stop"))
    return found


def _database(environment: Environment, wanted: Wanted) -> ParkResult:
    host, _ = host_and_port(environment.value("POSTGRES_URL") or "", 5432)
    aws = aws_clients(environment)
    try:
        what = parkable(aws, host)
        if what is None:
            raise PrerequisiteError(
                f"no RDS instance of this account and region answers at {host}",
                f"region {aws.region}",
                "salambot doctor rds",
            )
        return _bring(aws, what, wanted)
    except AwsError as failure:
        raise PrerequisiteError("AWS refuses", f"{failure.code}: {failure.message}", "salambot doctor aws") from failure


def _bring(aws: Aws, what: StoppableDatabase, wanted: Wanted) -> ParkResult:
    if what.status in _UNDER_WAY[wanted]:
        return ParkResult("postgres", what.id, what.status, what.status, changed=False, reason=f"it is {what.status}")
    if what.status != _READY[wanted]:
        raise SalamBotError(
            f"RDS {what.kind} {what.id} is {what.status}",
            "it can be stopped only while it is available, and started only while it is stopped",
            "salambot park" if wanted == "stopped" else "salambot unpark",
        )
    return ParkResult("postgres", what.id, what.status, set_state(aws, what, wanted), changed=True)
